"""Systems of the user's own on the embedded AWS, and docs/custom.md, which builds one."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tapgen import blueprints, config, plan
from tapgen.accounts import bootstrap
from tapgen.errors import TemplateError
from tapgen.model import System, Target
from tapgen.rollout import Outcome, uploads
from tapgen.system import ownership
from tests.emulated.conftest import Cloud
from tests.emulated.documents import ROOT, files, read

PAGE = ROOT / "docs" / "custom.md"
REGIONS = ("us-east-1", "eu-west-1")


def test_the_page_runs_as_it_stands(tmp_path: Path) -> None:
    assert read("docs/custom.md", tmp_path)

    manifest = json.loads((tmp_path / "templates_out/shop/manifest.json").read_text())
    assert [s["wave"] for s in manifest["stack_sets"]] == [1, 2, 3]


# The system of the page, looked at more closely ----------------------------------------


class Shop:
    """The files of docs/custom.md, rolled out in an account and another one beside it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        # Accounts of their own, so that tests do not meet.
        self.other = f"9{cloud.account[1:]}"
        for name, text in files(PAGE).items():
            self.write(name, text.replace("222222222222", self.other))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, was: str, becomes: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert was in text
        path.write_text(text.replace(was, becomes))

    @property
    def system(self) -> System:
        path = self.folder / "stacksets" / "shop.yaml"
        read = config.load(path, partial(blueprints.find, folder=path.parent))
        custom = blueprints.find("custom")
        assert custom is not None
        return custom.build(read).resolve(self.cloud.account)

    def rollout(self) -> Outcome:
        bootstrap.run(self.cloud.aws, self.system, code="")
        return self.cloud.run(self.cloud.plan(self.system))

    def client(self, service: str, account: str, region: str) -> Any:
        return self.cloud.aws.client(service, Target(account, region))

    def ask(self, account: str, region: str) -> dict[str, Any]:
        """What the function of a target answers."""
        answer = self.client("lambda", account, region).invoke(
            FunctionName="shop-prod-orders", Payload=json.dumps({"order": 7})
        )
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return found

    def memory(self, account: str, region: str) -> int:
        client = self.client("lambda", account, region)
        found = client.get_function_configuration(FunctionName="shop-prod-orders")
        return int(found["MemorySize"])

    def versions(self, account: str, region: str) -> list[str]:
        """Keys of all versions of all artifacts in a target's bucket."""
        bucket = f"tapgen-artifacts-{account}-{region}"
        client = self.client("s3", account, region)
        found = client.list_object_versions(Bucket=bucket, Prefix="artifacts/")
        return sorted(v["Key"] for v in found.get("Versions", []))


@pytest.fixture
def shop(cloud: Cloud, tmp_path: Path) -> Shop:
    return Shop(cloud, tmp_path)


def test_a_custom_system_is_rolled_out_changed_and_destroyed(shop: Shop) -> None:
    mine, other = shop.cloud.account, shop.other
    places = [(account, region) for account in (mine, other) for region in REGIONS]

    assert shop.rollout().green
    assert not shop.cloud.plan(shop.system)
    assert shop.cloud.statuses(shop.system) == {"CURRENT"}

    # Values of the own account and region, overrides by region and by account.
    for account, region in places:
        ec2 = shop.client("ec2", account, region)
        answer = shop.ask(account, region)
        assert answer["thanks"] == 7
        subnets = ec2.describe_subnets(SubnetIds=answer["subnets"])["Subnets"]
        wanted = "10.1." if region == "eu-west-1" else "10.0."
        assert {s["CidrBlock"][:5] for s in subnets} == {wanted}
        assert shop.memory(account, region) == (256 if account == mine else 128)
    # Values of every target, and of one in another region.
    ssm = shop.client("ssm", mine, "us-east-1")
    listed = ssm.get_parameter(Name="/shop/prod/orders")["Parameter"]["Value"]
    arn = "arn:aws:lambda:{1}:{0}:function:shop-prod-orders"
    assert set(listed.split(",")) == {arn.format(*place) for place in places}
    overview = shop.cloud.observe(shop.system)["shop-prod-overview"]
    (instance,) = overview.instances.values()
    assert (instance.outputs or {})["Europe"] == arn.format(mine, "eu-west-1")

    # Another value moves no code, other code moves nothing else.
    before = {place: shop.versions(*place) for place in places}
    assert {len(keys) for keys in before.values()} == {1}
    shop.edit("stacksets/shop.yaml", "Memory: 256", "Memory: 512")
    assert shop.rollout().green
    assert {place: shop.versions(*place) for place in places} == before
    assert shop.memory(mine, "eu-west-1") == 512

    shop.edit("stacksets/shop/src/index.py", '"thanks"', '"many_thanks"')
    made = shop.cloud.plan(shop.system)
    assert {step.part for step in made.steps if not step.conditional} == {"orders"}
    missing = uploads.missing(shop.cloud.aws, made.artifacts)
    assert {(u.target.account, u.target.region) for u in missing} == {*places}
    assert shop.rollout().green
    assert shop.ask(other, "eu-west-1")["many_thanks"] == 7
    assert {len(shop.versions(*place)) for place in places} == {2}

    gone = plan.destroy(shop.system, shop.cloud.observe(shop.system))
    assert shop.cloud.run(gone).green
    assert shop.cloud.observe(shop.system) == {}


def test_a_failed_rollout_goes_back_to_the_code_before(shop: Shop) -> None:
    assert shop.rollout().green
    shop.edit("stacksets/shop/src/index.py", '"thanks"', '"many_thanks"')
    # A name that is taken in the last of the targets.
    name = f"taken-{shop.other}-us-east-1"
    shop.client("s3", shop.cloud.account, "us-east-1").create_bucket(Bucket=name)
    taken = """Resources:
  Taken:
    Type: AWS::S3::Bucket
    DependsOn: Function
    Properties: {BucketName: !Sub 'taken-${AWS::AccountId}-${AWS::Region}'}
"""
    shop.edit("stacksets/shop/orders.yaml", "Resources:\n", taken)

    ended = shop.rollout()

    assert [failure.logical_id for failure in ended.failures] == ["Taken"]
    assert "shop-prod-orders" in ended.restored

    assert shop.ask(shop.cloud.account, "eu-west-1")["thanks"] == 7


def test_an_artifact_that_changes_after_the_plan_is_refused(shop: Shop) -> None:
    bootstrap.run(shop.cloud.aws, shop.system, code="")
    made = shop.cloud.plan(shop.system)
    shop.edit("stacksets/shop/src/index.py", '"thanks"', '"many_thanks"')

    with pytest.raises(
        TemplateError, match="has changed since the plan was made; plan again"
    ):
        shop.cloud.run(made)

    assert shop.cloud.observe(shop.system) == {}


def test_a_large_template_goes_through_the_artifact_bucket(shop: Shop) -> None:
    topic = "  Topic{0}:\n    Type: AWS::SNS::Topic\n    Properties:\n" + (
        "      DisplayName: !Sub '${{EnvironmentSuffix}} {0} {1}'\n"
    )
    large = "".join(topic.format(n, "x" * 80) for n in range(400))
    text = (shop.folder / "stacksets/shop/network.yaml").read_text()
    shop.write(
        "stacksets/shop/network.yaml", text.replace("Outputs:", f"{large}Outputs:")
    )
    system = shop.system
    network = system.part("network")
    assert len(network.template.encode()) > 51_200
    only = replace(network, targets=network.targets[:1])
    system = replace(system, stack_sets=(only,))

    bootstrap.run(shop.cloud.aws, system, code="")
    assert shop.cloud.run(shop.cloud.plan(system)).green

    bucket = f"tapgen-artifacts-{shop.cloud.account}-us-east-1"
    s3 = shop.client("s3", shop.cloud.account, "us-east-1")
    (stored,) = s3.list_objects_v2(Bucket=bucket, Prefix="templates/")["Contents"]
    assert stored["Size"] > 51_200
    found = ownership.observe(system, shop.cloud.sets)[network.name]
    assert len(json.loads(found.template)["Resources"]) == 403
    assert not shop.cloud.plan(system)


def test_one_system_may_need_the_bucket_that_another_administers_from(
    shop: Shop,
) -> None:
    """A system's artifacts go to a region that another system is administered from,
    whichever of the two comes first."""
    here = shop.system
    there = replace(
        here,
        suffix="two",
        admin=Target(shop.cloud.account, "eu-west-1"),
        stack_sets=tuple(
            replace(s, name=s.name.replace("prod", "two")) for s in here.stack_sets
        ),
    )

    for system in (here, there, here, there):
        bootstrap.run(shop.cloud.aws, system, code="")

    for system in (here, there):
        lacking = bootstrap.unready(shop.cloud.aws, system, "")
        assert (lacking.everywhere, lacking.accounts) == ((), {})
