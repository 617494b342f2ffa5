"""Keys and roles allow what they say and nothing else."""

from __future__ import annotations

from typing import Any

from awacs import s3 as actions
from troposphere import Ref, Template, encode_to_dict

from tapgen.blocks import security


def role(**more: Any) -> dict[str, Any]:
    t = Template()
    security.service_role(
        t,
        "Role",
        name="sn-${EnvironmentSuffix}-x",
        service="s3.amazonaws.com",
        description="For a test",
        **more,
    )
    properties = t.to_dict()["Resources"]["Role"]["Properties"]
    assert isinstance(properties, dict)
    return properties


def test_a_role_is_trusted_only_for_its_own_account() -> None:
    (trust,) = role()["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "s3.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_a_role_may_be_trusted_without_conditions() -> None:
    (trust,) = role(when=())["AssumeRolePolicyDocument"]["Statement"]
    assert "Condition" not in trust


def test_a_role_has_policies_only_when_it_is_allowed_something() -> None:
    assert "Policies" not in role()
    read = security.statement("Read", [actions.GetObject], ["${AWS::Region}"])
    (policy,) = role(allow=[read])["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["s3:GetObject"]
    assert statement["Resource"] == [{"Ref": "AWS::Region"}]


def test_policies_of_aws_are_named_in_any_partition() -> None:
    (arn,) = role(managed=["service-role/AWS_ConfigRole"])["ManagedPolicyArns"]
    expected = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWS_ConfigRole"
    assert arn == {"Fn::Sub": expected}


def test_a_key_stays_manageable_by_its_account() -> None:
    granted = {
        action
        for statement in security.owner_statements()
        for action in encode_to_dict(statement)["Action"]
    }
    # Without these, no principal could change the policy again, or delete the key.
    assert granted >= {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:CreateGrant"}
    assert not any("*" in action for action in granted)


def test_key_and_replica_are_retained_and_have_an_alias() -> None:
    t = Template()
    policy = [security.alarms_statement()]
    security.key(t, "Key", name="a", description="A key", policy=policy)
    security.replica_key(
        t,
        "Replica",
        name="b",
        description="Its replica",
        primary_arn=Ref("Arn"),
        policy=policy,
    )
    resources = t.to_dict()["Resources"]
    for title in ("Key", "Replica"):
        assert resources[title]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resources[title]["UpdateReplacePolicy"] == "Retain"
        target = resources[f"{title}Alias"]["Properties"]["TargetKeyId"]
        assert target == {"Fn::GetAtt": [title, "Arn"]}
    # The primary key rotates its replicas; a replica has no rotation setting.
    assert "EnableKeyRotation" not in resources["Replica"]["Properties"]


def plain(*statements: Any) -> dict[str, dict[str, Any]]:
    return {s["Sid"]: s for s in (encode_to_dict(s) for s in statements)}


def test_a_service_uses_a_key_only_for_what_is_this_systems() -> None:
    found = plain(
        security.logs_statement("x-*"),
        security.publisher_statement(security.BUDGETS),
        *security.trail_statements("x-trail"),
        *security.scaling_statements(),
    )
    logs = found["EncryptLogGroups"]["Condition"]["ArnLike"]
    (context,) = logs["kms:EncryptionContext:aws:logs:arn"]
    assert context["Fn::Sub"].endswith(":log-group:x-*")
    budgets = found["PublishBudgets"]
    assert budgets["Condition"]["StringEquals"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"}
    }
    trail = {
        "Fn::Sub": "arn:${AWS::Partition}:cloudtrail:${AWS::Region}:${AWS::AccountId}"
        ":trail/x-trail"
    }
    encrypt = found["EncryptTrail"]["Condition"]["StringEquals"]
    assert set(map(str, encrypt.values())) == {str(trail)}
    # Whoever it is, it is the service-linked role of this account.
    for sid in ("EncryptDisks", "GrantDisks"):
        who = found[sid]["Condition"]["StringEquals"]
        assert "AWSServiceRoleForAutoScaling" in str(who["aws:PrincipalArn"])
        assert who["kms:CallerAccount"] == {"Ref": "AWS::AccountId"}
    assert found["GrantDisks"]["Condition"]["Bool"] == {
        "kms:GrantIsForAWSResource": "true"
    }


def test_using_a_key_is_reading_and_writing_with_it_and_nothing_else() -> None:
    (use,) = plain(*security.use_key(["arn"])).values()
    assert use["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert use["Resource"] == ["arn"]


def test_instances_take_one_role_by_a_profile_of_their_own() -> None:
    t = Template()
    security.instance_profile(t, "Profile", name="x", role="Role")
    profile = t.to_dict()["Resources"]["Profile"]["Properties"]
    assert profile == {"InstanceProfileName": "x", "Roles": [{"Ref": "Role"}]}
