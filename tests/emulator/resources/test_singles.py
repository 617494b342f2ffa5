"""What a template says of these types is what their services tell."""

from __future__ import annotations

import json
from typing import Any

from tests.emulator.places import Place

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def made(type: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type, "Properties": properties}


def test_rules_and_policies_of_a_bus(place: Place) -> None:
    bus = {"Ref": "Bus"}
    resources = {
        "Bus": made("AWS::Events::EventBus", Name="mine"),
        "Rule": made(
            "AWS::Events::Rule",
            EventBusName=bus,
            Name="of-mine",
            EventPattern={"source": ["x"]},
        ),
        "Allowed": made(
            "AWS::Events::EventBusPolicy",
            EventBusName=bus,
            StatementId="Ours",
            Action="events:PutEvents",
            Principal="444455556666",
        ),
    }

    outputs = place.create(
        "bus", resources, Outputs={"Rule": {"Value": {"Ref": "Rule"}}}
    )

    assert outputs["Rule"] == "mine|of-mine"
    events = place.client("events")
    assert "Ours" in events.describe_event_bus(Name="mine")["Policy"]
    changed = {**resources["Rule"]["Properties"], "State": "DISABLED"}
    place.update("bus", resources | {"Rule": made("AWS::Events::Rule", **changed)})
    rule = events.describe_rule(Name="of-mine", EventBusName="mine")
    assert rule["State"] == "DISABLED"


def test_small_types_are_there(place: Place) -> None:
    document = {"Version": "2012-10-17", "Statement": []}
    resources = {
        "Secret": made("AWS::SecretsManager::Secret", SecretString="x"),
        "Policy": made(
            "AWS::SecretsManager::ResourcePolicy",
            SecretId={"Ref": "Secret"},
            ResourcePolicy=document,
        ),
        "Activity": made("AWS::StepFunctions::Activity", Name="mine"),
        "Key": made("AWS::EC2::KeyPair", KeyName="mine"),
        "Stream": made("AWS::Kinesis::Stream", ShardCount=1),
        "Reader": made(
            "AWS::Kinesis::StreamConsumer",
            ConsumerName="reader",
            StreamARN={"Fn::GetAtt": ["Stream", "Arn"]},
        ),
    }
    names = ("Policy", "Secret")

    outputs = place.create(
        "small", resources, Outputs={n: {"Value": {"Ref": n}} for n in names}
    )

    assert outputs["Policy"] == outputs["Secret"]
    secret = place.client("secretsmanager").get_resource_policy(
        SecretId=outputs["Secret"]
    )
    assert json.loads(secret["ResourcePolicy"]) == document
    assert place.client("stepfunctions").list_activities()["activities"]
    assert place.client("ec2").describe_key_pairs()["KeyPairs"][0]["KeyName"] == "mine"


def test_nothing_that_a_template_says_is_dropped(place: Place) -> None:
    logs = {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["Logs", "Arn"]}}}
    key = {"AttributeName": "k"}
    resources = {
        "Role": made("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST),
        "Logs": made("AWS::Logs::LogGroup"),
        "Machine": made(
            "AWS::StepFunctions::StateMachine",
            RoleArn={"Fn::GetAtt": ["Role", "Arn"]},
            DefinitionString='{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}',
            LoggingConfiguration={"Level": "ALL", "Destinations": [logs]},
            TracingConfiguration={"Enabled": True},
        ),
        "Stream": made("AWS::Kinesis::Stream", ShardCount=1),
        "Table": made(
            "AWS::DynamoDB::Table",
            TableName="mine",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{**key, "AttributeType": "S"}],
            KeySchema=[{**key, "KeyType": "HASH"}],
            KinesisStreamSpecification={"StreamArn": {"Fn::GetAtt": ["Stream", "Arn"]}},
        ),
        "Bucket": made("AWS::S3::Bucket", ObjectLockEnabled=True),
        "Queue": made("AWS::SQS::Queue", QueueName="mine.fifo", FifoQueue=True),
        "Api": made("AWS::ApiGateway::RestApi", Name="mine"),
        "Method": made(
            "AWS::ApiGateway::Method",
            RestApiId={"Ref": "Api"},
            ResourceId={"Fn::GetAtt": ["Api", "RootResourceId"]},
            HttpMethod="GET",
            AuthorizationType="NONE",
            Integration={"Type": "MOCK"},
        ),
        "Deployment": made("AWS::ApiGateway::Deployment", RestApiId={"Ref": "Api"}),
        "Stage": made(
            "AWS::ApiGateway::Stage",
            RestApiId={"Ref": "Api"},
            DeploymentId={"Ref": "Deployment"},
        ),
    }
    resources["Deployment"]["DependsOn"] = "Method"
    names = ("Machine", "Bucket", "Queue", "Stage")

    outputs = place.create(
        "said", resources, Outputs={n: {"Value": {"Ref": n}} for n in names}
    )

    machine = place.client("stepfunctions").describe_state_machine(
        stateMachineArn=outputs["Machine"]
    )
    assert machine["loggingConfiguration"]["level"] == "ALL"
    assert machine["tracingConfiguration"] == {"enabled": True}
    dynamodb = place.client("dynamodb")
    streaming = dynamodb.describe_kinesis_streaming_destination(TableName="mine")
    assert streaming["KinesisDataStreamDestinations"]
    s3 = place.client("s3")
    lock = s3.get_object_lock_configuration(Bucket=outputs["Bucket"])
    assert lock["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"
    queue = place.client("sqs").get_queue_attributes(
        QueueUrl=outputs["Queue"], AttributeNames=["FifoThroughputLimit"]
    )
    assert queue["Attributes"] == {"FifoThroughputLimit": "perQueue"}
