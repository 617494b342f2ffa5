"""A value of Parameter Store that changes after a rollout, on the embedded AWS."""

from __future__ import annotations

from dataclasses import replace

from tapgen.model import Target
from tests import make
from tests.emulated.conftest import Cloud

READER = make.template(
    defaults={"Level": "/app/level"},
    resources={
        "Topic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"DisplayName": {"Ref": "Level"}},
        }
    },
).replace('"String"', '"AWS::SSM::Parameter::Value<String>"')


def test_a_rollout_applies_the_value_that_the_plan_shows(cloud: Cloud) -> None:
    target = Target(cloud.account, "us-east-1")
    s = make.stack_set("data", text=READER, targets=(target,))
    system = replace(make.system(s), admin=target)
    ssm = cloud.client("ssm")
    ssm.put_parameter(Name="/app/level", Value="one", Type="String")
    assert cloud.rollout(system).green
    assert not cloud.plan(system)

    ssm.put_parameter(Name="/app/level", Value="two", Type="String", Overwrite=True)
    the_plan = cloud.plan(system)

    ((change,),) = the_plan.steps[0].changes.values()
    assert (change.properties[0].old, change.properties[0].new) == ("one", "two")
    assert cloud.run(the_plan).green
    (topic,) = cloud.client("sns").list_topics()["Topics"]
    read = cloud.client("sns").get_topic_attributes(TopicArn=topic["TopicArn"])
    assert read["Attributes"]["DisplayName"] == "two"
    assert not cloud.plan(system)
