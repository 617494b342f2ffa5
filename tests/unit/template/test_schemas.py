"""Facts read from cfn-lint's bundled registry schemas."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tapgen.knowledge.permissions import WITHOUT_HANDLERS
from tapgen.template import permission_index, schemas


def test_regions_are_regions_and_not_the_serverless_types() -> None:
    assert {"us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"} <= (
        schemas.regions()
    )
    assert "sam" not in schemas.regions()


def test_types_differ_between_regions() -> None:
    assert "AWS::S3::Bucket" in schemas.types("us-east-1")
    assert "AWS::GlobalAccelerator::Accelerator" in schemas.types("us-east-1")
    missing = schemas.types("us-east-1") - schemas.types("ap-southeast-7")
    assert "AWS::QBusiness::Application" in missing
    assert schemas.schema("AWS::QBusiness::Application", "ap-southeast-7") is None


def test_a_region_that_does_not_exist_has_no_types() -> None:
    assert schemas.types("mars-north-1") == frozenset()
    assert schemas.schema("AWS::S3::Bucket", "mars-north-1") is None


def test_a_type_that_does_not_exist_has_nothing() -> None:
    assert schemas.schema("AWS::No::Such") is None
    assert schemas.create_only("AWS::No::Such") == frozenset()
    assert schemas.permissions(["AWS::No::Such"]) == frozenset()
    assert schemas.without_permissions(["AWS::No::Such"]) == {"AWS::No::Such"}


def test_a_custom_type_is_a_custom_resource() -> None:
    found = schemas.schema("Custom::Thing")
    assert found is not None
    assert found["typeName"] == "AWS::CloudFormation::CustomResource"
    assert "lambda:InvokeFunction" in schemas.permissions(["Custom::Thing"])
    assert not schemas.without_permissions(["Custom::Thing"])


def test_types_without_handlers_have_actions_that_exist() -> None:
    for name, actions in WITHOUT_HANDLERS.items():
        assert not schemas.without_permissions([name])
        assert schemas.permissions([name]) >= actions, name
        assert all(map(schemas.is_action, actions)), name
    wanted = {
        "AWS::CodeBuild::Project": "codebuild:CreateProject",
        "AWS::DocDB::DBCluster": "rds:CreateDBCluster",
        "AWS::EMR::Cluster": "elasticmapreduce:RunJobFlow",
        "AWS::IAM::AccessKey": "iam:CreateAccessKey",
        "AWS::Route53::RecordSetGroup": "route53:ChangeResourceRecordSets",
        "AWS::WAFRegional::WebACL": "waf-regional:CreateWebACL",
    }
    for name, action in wanted.items():
        assert action in schemas.permissions([name])


def test_few_types_of_the_registry_are_without_permissions() -> None:
    left = schemas.without_permissions(schemas.types("us-east-1"))
    assert len([t for t in left if not t.startswith("AWS::Serverless::")]) <= 20


def test_a_bucket_cannot_change_its_name_and_knows_its_arn() -> None:
    assert "BucketName" in schemas.create_only("AWS::S3::Bucket")
    assert "Arn" in schemas.attributes("AWS::S3::Bucket")


def test_a_nested_attribute_is_named_as_getatt_takes_it() -> None:
    assert "Endpoint.Address" in schemas.attributes("AWS::RDS::DBInstance")


def test_what_may_replace_a_database_instance() -> None:
    conditional = schemas.conditional_create_only("AWS::RDS::DBInstance")
    assert {"SourceDBInstanceIdentifier", "Engine", "MultiAZ"} <= conditional
    assert not conditional & schemas.create_only("AWS::RDS::DBInstance")


def test_permissions_of_a_replica_key_and_a_bucket_together() -> None:
    together = schemas.permissions(["AWS::KMS::ReplicaKey", "AWS::S3::Bucket"])
    assert {"kms:ReplicateKey", "kms:PutKeyPolicy", "s3:CreateBucket"} <= together
    assert together == schemas.permissions(["AWS::KMS::ReplicaKey"]) | (
        schemas.permissions(["AWS::S3::Bucket"])
    )


def test_permissions_are_actions_iam_knows_each_once() -> None:
    every = schemas.permissions(schemas.types("us-east-1"))
    assert all(map(schemas.is_action, every))
    assert len({action.lower() for action in every}) == len(every)
    assert not [a for a in every if a.endswith(":*")]
    # Listed by the log group's schema, but an S3 log operation and no IAM action.
    assert "s3:REST.PUT.OBJECT" not in every


@pytest.mark.parametrize(
    ("action", "known"),
    [
        ("s3:CreateBucket", True),
        ("S3:createbucket", True),
        ("ec2:Describe*", True),
        ("ec2:Nothing*", False),
        ("s3:*", False),
        ("*", False),
        ("s3", False),
        ("nosuch:CreateBucket", False),
    ],
)
def test_known_actions(action: str, known: bool) -> None:
    assert schemas.is_action(action) is known


def test_what_an_action_can_be_limited_to() -> None:
    assert schemas.limited_by("s3:CreateBucket") == {"bucket"}
    assert schemas.limited_by("iam:PassRole") == {"role"}
    assert schemas.limited_by("kms:CreateKey") == frozenset()
    assert schemas.limited_by("no:Such") == frozenset()


def test_every_stateful_type_exists() -> None:
    # QLDB left most regions but may still hold someone's data; so may SimpleDB.
    everywhere = set().union(*map(schemas.types, schemas.regions()))
    assert schemas.STATEFUL <= everywhere
    assert schemas.is_stateful("AWS::S3::Bucket")
    assert not schemas.is_stateful("AWS::EC2::Route")


def test_reading_schemas_does_not_import_cfnlint() -> None:
    code = (
        "import sys; from tapgen.template import permission_index, schemas;"
        "schemas.permissions(['AWS::S3::Bucket']); print('cfnlint' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("kind", "path", "secret"),
    [
        ("AWS::SecretsManager::Secret", "SecretString", True),
        ("AWS::SecretsManager::Secret", "SecretString/password", True),
        ("AWS::SecretsManager::Secret", "GenerateSecretString", False),
        ("AWS::RDS::DBCluster", "MasterUserPassword", True),
        ("AWS::RDS::DBCluster", "MasterUsername", False),
        (
            "AWS::ElasticLoadBalancingV2::Listener",
            "DefaultActions/AuthenticateOidcConfig/ClientSecret",
            True,
        ),
        ("AWS::ECR::PullThroughCacheRule", "CredentialArn", False),
        ("AWS::EC2::InstanceConnectEndpoint", "ClientToken", False),
        ("AWS::S3::Bucket", "BucketName", False),
        ("Nope::Nope::Nope", "Password", False),
    ],
)
def test_secrets_are_what_is_write_only_and_called_so(
    kind: str, path: str, secret: bool
) -> None:
    assert schemas.is_secret(kind, path.split("/")) is secret


def test_a_type_has_the_properties_that_identify_it() -> None:
    assert schemas.identifier("AWS::IAM::Role") == ("RoleName",)
    assert schemas.identifier("AWS::No::Such") == ()
    assert schemas.default("AWS::KMS::Key", "KeySpec") == "SYMMETRIC_DEFAULT"


def test_the_index_has_what_the_data_have() -> None:
    assert permission_index.DIGEST == schemas.index_digest()
    for name in permission_index.TYPES:
        assert schemas.permissions([name]) <= schemas.read_permissions(name)
        assert {a.lower() for a in schemas.permissions([name])} == {
            a.lower() for a in schemas.read_permissions(name)
        }
    for kinds, actions in permission_index.KINDS.items():
        for action in actions.split():
            assert schemas.limited_by(action) == schemas.read_kinds(action)
            assert schemas.limited_by(action) == frozenset(
                filter(None, kinds.split(","))
            )
