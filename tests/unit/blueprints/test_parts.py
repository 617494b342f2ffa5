"""Parts that do not fit together: all mistakes are reported at once."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest
from troposphere import Ref, Template, iam, s3

from tapgen.blocks import frame
from tapgen.blueprints.parts import Part, assemble
from tapgen.config import Config
from tapgen.errors import BlueprintError
from tapgen.model import Output, RolloutSettings, System, Target

SUFFIX = "prod"


class NoSettings(pydantic.BaseModel):
    """A blueprint without settings."""


def config(suffix: str = SUFFIX) -> Config:
    return Config(
        system="demo",
        blueprint="demo",
        suffix=suffix,
        regions={"primary": "us-east-1", "dr": "us-west-2"},
        accounts=("self",),
        admin=Target("self", "us-east-1"),
        settings=NoSettings(),
        tags={"CostCenter": "x", "Project": "other"},
        account_baseline="create",
        rollout=RolloutSettings(),
        environment=None,
        path=Path("stacksets/demo.yaml"),
    )


def template(role: str, *, size: bool = True) -> Template:
    t = frame.start("A thing", role=role)
    if size:
        frame.parameter(t, "Size", description="A size.")
    t.add_resource(s3.Bucket("Bucket"))
    frame.output(t, "Name", Ref("Bucket"), description="Its name")
    return t


def make(*parts: Part, suffix: str = SUFFIX) -> System:
    return assemble(config(suffix), parts)


def test_a_part_goes_to_the_regions_of_its_role() -> None:
    system = make(
        *(
            Part(role, role, template(role), ("Name",), {"Size": "1"})
            for role in ("primary", "dr", "every", "global")
        )
    )
    regions = {s.part: [t.region for t in s.targets] for s in system.stack_sets}
    assert regions == {
        "primary": ["us-east-1"],
        "dr": ["us-west-2"],
        "every": ["us-east-1", "us-west-2"],
        "global": ["us-east-1"],
    }
    assert system.part("dr").name == "demo-prod-dr"


def test_only_what_differs_between_regions_is_an_override() -> None:
    system = make(
        Part(
            "net",
            "every",
            template("every"),
            ("Name",),
            by_role={"primary": {"Size": "1"}, "dr": {"Size": "2"}},
        ),
        Part("app", "every", template("every"), ("Name",), {"Size": "1"}),
    )
    (override,) = system.part("net").overrides
    assert override.region == "us-west-2"
    assert override.parameters == {"RegionRole": "dr", "Size": "2"}
    (other,) = system.part("app").overrides
    assert other.parameters == {"RegionRole": "dr"}


def test_region_roles_in_references_become_regions() -> None:
    system = make(
        Part("a", "dr", template("dr", size=False), ("Name",)),
        Part(
            "b",
            "primary",
            template("primary"),
            ("Name",),
            {"Size": Output("a", "Name", region="dr")},
        ),
    )
    size = system.part("b").parameters["Size"]
    assert size == Output("a", "Name", region="us-west-2")


def test_the_users_tags_win() -> None:
    system = make(Part("a", "dr", template("dr", size=False), ("Name",)))
    assert system.part("a").tags == {
        "Project": "other",
        "Environment": "prod",
        "ManagedBy": "tapgen",
        "CostCenter": "x",
    }


@pytest.mark.parametrize(
    ("role_name", "expected"),
    [("named", ("CAPABILITY_NAMED_IAM",)), (None, ("CAPABILITY_IAM",))],
)
def test_capabilities_are_those_the_template_needs(
    role_name: str | None, expected: tuple[str, ...]
) -> None:
    t = template("dr", size=False)
    named = {"RoleName": role_name} if role_name else {}
    t.add_resource(iam.Role("Role", AssumeRolePolicyDocument={}, **named))
    assert make(Part("a", "dr", t, ("Name",))).part("a").capabilities == expected


def test_every_mistake_is_reported_at_once() -> None:
    long = template("dr", size=False)
    long.add_resource(s3.Bucket("Long", BucketName=Ref("EnvironmentSuffix")))
    with pytest.raises(BlueprintError) as caught:
        make(
            Part("a", "dr", template("dr"), ("Name", "Gone")),
            Part("b", "dr", template("dr"), (), {"Size": "1", "Sise": "2"}),
            Part("c", "dr", template("dr"), ("Name",), {"Size": Output("a", "Nam")}),
            Part("d", "dr", long, ("Name",)),
            suffix="s" * 64,
        )
    lines = str(caught.value).splitlines()
    assert [line.split(": ", 2)[1:] for line in lines] == [
        ["a", "output Gone is only in the declaration of the part"],
        ["a", "parameter Size has no value in dr"],
        ["b", "output Name is only in the template of the part"],
        ["b", "the template has no parameter Sise"],
        ["c", "no part has the output a.Nam"],
        [
            "d",
            f"Long: BucketName '{'s' * 64}' has 64 characters, AWS::S3::Bucket allows"
            " 63; shorten the suffix by 1",
        ],
    ]
