"""The `stack_sets` block: what it gives, and how every mistake in it is mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cfnlint.jsonschema import StandardValidator
from pydantic import BaseModel, ConfigDict

from tapgen import config
from tapgen.config import ArtifactConfig, Blueprint, Config, Place, StackSetConfig
from tapgen.errors import ConfigError
from tapgen.model import AtFirst, Output, Override, PassedRole, System, Target


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


def build(_: Config) -> System:
    raise AssertionError("loading a config builds nothing")


CUSTOM = Blueprint("custom", "", (), Nothing, build, stack_sets=True)
SHIPPED = Blueprint("shipped", "sh", ("primary", "dr"), Nothing, build)
FREE = Blueprint("free", "", (), Nothing, build)
FIND = {b.name: b for b in (CUSTOM, SHIPPED, FREE)}.get

HEAD = "blueprint: custom\nsuffix: prod\n"
# The first line of a stack set is line 4.
NET = "stack_sets:\n  net: {template: t.yaml, regions: [us-east-1]}\n"

Load = Callable[..., Config]
Mistakes = Callable[[str], list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "t.yaml").write_text("")
    (tmp_path / "code.zip").write_text("")

    def load_text(text: str, environment: str | None = None) -> Config:
        path = tmp_path / "shop.yaml"
        path.write_text(text)
        return config.load(path, FIND, environment, ["custom", "shipped"])

    return load_text


@pytest.fixture
def mistakes(load: Load, tmp_path: Path) -> Mistakes:
    def problems(text: str) -> list[str]:
        with pytest.raises(ConfigError) as error:
            load(text)
        found = [p.removeprefix(f"{tmp_path}/shop.yaml:") for p in error.value.problems]
        return [p.replace(f"{tmp_path}/", "") for p in found]

    return problems


def test_a_template_and_a_region_are_a_stack_set(load: Load) -> None:
    found = load(HEAD + NET)

    assert found.stack_sets == (
        StackSetConfig("net", "t.yaml", 4, (Target("self", "us-east-1"),)),
    )
    assert found.regions == {"us-east-1": "us-east-1"}
    assert found.admin == Target("self", "us-east-1")
    assert found.rollout.order == ("us-east-1",)


def test_everything_can_be_said(load: Load) -> None:
    found = load(HEAD + """\
regions: {main: us-east-1, spare: eu-west-1}
accounts: ["111111111111", self]
rollout: {order: [spare]}
stack_sets:
  net:
    template: t.yaml
    parameters: {Cidr: 10.0.0.0/16, Zones: [a, b], Size: 1.50, Logs: yes, On: true}
  app:
    template: t.yaml
    targets:
      - {account: "222222222222", region: spare}
      - {region: ap-south-1}
    parameters:
      Vpc: {output: net.Vpc}
      Peers: {output: net.Vpc, region: main, account: "111111111111"}
      Every: {output: net.Vpc, all: true}
    overrides:
      - {region: spare, parameters: {Size: 2}}
      - {region: spare, account: "222222222222", parameters: {Vpc: none}}
      - {account: self, parameters: {Vpc: {output: net.Vpc, region: spare}}}
    artifacts:
      Code: {path: code.zip}
      More: {path: code.zip, bucket: B, key: K}
    at_first:
      Vpc: {value: false, until: [net, app]}
    depends_on: [net]
    capabilities: [CAPABILITY_IAM]
    tags: {Team: shop}
""")
    net, app = found.stack_sets

    assert net.targets == tuple(
        Target(account, region)
        for region in ("us-east-1", "eu-west-1")
        for account in ("111111111111", "self")
    )
    assert net.parameters == {
        "Cidr": "10.0.0.0/16",
        "Zones": "a,b",
        "Size": "1.50",
        "Logs": "yes",
        "On": "true",
    }
    assert app.targets == (
        Target("222222222222", "eu-west-1"),
        Target("self", "ap-south-1"),
    )
    assert app.parameters == {
        "Vpc": Output("net", "Vpc"),
        "Peers": Output("net", "Vpc", "us-east-1", "111111111111"),
        "Every": Output("net", "Vpc", all=True),
    }
    assert app.overrides == (
        Override({"Size": "2"}, "eu-west-1"),
        Override({"Vpc": "none"}, "eu-west-1", "222222222222"),
        Override({"Vpc": Output("net", "Vpc", "eu-west-1")}, None, "self"),
    )
    assert app.artifacts == {
        "Code": ArtifactConfig("code.zip", "CodeBucket", "CodeKey"),
        "More": ArtifactConfig("code.zip", "B", "K"),
    }
    assert app.at_first == {"Vpc": AtFirst("false", ("net", "app"))}
    assert (app.depends_on, app.capabilities) == (("net",), ("CAPABILITY_IAM",))
    assert app.tags == {"Team": "shop"}
    assert found.regions == {
        "main": "us-east-1",
        "spare": "eu-west-1",
        "ap-south-1": "ap-south-1",
    }
    assert found.rollout.order == ("eu-west-1", "us-east-1", "ap-south-1")


def test_regions_are_rolled_out_as_they_are_listed(load: Load) -> None:
    text = NET.replace("[us-east-1]", "[eu-west-1, us-east-1]")

    assert load(HEAD + text).rollout.order == ("eu-west-1", "us-east-1")


def test_an_environment_overlays_single_values(load: Load) -> None:
    text = HEAD + """\
stack_sets:
  net: {template: t.yaml, regions: [us-east-1], parameters: {A: "1", B: "2"}}
  app:
    template: t.yaml
    targets: [{region: us-east-1}]
    parameters: {Vpc: {output: net.Vpc, region: us-east-1}}
environments:
  staging:
    suffix: stg
    stack_sets:
      net: {parameters: {B: "3"}}
      app: {regions: [eu-west-1], parameters: {Vpc: {output: net.Other, all: true}}}
"""
    net, app = load(text, "staging").stack_sets

    assert net.parameters == {"A": "1", "B": "3"}
    assert app.targets == (Target("self", "eu-west-1"),)
    # A reference is one value: nothing of the one before is left.
    assert app.parameters == {"Vpc": Output("net", "Other", all=True)}
    assert load(text).stack_sets[1].targets == (Target("self", "us-east-1"),)


PAIR = """\
stack_sets:
  net: {template: t.yaml, regions: [us-east-1]}
  app:
    template: t.yaml
    regions: [us-east-1, eu-west-1]
"""


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        # line 8 on: what else the stack set app says
        (
            "regons: [a]",
            "8: stack_sets.app.regons: unknown key; allowed: account_filter, ",
        ),
        ("template: u.yaml", "8: stack_sets.app.template: given twice, first on"),
        (
            "accounts: [self, self]",
            "8: stack_sets.app.accounts[1]: listed twice, first",
        ),
        ("accounts: [1]", '8: stack_sets.app.accounts[0]: 1 is not text; quote it: "1'),
        (
            "targets: [{region: us-east-1}]",
            "8: stack_sets.app.targets: cannot be combined with regions; keep one",
        ),
        (
            "depends_on: [ent]",
            "8: stack_sets.app.depends_on[0]: 'ent' is not a stack set ",
        ),
        (
            "at_first: {A: {value: [], until: [net]}}",
            "8: stack_sets.app.at_first.A.value: a list is not one value; give text or",
        ),
        (
            "at_first: {A: {value: x, until: [nett]}}",
            "8: stack_sets.app.at_first.A.until[0]: 'nett' is not a stack set of this",
        ),
        ("depends_on: [ent]", "; give net; did you mean 'net'?"),
        ("depends_on: [app]", "a stack set cannot depend on itself; give another one"),
        ("depends_on: [net, net]", "depends_on[1]: listed twice, first on line 8"),
        (
            "capabilities: [X]",
            "8: stack_sets.app.capabilities[0]: 'X' is not allowed; give",
        ),
        ("tags: {'aws:x': y}", "starts with aws:, which is reserved"),
        (
            "parameters: {A: {output: nat.Vpc}}",
            "8: stack_sets.app.parameters.A.output: 'nat' is not a stack set of this file;"
            " give net; did you mean 'net'?",
        ),
        ("parameters: {A: {output: app.Vpc}}", "a stack set cannot depend on itself"),
        (
            "parameters: {A: {output: net}}",
            "A.output: 'net' is not of the form STACK_SET.OUTPUT",
        ),
        ("parameters: {A: {}}", "8: stack_sets.app.parameters.A.output: missing; give"),
        (
            "parameters: {A: {output: net.B, regin: us-east-1}}",
            "A.regin: unknown key; allowed: account, all, by, output, region; did you mean",
        ),
        (
            "parameters: {A: {output: net.B, region: us-esat-1}}",
            "A.region: 'us-esat-1' is not an AWS region; give a region such as us-east-1"
            "; did you mean 'us-east-1'?",
        ),
        (
            "parameters: {A: {output: net.B, account: 111111111111}}",
            "A.account: 111111111111 is not an account id; give 12 digits in quotes",
        ),
        ("parameters: {A: {output: net.B, all: x}}", "A.all: 'x' is not true or false"),
        (
            "parameters: {A: }",
            "8: stack_sets.app.parameters.A: no value; give one, or",
        ),
        (
            "parameters: {A: 0123}",
            'A: the number 0123 may lose digits; quote it: "0123"',
        ),
        ("parameters: {A: 111111111111}", 'may lose digits; quote it: "111111111111"'),
        (
            "parameters: {A: [{output: net.B}]}",
            "a mapping in a list; give only text or num",
        ),
        ("parameters: {A: ['b,c']}", "A[0]: an item with a comma becomes two items"),
        ("parameters: [a]", "8: stack_sets.app.parameters: a list is not a mapping"),
        (
            "overrides: [{parameters: {}}]",
            "overrides[0]: applies to all targets; give it a region, an account",
        ),
        (
            "overrides: [{region: ap-south-1, parameters: {}}]",
            "overrides[0]: matches no target of this stack set; remove it",
        ),
        (
            "overrides: [{region: us-east-1}, {region: us-east-1}]",
            "overrides[1]: has the same targets as line 8; merge the two",
        ),
        ("overrides: [{region: x}]", "overrides[0].region: 'x' is not an AWS region"),
        (
            "overrides: [{region: us-east-1, parameters: {A: {output: no.B}}}]",
            "overrides[0].parameters.A.output: 'no' is not a stack set of this file",
        ),
        (
            "artifacts: {Code: {path: build/app.zip}}",
            "8: stack_sets.app.artifacts.Code.path: build/app.zip does not exist; build",
        ),
        (
            "parameters: {A: {output: net.B, by: export}}",
            "A.by: 'export' is not a way to hand on a value; give ssm, or remove by",
        ),
        (
            "artifacts: {Co-de: {path: code.zip}}",
            "'Co-de' is not a valid artifact name; use letters and digits",
        ),
        (
            "artifacts: {Code: {}}",
            "artifacts.Code.path: missing; give it a value (a file, or a folder",
        ),
        (
            "artifacts: {Code: {path: code.zip}}\n    parameters: {CodeKey: x}",
            "9: stack_sets.app.parameters.CodeKey: the artifact Code already sets it; remove",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_key(
    mistakes: Mistakes, line: str, problem: str
) -> None:
    (found,) = mistakes(f"{HEAD}{PAIR}    {line}\n")

    assert problem in found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: stack_sets: missing; give each stack set a name and a template"),
        ("stack_sets: {}\n", "3: stack_sets: missing; give each stack set a name"),
        ("stack_sets: [a]\n", "3: stack_sets: a list is not a mapping"),
        (
            "stack_sets:\n  net: {template: t.yaml}\n",
            "4: stack_sets.net.regions: missing; give regions, or pairs of account",
        ),
        (
            "stack_sets:\n  net: {regions: [us-east-1]}\n",
            "4: stack_sets.net.template: missing; give it a value (a CloudFormation template in JSON or YAML",
        ),
        (
            NET.replace("t.yaml", "no.yaml"),
            "4: stack_sets.net.template: 'no.yaml': no.yaml does not exist; give the path of a file",
        ),
        (
            NET.replace("t.yaml", "no.py:x"),
            "no.py does not exist; give the path of a file",
        ),
        (NET.replace("t.yaml", "."), " is a folder; give the path of a file"),
        (
            NET.replace("net:", "Net:"),
            "4: stack_sets.Net: 'Net' is not a valid stack set name",
        ),
        (
            NET.replace("net:", "manifest:"),
            "; use at most 28 lower-case letters, digi",
        ),
        (
            NET.replace("net:", f"{'n' * 29}:"),
            "is not a valid stack set name; use at most 28",
        ),
        (
            NET.replace("us-east-1", "primary"),
            "4: stack_sets.net.regions[0]: 'primary' is not an AWS region; give a region",
        ),
        (
            NET.replace("[us-east-1]", "[us-east-1, us-east-1]"),
            "4: stack_sets.net.regions[1]: listed twice, first on line 4; keep one",
        ),
        (
            NET.replace("[us-east-1]", "[us-east-1, cn-north-1]"),
            "'cn-north-1' and 'us-east-1' are in different AWS partitions",
        ),
        (NET + "settings: {a: b}\n", "5: settings.a: unknown key; allowed: none"),
        (NET + "regions: {us-east-2: us-east-1}\n", "is not a valid region role; use"),
        (NET + "regions: {same: us-east-1}\n", "is not a valid region role; use"),
        (
            NET + "rollout: {order: [eu-west-1]}\n",
            "5: rollout.order[0]: 'eu-west-1' is neither a region role nor a region of this",
        ),
    ],
)
def test_a_mistake_of_the_block_is_reported(
    mistakes: Mistakes, text: str, problem: str
) -> None:
    found = mistakes(HEAD + text)

    assert any(problem in line for line in found), found
    assert len(found) == 1


PASS = "pass_roles:\n  - {{role: {role}, to: {to}}}\n"


def test_roles_of_other_systems_are_named_with_their_services(load: Load) -> None:
    to = "[lambda.amazonaws.com, states.amazonaws.com]"
    arn = "arn:aws-us-gov:iam::111111111111:role/app/worker"
    for role in ("worker", "app/team/worker", "w+=.@-_", f'"{arn}"'):
        found = load(HEAD + NET + PASS.format(role=role, to=to)).pass_roles
        assert found == (
            PassedRole(role.strip('"'), "lambda.amazonaws.com"),
            PassedRole(role.strip('"'), "states.amazonaws.com"),
        )
    assert load(HEAD + NET).pass_roles == ()


@pytest.mark.parametrize(
    ("role", "to", "problem"),
    [
        ("'*'", "[ec2.amazonaws.com]", "role: '*' contains a wildcard; list each role"),
        (
            "app/*",
            "[ec2.amazonaws.com]",
            "role: 'app/*' contains a wildcard; list each ",
        ),
        (
            "/app",
            "[ec2.amazonaws.com]",
            "role: '/app' is not a role; give the name of a role, ",
        ),
        (
            "'arn:aws:iam::1:role/a'",
            "[ec2.amazonaws.com]",
            "role: 'arn:aws:iam::1:role/a' is not a role; give the name of a role, ",
        ),
        ("a", "[ec2]", "to[0]: 'ec2' is not a service principal; give one such as "),
        (
            "a",
            "['*.amazonaws.com']",
            "to[0]: '*.amazonaws.com' is not a service principal; ",
        ),
        ("a", "[]", "to: a list has 0 entries; give at least 1"),
    ],
)
def test_a_role_that_cannot_be_limited_is_refused(
    mistakes: Mistakes, role: str, to: str, problem: str
) -> None:
    (said,) = mistakes(HEAD + NET + PASS.format(role=role, to=to))

    assert said.startswith(f"6: pass_roles[0].{problem}")


def test_permissions_are_given_by_type(load: Load, mistakes: Mistakes) -> None:
    given = "permissions: {{Org::Data::Feed: {actions}}}\n"
    found = load(HEAD + NET + given.format(actions="[s3:GetObject, 'sqs:Send*']"))
    assert found.permissions == {"Org::Data::Feed": ("s3:GetObject", "sqs:Send*")}
    assert load(HEAD + NET).permissions == {}

    for wrong in ("GetObject", "'s3:*'", "'*'", "s3:", "S3:Get"):
        (said,) = mistakes(HEAD + NET + given.format(actions=f"[{wrong}]"))
        assert "is not an action of IAM; give one such as s3:GetObject" in said


def test_a_circle_is_reported_by_its_names(mistakes: Mistakes) -> None:
    (found,) = mistakes(HEAD + """\
stack_sets:
  a: {template: t.yaml, regions: [us-east-1], depends_on: [b]}
  b: {template: t.yaml, regions: [us-east-1], parameters: {X: {output: c.X}}}
  c: {template: t.yaml, regions: [us-east-1], depends_on: [a]}
""")

    assert (
        "stack sets depend on each other: " in found
        and "; remove a dependency" in found
    )
    assert any(pair in found for pair in ("a -> b", "b -> c", "c -> a"))


def test_what_waits_for_another_one_makes_no_circle(load: Load) -> None:
    found = load(HEAD + """\
stack_sets:
  a:
    template: t.yaml
    regions: [us-east-1]
    parameters: {X: {output: b.X}, Y: {output: a.Y}}
    at_first: {X: {value: "", until: [b]}, Y: {value: "", until: [a]}}
  b: {template: t.yaml, regions: [us-east-1], depends_on: [a]}
""")

    assert found.stack_sets[0].at_first["X"] == AtFirst("", ("b",))


def test_every_mistake_is_reported_in_one_go(mistakes: Mistakes) -> None:
    found = mistakes(HEAD + """\
stack_sets:
  net: {template: no.yaml, regions: [us-esat-1], parameters: {A: 01}}
  app: {template: t.yaml, regions: [us-east-1], depends_on: [nte], foo: 1}
""")

    assert [line.partition(":")[0] for line in found] == ["4", "4", "4", "5", "5"]


def test_only_custom_takes_stack_sets_and_the_others_need_regions(
    mistakes: Mistakes,
) -> None:
    both = "regions: {primary: us-east-1, dr: eu-west-1}\n"
    shipped = HEAD.replace("custom", "shipped")

    assert mistakes(shipped + both + NET) == [
        "4: stack_sets: only the blueprint custom has stack_sets; remove this key"
    ]
    missing = "regions: missing; give a region for each region role of the blueprint"
    assert mistakes(shipped) == [f"1: {missing}"]
    assert mistakes(HEAD.replace("custom", "free")) == [f"1: {missing}"]
    assert mistakes(HEAD.replace("custom", "free") + "regions: {}\n") == [
        f"3: {missing}"
    ]


def test_a_blueprint_without_roles_takes_those_of_the_file(load: Load) -> None:
    found = load(HEAD.replace("custom", "free") + "regions: {x: eu-west-1}\n")

    assert found.regions == {"x": "eu-west-1"}


def complaints(data: Any) -> list[str]:
    schema = config.json_schema([CUSTOM, SHIPPED])
    return [e.message for e in StandardValidator(schema=schema).iter_errors(data)]


def test_the_schema_knows_stack_sets(load: Load) -> None:
    one: dict[str, Any] = {
        "template": "t.yaml",
        "regions": ["us-east-1"],
        "parameters": {"A": 1, "B": ["x"], "C": {"output": "other.X", "all": True}},
        "overrides": [{"region": "us-east-1", "parameters": {"A": "2"}}],
        "artifacts": {"Code": {"path": "code.zip"}},
    }
    other = {"template": "t.yaml", "targets": [{"region": "us-east-1"}]}
    data: dict[str, Any] = {
        "blueprint": "custom",
        "suffix": "prod",
        "stack_sets": {"one": one, "other": other},
        "environments": {
            "staging": {"suffix": "stg", "stack_sets": {"one": {"parameters": {}}}}
        },
    }

    assert complaints(data) == []
    assert load(json.dumps(data), "staging").suffix == "stg"
    assert complaints({**data, "blueprint": "shipped"}) != []
    assert complaints({**data, "stack_sets": {"one": {**one, "x": 1}}}) != []
    assert complaints({**data, "stack_sets": {"one": {"regions": ["a"]}}}) != []
    wrong = {**one, "parameters": {"A": {"outputs": "a.B"}}}
    assert complaints({**data, "stack_sets": {"one": wrong}}) != []


def test_a_stack_set_misspelled_in_an_environment_is_reported_as_that(
    mistakes: Mistakes,
) -> None:
    text = HEAD + NET + """\
environments:
  dev:
    suffix: dev
    stack_sets:
      nte: {parameters: {Size: 3}}
"""

    assert mistakes(text) == [
        "9: environments.dev.stack_sets.nte: 'nte' is not a stack set of this file; "
        "give net, or give it a template of its own; did you mean 'net'?"
    ]


def test_an_environment_may_have_a_stack_set_of_its_own(load: Load) -> None:
    text = HEAD + NET + """\
environments:
  dev:
    suffix: dev
    stack_sets:
      extra: {template: t.yaml, regions: [us-east-1]}
"""

    found = load(text, "dev").stack_sets

    assert [s.part for s in found] == ["net", "extra"]


def test_a_key_that_took_its_colon_along_is_reported_with_what_to_write(
    mistakes: Mistakes,
) -> None:
    text = HEAD + NET.replace("]}", "], parameters: {Size:, Count: 1}}")

    assert mistakes(text) == [
        "4: stack_sets.net.parameters.'Size:': no value; put a space after the colon of "
        "'Size:'"
    ]


def test_each_parameter_has_the_place_of_the_value_that_a_target_gets(
    load: Load,
) -> None:
    (net,) = load(HEAD + """\
stack_sets:
  net:
    template: t.yaml
    regions: [us-east-1, eu-west-1]
    parameters:
      Size: 1
    overrides:
      - region: eu-west-1
        parameters:
          Size: 2
    artifacts:
      Code: {path: code.zip}
""").stack_sets

    places = [
        net.place_of(name, Target("self", region))
        for name, region in [
            ("Size", "us-east-1"),
            ("Size", "eu-west-1"),
            ("CodeKey", "eu-west-1"),
            ("Other", "eu-west-1"),
        ]
    ]

    assert places == [
        Place(8, "stack_sets.net.parameters.Size"),
        Place(12, "stack_sets.net.overrides[0].parameters.Size"),
        Place(14, "stack_sets.net.artifacts.Code"),
        None,
    ]
