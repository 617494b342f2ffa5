"""Groups, members, inline policies and access keys are there for any client."""

from __future__ import annotations

from tests.emulator.places import Place, of

_LOOK = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}],
}


def test_a_group_has_its_policies_and_members(place: Place) -> None:
    group, user = {"Ref": "Group"}, {"Ref": "User"}
    inline = {"PolicyName": "own", "PolicyDocument": _LOOK}
    resources = {
        "Group": of("IAM::Group", GroupName="g", Path="/a/", Policies=[inline]),
        "Policy": of(
            *("IAM::Policy",),
            PolicyName="look",
            Groups=[group],
            PolicyDocument=_LOOK,
        ),
        "More": of(
            *("IAM::GroupPolicy",),
            GroupName=group,
            PolicyName="more",
            PolicyDocument=_LOOK,
        ),
        "User": of("IAM::User", UserName="u"),
        "Members": of("IAM::UserToGroupAddition", GroupName=group, Users=[user]),
        "Key": of("IAM::AccessKey", UserName=user),
    }
    secret = {"Value": {"Fn::GetAtt": ["Key", "SecretAccessKey"]}}
    arn = {"Value": {"Fn::GetAtt": ["Group", "Arn"]}}

    outputs = place.create("g", resources, Outputs={"Secret": secret, "Arn": arn})

    iam = place.client("iam")
    assert outputs["Arn"] == f"arn:aws:iam::{place.account}:group/a/g"
    names = iam.list_group_policies(GroupName="g")["PolicyNames"]
    assert sorted(names) == ["look", "more", "own"]
    assert [u["UserName"] for u in iam.get_group(GroupName="g")["Users"]] == ["u"]
    [key] = iam.list_access_keys(UserName="u")["AccessKeyMetadata"]
    assert key["AccessKeyId"] == place.ids("g")["Key"] and outputs["Secret"]

    changed = resources | {"Group": of("IAM::Group", GroupName="g", Path="/b/")}
    changed["Members"] = of("IAM::UserToGroupAddition", GroupName=group, Users=[])
    place.update("g", changed)
    assert iam.get_group(GroupName="g")["Group"]["Path"] == "/b/"
    assert "own" not in iam.list_group_policies(GroupName="g")["PolicyNames"]
    assert iam.get_group(GroupName="g")["Users"] == []
    place.delete("g")
    assert iam.list_groups()["Groups"] == []
