"""A system whose templates have loops, on the embedded AWS."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tapgen import blueprints, config, plan
from tapgen.accounts import roles
from tapgen.aws import retained
from tapgen.model import System, Target
from tapgen.template.diff import Verb
from tests.emulated.conftest import Cloud

CONFIG = """\
blueprint: custom
suffix: prod
regions: {main: us-east-1, europe: eu-west-1}
stack_sets:
  topics:
    template: topics.yaml
    parameters: {Names: [orders, bills]}
    overrides:
      - {region: europe, parameters: {Names: [orders], Keep: Delete}}
  reader:
    template: reader.yaml
    regions: [main]
    parameters: {Topic: {output: topics.Arnbills}}
"""
TOPICS = """\
Transform: AWS::LanguageExtensions
Parameters:
  EnvironmentSuffix: {Type: String}
  Names: {Type: CommaDelimitedList}
  Keep: {Type: String, Default: Retain}
Mappings:
  Delays: {orders: {Seconds: '5'}}
Resources:
  Fn::ForEach::Topics:
    - Name
    - !Ref Names
    - Topic${Name}:
        Type: AWS::SNS::Topic
        DeletionPolicy: !Ref Keep
        Properties:
          TopicName: !Sub fan-${EnvironmentSuffix}-${Name}
          Tags: [{Key: All, Value: !ToJsonString {names: !Ref Names}}]
      Fn::ForEach::Queues:
        - Lane
        - [fast.lane, slow.lane]
        - Queue${Name}&{Lane}:
            Type: AWS::SQS::Queue
            Properties:
              QueueName: !Sub
                - fan-${EnvironmentSuffix}-${Name}-${Short}
                - Short: !Select [0, !Split ['.', !Ref Lane]]
              DelaySeconds: !FindInMap [Delays, !Ref Name, Seconds, {DefaultValue: '0'}]
Outputs:
  Fn::ForEach::Arns:
    - Name
    - !Ref Names
    - Arn${Name}: {Value: !Ref {'Fn::Sub': 'Topic${Name}'}}
"""
READER = """\
Parameters: {Topic: {Type: String}}
Resources:
  Where: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref Topic}}
"""


class Fan:
    """The system in an account of its own."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.path = folder / "fan.yaml"
        self.path.write_text(CONFIG)
        (folder / "topics.yaml").write_text(TOPICS)
        (folder / "reader.yaml").write_text(READER)

    @property
    def system(self) -> System:
        read = config.load(self.path, partial(blueprints.find, folder=self.path.parent))
        return blueprints.find("custom").build(read).resolve(self.cloud.account)  # type: ignore[union-attr]

    def names(self, region: str) -> list[str]:
        """Of all topics and queues in a region."""
        topics = self.cloud.client("sns", region).list_topics()["Topics"]
        queues = self.cloud.client("sqs", region).list_queues().get("QueueUrls", [])
        found = [t["TopicArn"].rpartition(":")[2] for t in topics]
        return sorted([*found, *(url.rpartition("/")[2] for url in queues)])


@pytest.fixture
def fan(cloud: Cloud, tmp_path: Path) -> Fan:
    return Fan(cloud, tmp_path)


def test_a_system_with_loops_is_rolled_out_changed_and_destroyed(fan: Fan) -> None:
    cloud = fan.cloud
    cloud.bootstrap(fan.system)

    assert cloud.run(cloud.plan(fan.system)).green
    assert not cloud.plan(fan.system)
    orders = ["fan-prod-orders", "fan-prod-orders-fast", "fan-prod-orders-slow"]
    bills = [name.replace("orders", "bills") for name in orders]
    assert fan.names("us-east-1") == bills + orders
    assert fan.names("eu-west-1") == orders
    queue = cloud.client("sqs").get_queue_url(QueueName="fan-prod-orders-fast")
    delays = cloud.client("sqs").get_queue_attributes(
        QueueUrl=queue["QueueUrl"], AttributeNames=["DelaySeconds"]
    )
    assert delays["Attributes"]["DelaySeconds"] == "5"
    tags = cloud.client("sns").list_tags_for_resource(
        ResourceArn=f"arn:aws:sns:us-east-1:{cloud.account}:fan-prod-bills"
    )["Tags"]
    tag_value = {tag["Key"]: tag["Value"] for tag in tags}["All"]
    assert json.loads(tag_value) == {"names": ["orders", "bills"]}

    # One item more, in one region.
    fan.path.write_text(CONFIG.replace("Names: [orders],", "Names: [orders, tips],"))
    the_plan = cloud.plan(fan.system)
    (step,) = [step for step in the_plan.steps if not step.conditional]
    (changes,) = step.changes.values()
    assert {(c.verb, c.logical_id) for c in changes if c.verb is Verb.ADD} == {
        (Verb.ADD, name)
        for name in ("Topictips", "Queuetipsfastlane", "Queuetipsslowlane")
    }
    assert step.targets == (Target(cloud.account, "eu-west-1"),)
    cloud.bootstrap(fan.system)  # for the new names
    assert cloud.run(the_plan).green
    assert not cloud.plan(fan.system)
    assert "fan-prod-tips-slow" in fan.names("eu-west-1")

    # One item less, and then nothing: but for what the template keeps.
    fan.path.write_text(CONFIG)
    assert cloud.run(cloud.plan(fan.system)).green
    assert fan.names("eu-west-1") == orders
    found = retained.find(cloud.aws, cloud.observe(fan.system))
    assert {(left.target.region, left.logical_id, left.policy) for left in found} == {
        ("us-east-1", "Topicorders", "Retain"),
        ("us-east-1", "Topicbills", "Retain"),
    }
    assert cloud.run(plan.destroy(fan.system, cloud.observe(fan.system))).green
    assert fan.names("us-east-1") == ["fan-prod-bills", "fan-prod-orders"]
    assert fan.names("eu-west-1") == []


def test_what_the_execution_role_may_do_comes_from_what_loops_make(fan: Fan) -> None:
    the_plan = roles.files(fan.system, "")["bootstrap/fan.json"]

    assert json.loads(the_plan)["Metadata"]["tapgen"]["types"] == [
        "AWS::LanguageExtensions",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
        "AWS::SSM::Parameter",
    ]
    assert "transform/LanguageExtensions" in the_plan
