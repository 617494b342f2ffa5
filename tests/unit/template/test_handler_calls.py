"""The calls of handlers, for every type there is."""

from __future__ import annotations

from typing import Any

from tapgen.template import handler_calls, schemas

PLACE = ("111111111111", "eu-west-1")
OPERATIONS = ("create", "update", "delete")


def calls(kind: str, operation: str, properties: Any, name: str = "it") -> Any:
    before = {**properties, "Changed": "yes"}
    tags = {"Team": "payments"}
    given = (kind, operation, properties, before, name, PLACE, tags)
    return [*handler_calls.of(*given, lambda action: True)]


def test_the_calls_of_every_type_are_on_whole_arns() -> None:
    for kind in sorted(schemas.types("us-east-1")):
        found = [call for o in OPERATIONS for call in calls(kind, o, {})]
        for action, arns, worlds in found:
            assert schemas.is_action(action.lower()), (kind, action)
            assert arns and worlds
            for arn in arns:
                assert arn == "*" or arn.startswith("arn:aws:"), (kind, action, arn)
                assert "${" not in arn and ".*" not in arn, (kind, action, arn)


def test_calls_are_about_the_resource_and_what_it_names() -> None:
    key = "arn:aws:kms:eu-west-1:111111111111:key/1"
    queue = {"QueueName": "orders", "KmsMasterKeyId": key}
    found = {
        action: arns for action, arns, _ in calls("AWS::SQS::Queue", "create", queue)
    }
    assert found["sqs:CreateQueue"] == ("arn:aws:sqs:eu-west-1:111111111111:orders",)
    # The physical id of a rule on a bus of its own has the name of the bus, too.
    rule = {"Name": "nightly", "EventBusName": "orders"}
    ids = calls("AWS::Events::Rule", "delete", rule, "orders|nightly")
    deleted = {a: arns for a, arns, _ in ids}["events:DeleteRule"]
    assert "arn:aws:events:eu-west-1:111111111111:rule/nightly" in deleted
    assert not [arn for arn in deleted if arn.endswith("/orders")]
    permission = {"FunctionName": "f", "Principal": "s3.amazonaws.com"}
    ((action, arns, _),) = calls("AWS::Lambda::Permission", "create", permission)
    assert action == "lambda:AddPermission"
    assert arns[0] == "arn:aws:lambda:eu-west-1:111111111111:function:f"
    role = "arn:aws:iam::111111111111:role/r"
    function = {"Role": role, "Code": {"ZipFile": "pass"}}
    found = {
        a: arns for a, arns, _ in calls("AWS::Lambda::Function", "create", function)
    }
    assert found["iam:PassRole"] == (role,)
    # No code in a bucket, and no key of its own.
    assert not {"s3:GetObject", "kms:Decrypt"} & {*found}
    function |= {"Environment": {"Variables": {"ROLE": role + "2"}}}
    function |= {"KmsKeyArn": key, "Code": {"S3Bucket": "b", "S3Key": "k"}}
    found = {
        a: arns for a, arns, _ in calls("AWS::Lambda::Function", "create", function)
    }
    assert found["iam:PassRole"] == (role,)
    assert found["kms:Decrypt"] == (key,)
    assert found["s3:GetObject"] == ("arn:aws:s3:::b/*",)


def test_tags_are_known_once_a_resource_has_them() -> None:
    for operation, worlds in (("create", 2), ("delete", 1)):
        found = dict((a, w) for a, _, w in calls("AWS::KMS::Key", operation, {}))
        action = (
            "kms:DisableKey" if operation == "create" else "kms:ScheduleKeyDeletion"
        )
        values = [keys.get("aws:resourcetag/team") for keys in found[action]]
        assert len(values) == worlds and values[0] == "payments"
