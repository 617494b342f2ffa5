"""What serverless_api promises, checked on the templates it makes."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tapgen.blocks import compute
from tapgen.blueprints.serverless_api import shape
from tapgen.config import Config
from tapgen.errors import BlueprintError, ConfigError
from tapgen.handlers import items_health, signatures
from tapgen.model import Output, System
from tapgen.template import evaluate
from tests.systems import look
from tests.systems.look import body, every, only, service, statements, texts

SETTINGS = {
    "team": "platform",
    "environment": "prod",
    "allowed_cidr": "203.0.113.0/24",
}
ORIGINS = ("WebsiteOrigin", "WebsiteCopyOrigin", "MoreOrigins")
EAST, WEST = "us-east-1", "us-west-2"
CERTIFICATE = "arn:aws:acm:{}:111111111111:certificate/1234abcd"
DOMAIN = {
    "name": "api.example.com",
    "hosted_zone_id": "Z0123456789",
    "certificates": {
        "source": CERTIFICATE.format(EAST),
        "target": CERTIFICATE.format(WEST),
    },
    "blue_weight": 90,
    "green_weight": 10,
}
POOL = f"arn:aws:cognito-idp:{EAST}:111111111111:userpool/{EAST}_Ab1"
JWT = {"issuer": "https://login.example.com", "audiences": ["items", "https://a.b"]}
WEBSITE_DOMAIN = {
    "name": "www.example.com",
    "hosted_zone_id": "Z0123456789",
    "certificate": CERTIFICATE.format(EAST),
}


def load(folder: Path, settings: dict[str, Any], **more: Any) -> Config:
    keys = {"regions": {"source": EAST, "target": WEST}, **more}
    return look.load(folder, "serverless_api", settings, **keys)


def build(folder: Path, settings: dict[str, Any], **more: Any) -> System:
    return look.built(load(folder, {**SETTINGS, **settings}, **more))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> System:
    return build(tmp_path_factory.mktemp("serverless"), {})


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> System:
    folder = tmp_path_factory.mktemp("private")
    return build(folder, {"website": "cloudfront"})


def test_a_firewall_and_a_concurrency_are_there_where_they_are_set(
    tmp_path: Path,
) -> None:
    for rate, reserved in ((0, None), (500, "20")):
        settings = {"requests_per_address": rate, "concurrency": int(reserved or 0)}
        stack_set = build(tmp_path, settings).part("api")
        target = stack_set.targets[0]
        given = evaluate.given(stack_set.values(target))
        found = evaluate.evaluate(stack_set.template, given, target).resources
        function: Any = found["Function"]["Properties"]
        assert function.get("ReservedConcurrentExecutions") == reserved
        assert ("WebAclOfApi" in found) is ("WebAcl" in found) is bool(rate)
        if rate:
            acl: Any = found["WebAcl"]["Properties"]
            (rule,) = acl["Rules"]
            assert rule["Statement"]["RateBasedStatement"]["Limit"] == str(rate)
    with pytest.raises(ConfigError, match="give 100 at least"):
        load(tmp_path, {**SETTINGS, "requests_per_address": 10})


def test_cfn_lint_has_nothing_to_say_with_cloudfront_and_a_domain(
    tmp_path: Path,
) -> None:
    settings = {
        **{"website": "cloudfront", "domain": DOMAIN, "website_domain": WEBSITE_DOMAIN},
        **{"authorizer": "jwt", "jwt": JWT},
    }
    system = build(tmp_path, settings, account_baseline="existing")
    assert look.found_by_lint(system) == []


# --- S000-01 … 05: what is asked before anything is generated --------------------------


@pytest.mark.parametrize("missing", ["team", "environment", "allowed_cidr"])
def test_what_is_missing_is_reported(tmp_path: Path, missing: str) -> None:
    given = {k: v for k, v in SETTINGS.items() if k != missing}
    with pytest.raises(ConfigError, match=missing):
        load(tmp_path, given)


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"target": WEST}, "source"),
        ({"source": EAST}, "target"),
        ({"source": EAST, "target": EAST}, "us-east-1"),
        ({"source": "us-east", "target": WEST}, "not an AWS region"),
        ({"source": EAST, "target": "us-west-9"}, "not an AWS region"),
    ],
)
def test_both_regions_must_be_real_and_differ(
    tmp_path: Path, regions: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, SETTINGS, regions=regions)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"team": "Platform Team"}, "'Platform Team' is not a team name"),
        ({"environment": "production"}, "prod"),
        ({"allowed_cidr": "203.0.113.7/24"}, "did you mean 203.0.113.0/24"),
        ({"allowed_cidr": "office"}, "'office' is not an IPv4 range"),
        ({"allowed_cidr": "0.0.0.0/0"}, "allow_public: true"),
        ({"website": "s3"}, "cloudfront"),
        ({"authorizer": "cognito"}, "user_pools need each other"),
        ({"user_pools": [POOL]}, "user_pools need each other"),
        ({"authorizer": "cognito", "user_pools": ["us-east-1_a"]}, "not a user pool"),
        (
            {"website_domain": WEBSITE_DOMAIN},
            "website_domain needs website: cloudfront",
        ),
        (
            {
                "website": "cloudfront",
                "website_domain": {
                    **WEBSITE_DOMAIN,
                    "certificate": "arn:aws:acm:eu-west-1:111111111111:certificate/1",
                },
            },
            "CloudFront takes certificates of us-east-1 only",
        ),
        ({"log_retention_days": 31}, "31 is not a retention"),
        ({"memory_mib": 64}, "128"),
        ({"canary": {"percent": 101}}, "100"),
        ({"canary": {"percent": 5}}, "stable.source is missing"),
        ({"domain": {**DOMAIN, "name": "API"}}, "'API' is not a domain"),
        ({"domain": {**DOMAIN, "blue_weight": 256}}, "255"),
        (
            {"domain": {**DOMAIN, "blue_weight": 0, "green_weight": 0}},
            "give one of them at least 1",
        ),
        ({"domain": {**DOMAIN, "hosted_zone_id": "zone"}}, "not a hosted zone"),
        ({"tema": "x"}, "unknown key"),
        ({"cors_origins": ["*"]}, "'*' is not an origin"),
        ({"cors_origins": ["https://www.example.com/"]}, "is not an origin"),
        ({"cors_origins": ["www.example.com"]}, "such as https://www.example.com"),
        ({"cors_origins": "https://www.example.com"}, "cors_origins"),
        ({"authorizer": "oidc"}, "cognito"),
        ({"authorizer": "jwt"}, "jwt need each other"),
        ({"jwt": JWT}, "jwt need each other"),
        (
            {"authorizer": "jwt", "jwt": {**JWT, "issuer": "http://a.example"}},
            "'http://a.example' is not an issuer",
        ),
        ({"authorizer": "jwt", "jwt": {**JWT, "audiences": []}}, "audiences"),
        (
            {"authorizer": "jwt", "jwt": {**JWT, "audiences": ["a,b"]}},
            "'a,b' is not an audience",
        ),
        (
            {"authorizer": "jwt", "jwt": {**JWT, "algorithms": ["HS256"]}},
            "RS256",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {**SETTINGS, **settings})
    assert message in str(caught.value)


def test_a_certificate_of_another_region_is_refused(tmp_path: Path) -> None:
    both = {"source": CERTIFICATE.format(EAST), "target": CERTIFICATE.format(EAST)}
    with pytest.raises(BlueprintError, match="is in us-east-1; give one in us-west-2"):
        build(tmp_path, {"domain": {**DOMAIN, "certificates": both}})


def test_every_template_asks_whose_it_is(system: System) -> None:
    for stack_set in system.stack_sets:
        parameters = json.loads(stack_set.template)["Parameters"]
        assert parameters["TeamName"]["AllowedPattern"] == "^[a-z][a-z0-9-]{1,30}$"
        assert parameters["Environment"]["AllowedValues"] == ["dev", "staging", "prod"]
        assert not {"Default"} & {*parameters["TeamName"], *parameters["Environment"]}
        assert {"SourceRegion", "TargetRegion"} <= set(parameters)
        assert stack_set.tags["Team"] == "platform"
        assert stack_set.tags["Environment"] == "prod"
        rules = json.loads(stack_set.template)["Rules"]
        (differ,) = rules["RegionsDiffer"]["Assertions"]
        assert list(texts(differ["Assert"])) == ["SourceRegion", "TargetRegion"]


# --- S000-06 … 10: roles ---------------------------------------------------------------


def test_roles_come_before_everything_they_are_for(system: System) -> None:
    assert {part for part, _ in every(system, "AWS::IAM::Role")} == {"roles"}
    for stack_set in system.stack_sets:
        if stack_set.part not in ("keys", "keys-target", "roles"):
            assert "roles" in stack_set.requires(), stack_set.part


def role(system: System, title: str) -> dict[str, Any]:
    found = body(system, "roles")["Resources"][title]["Properties"]
    assert isinstance(found, dict)
    return found


def test_the_function_reaches_the_table_and_its_indexes_in_both_regions(
    system: System,
) -> None:
    (use,) = (
        s
        for s in statements(role(system, "FunctionRole")["Policies"])
        if any(a.startswith("dynamodb:") for a in s["Action"])
    )
    assert use["Action"] == ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
    arn = "arn:${AWS::Partition}:dynamodb:%s:${AWS::AccountId}:table/%s"
    table = "sa-${EnvironmentSuffix}-items"
    assert sorted(texts(use["Resource"])) == sorted(
        arn % (region, resource)
        for region in ("${SourceRegion}", "${TargetRegion}")
        for resource in (table, f"{table}/index/*")
    )
    found = only(system, "table", "AWS::DynamoDB::GlobalTable")
    assert list(texts(found["TableName"])) == [table]


def test_the_function_may_do_nothing_else(system: System) -> None:
    allowed = {
        s["Sid"]: s for s in statements(role(system, "FunctionRole")["Policies"])
    }
    assert {a for s in allowed.values() for a in s["Action"]} == {
        *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"),
        *("kms:Decrypt", "kms:GenerateDataKey"),
        *("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
        *("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
    }
    assert [sid for sid, s in allowed.items() if "*" in s["Resource"]] == ["SendTraces"]
    via = allowed["UseItemsKey"]["Condition"]["StringEquals"]["kms:ViaService"]
    assert all(text.startswith("dynamodb.${") for text in texts(via))
    assert allowed["UseItemsKey"]["Resource"] == [
        {"Ref": "SourceKeyArn"},
        {"Ref": "TargetKeyArn"},
    ]


def test_api_gateway_logs_by_a_role_that_each_region_has_once(
    system: System,
) -> None:
    logging = role(system, "ApiLoggingRole")
    (trust,) = statements(logging["AssumeRolePolicyDocument"])
    assert service(trust) == "apigateway.amazonaws.com"
    (managed,) = texts(logging["ManagedPolicyArns"])
    assert managed.endswith("service-role/AmazonAPIGatewayPushToCloudWatchLogs")
    ((key, account),) = every(system, "AWS::ApiGateway::Account").items()
    assert account["DeletionPolicy"] == "Retain"
    assert account["Properties"] == {"CloudWatchRoleArn": {"Ref": "ApiLoggingRoleArn"}}
    part = system.part(key[0])
    assert {t.region for t in part.targets} == {EAST, WEST}
    assert part.part in system.part("api").requires()


def test_a_region_that_logs_already_is_left_alone(tmp_path: Path) -> None:
    system = build(tmp_path, {}, account_baseline="existing")
    assert not every(system, "AWS::ApiGateway::Account")
    assert "ApiLoggingRole" not in body(system, "roles")["Resources"]
    assert "api-account" not in system.part("api").requires()


# --- S000-11 … 13: the table -----------------------------------------------------------


def test_one_table_is_in_both_regions_and_restorable_in_both(system: System) -> None:
    table = only(system, "table", "AWS::DynamoDB::GlobalTable")
    assert not every(system, "AWS::DynamoDB::Table")
    assert [t.region for t in system.part("table").targets] == [EAST]
    source, target = table["Replicas"]
    assert (source["Region"], target["Region"]) == (
        {"Ref": "SourceRegion"},
        {"Ref": "TargetRegion"},
    )
    for replica in (source, target):
        assert replica["PointInTimeRecoverySpecification"] == {
            "PointInTimeRecoveryEnabled": True,
            "RecoveryPeriodInDays": 35,
        }
        assert replica["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_each_replica_is_encrypted_with_the_key_of_its_region(system: System) -> None:
    table = only(system, "table", "AWS::DynamoDB::GlobalTable")
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
    values = system.part("table").parameters
    regions = [EAST, WEST]
    for replica, region in zip(table["Replicas"], regions, strict=True):
        given = values[replica["SSESpecification"]["KMSMasterKeyId"]["Ref"]]
        assert isinstance(given, Output) and given.region == region
    assert {"keys", "keys-target"} <= system.part("table").requires()


def test_the_attributes_are_those_of_the_keys(system: System) -> None:
    table = only(system, "table", "AWS::DynamoDB::GlobalTable")
    declared = {a["AttributeName"] for a in table["AttributeDefinitions"]}
    keys = [table["KeySchema"]]
    keys += [index["KeySchema"] for index in table["GlobalSecondaryIndexes"]]
    assert declared == {k["AttributeName"] for schema in keys for k in schema}
    (index,) = table["GlobalSecondaryIndexes"]
    assert f'BY_NAME = "{index["IndexName"]}"' in code(system)


# --- S000-14 … 19: the website ---------------------------------------------------------


def test_replication_may_do_exactly_what_it_needs_between_these_two_buckets(
    system: System,
) -> None:
    replication = role(system, "ReplicationRole")
    (trust,) = statements(replication["AssumeRolePolicyDocument"])
    assert service(trust) == "s3.amazonaws.com"
    assert "Condition" not in trust
    granted = {s["Sid"]: s for s in statements(replication["Policies"])}
    bucket = "arn:${AWS::Partition}:s3:::sa-${EnvironmentSuffix}-website-%s"
    source, target = (f"{bucket % r}-${{AWS::AccountId}}" for r in ("source", "target"))
    assert {
        sid: (s["Action"], list(texts(s["Resource"]))) for sid, s in granted.items()
    } == {
        "ReadConfiguration": (
            ["s3:GetReplicationConfiguration", "s3:ListBucket"],
            [source],
        ),
        "ReadVersions": (
            [
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionTagging",
            ],
            [f"{source}/*"],
        ),
        "WriteReplicas": (
            ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"],
            [f"{target}/*"],
        ),
    }


def test_pages_are_versioned_and_replicated_to_a_bucket_that_exists_first(
    system: System,
) -> None:
    source = only(system, "website", "AWS::S3::Bucket")
    target = only(system, "website-target", "AWS::S3::Bucket")
    for bucket in (source, target):
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "ReplicationConfiguration" not in target
    (rule,) = source["ReplicationConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["Destination"]["Bucket"] == {"Ref": "DestinationBucketArn"}
    assert rule["DeleteMarkerReplication"] == {"Status": "Enabled"}
    assert "website-target" in system.part("website").requires()
    assert [t.region for t in system.part("website-target").targets] == [WEST]
    watched = {
        a["Properties"]["MetricName"]: part
        for (part, _), a in every(system, "AWS::CloudWatch::Alarm").items()
        if a["Properties"]["Namespace"] == "AWS/S3"
    }
    assert watched == {
        "ReplicationLatency": "website-target",
        "OperationsFailedReplication": "website",
    }


@pytest.mark.parametrize("part", ["website", "website-target"])
def test_everybody_reads_pages_and_only_pages(system: System, part: str) -> None:
    bucket = only(system, part, "AWS::S3::Bucket")
    assert bucket["WebsiteConfiguration"] == {
        "IndexDocument": "index.html",
        "ErrorDocument": "error.html",
    }
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    access = bucket["PublicAccessBlockConfiguration"]
    assert access["BlockPublicAcls"] and access["IgnorePublicAcls"]
    assert not access["BlockPublicPolicy"] and not access["RestrictPublicBuckets"]
    ownership = bucket["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    policy = only(system, part, "AWS::S3::BucketPolicy")
    (public,) = statements(policy)
    assert (public["Effect"], public["Principal"]) == ("Allow", "*")
    assert public["Action"] == ["s3:GetObject"]
    (resource,) = texts(public["Resource"])
    assert resource.endswith("-${AWS::AccountId}/*")


@pytest.mark.parametrize("part", ["website", "website-target"])
def test_behind_cloudfront_nobody_else_reads_pages(private: System, part: str) -> None:
    bucket = only(private, part, "AWS::S3::Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "WebsiteConfiguration" not in bucket
    policy = only(private, part, "AWS::S3::BucketPolicy")
    deny, serve = statements(policy)
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": False}}
    assert service(serve) == "cloudfront.amazonaws.com"
    assert serve["Condition"] == {
        "StringEquals": {"aws:SourceArn": {"Ref": "DistributionArn"}}
    }
    assert private.part(part).parameters["DistributionArn"] == Output(
        "cdn", "DistributionArn", region=EAST
    )


def test_a_domain_of_the_website_leads_to_cloudfront(tmp_path: Path) -> None:
    settings = {"website": "cloudfront", "website_domain": WEBSITE_DOMAIN}
    system = build(tmp_path, settings)
    found = only(system, "cdn", "AWS::CloudFront::Distribution")["DistributionConfig"]
    assert found["Aliases"] == [{"Ref": "DomainName"}]
    assert found["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    records = [
        r["Properties"] for r in every(system, "AWS::Route53::RecordSet").values()
    ]
    assert {r["Type"] for r in records if r["Name"] == {"Ref": "DomainName"}} >= {
        *("A", "AAAA")
    }
    # Pages under the domain may call the API.
    url = body(system, "cdn")["Outputs"]["WebsiteUrl"]["Value"]
    assert url == {"Fn::Sub": "https://${DomainName}"}
    (association,) = found["DefaultCacheBehavior"]["FunctionAssociations"]
    assert association["EventType"] == "viewer-request"


def test_callers_of_user_pools_need_a_token_and_checkers_none(tmp_path: Path) -> None:
    pools = [POOL, POOL.replace("_Ab1", "_Ab2")]
    systems = [
        build(tmp_path, {"authorizer": "cognito", "user_pools": pools[:n]})
        for n in (1, 2)
    ]
    methods = every(systems[0], "AWS::ApiGateway::Method")
    for (_, title), method in methods.items():
        given = method["Properties"]
        is_open = given["HttpMethod"] == "OPTIONS" or title.startswith("ApiHealth")
        kind = "NONE" if is_open else "COGNITO_USER_POOLS"
        assert given["AuthorizationType"] == kind
        assert ("AuthorizerId" in given) is not is_open
    # A deployment keeps its authorizer, so other pools need another one.
    deployments = [
        {title for _, title in every(each, "AWS::ApiGateway::Deployment")}
        for each in systems
    ]
    assert not deployments[0] & deployments[1]


def test_cloudfront_signs_what_it_asks_and_falls_back_to_the_other_region(
    private: System,
) -> None:
    found = only(private, "cdn", "AWS::CloudFront::Distribution")["DistributionConfig"]
    control = only(private, "cdn", "AWS::CloudFront::OriginAccessControl")
    control = control["OriginAccessControlConfig"]
    assert (control["SigningBehavior"], control["SigningProtocol"]) == (
        "always",
        "sigv4",
    )
    assert [o["Id"] for o in found["Origins"]] == ["source", "target"]
    assert all("OriginAccessControlId" in o for o in found["Origins"])
    (group,) = found["OriginGroups"]["Items"]
    members = [m["OriginId"] for m in group["Members"]["Items"]]
    assert members == ["source", "target"]
    behaviour = found["DefaultCacheBehavior"]
    assert behaviour["TargetOriginId"] == group["Id"]
    assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
    assert found["DefaultRootObject"] == "index.html"
    assert "WebsiteUrl" in body(private, "cdn")["Outputs"]


# --- S000-20 … 27: function and API ----------------------------------------------------


def functions(system: System) -> dict[str, dict[str, Any]]:
    found = every(system, "AWS::Lambda::Function")
    return {title: r["Properties"] for (_, title), r in found.items()}


def code(system: System, title: str = "Function") -> str:
    text = functions(system)[title]["Code"]["ZipFile"]
    assert isinstance(text, str)
    return text


def test_the_code_is_the_tested_handler(system: System) -> None:
    # One file: what a handler imports of tapgen stands in place of the import.
    assert code(system) == compute.source("items")
    source = (look.ROOT / "tapgen" / "handlers" / "items.py").read_text()
    imports = "from tapgen.handlers.answers import"
    before, _, after = source.partition(imports)
    assert code(system).startswith(before)
    assert code(system).endswith(after.split("\n\n", 1)[1])
    assert imports not in code(system)
    tree = ast.parse(code(system))
    assert "handler" in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    assert {f["Handler"] for f in functions(system).values()} == {"index.handler"}
    assert "import boto3" in code(system)
    assert code(system, "Health") == compute.source("items_health")


def test_the_function_knows_its_table_and_region_and_logs_json(system: System) -> None:
    function = functions(system)["Function"]
    assert function["Environment"]["Variables"] == {
        "TABLE_NAME": {"Ref": "TableName"},
        "REGION": {"Ref": "AWS::Region"},
        "ALLOWED_ORIGINS": {
            "Fn::Join": [",", [{"Ref": name} for name in ORIGINS]],
        },
    }
    assert system.part("api").parameters["TableName"] == Output(
        "table", "TableName", region=EAST
    )
    assert function["LoggingConfig"]["LogFormat"] == "JSON"
    assert function["TracingConfig"] == {"Mode": "Active"}


def test_the_same_template_serves_both_regions(system: System) -> None:
    part = system.part("api")
    here, there = (part.values(t) for t in sorted(part.targets, key=lambda t: t.region))
    assert (here["RegionRole"], there["RegionRole"]) == ("source", "target")
    assert here["KmsKeyArn"] == Output("keys", "KmsKeyArn", region=EAST)
    assert there["KmsKeyArn"] == Output("keys-target", "KmsKeyArn", region=WEST)


def test_only_this_api_calls_the_function_and_by_its_aliases(system: System) -> None:
    permissions = every(system, "AWS::Lambda::Permission")
    called = {p["Properties"]["FunctionName"]["Ref"] for p in permissions.values()}
    assert called == {"FunctionLive", "FunctionCanary", "Health"}
    for permission in permissions.values():
        properties = permission["Properties"]
        assert properties["Principal"] == "apigateway.amazonaws.com"
        (source,) = texts(properties["SourceArn"])
        assert ":execute-api:" in source and "${Api}/" in source
    for (_, title), method in every(system, "AWS::ApiGateway::Method").items():
        integration = method["Properties"]["Integration"]
        assert integration["Type"] == "AWS_PROXY"
        assert integration["IntegrationHttpMethod"] == "POST"
        (uri,) = texts(integration["Uri"])
        by_alias = "${Function.Arn}:${!stageVariables.release}/invocations"
        # What else runs must not use up what the health runs on.
        health = title in ("ApiHealthGet", "ApiHealthChecksGet")
        assert ("${Health.Arn}/invocations" if health else by_alias) in uri


def test_get_and_post_are_served_and_health_is(system: System) -> None:
    resources = body(system, "api")["Resources"]
    paths = {
        name: str(r["Properties"]["PathPart"])
        for name, r in resources.items()
        if r["Type"] == "AWS::ApiGateway::Resource"
    }
    # Nobody else knows the path that health checks ask.
    unguessed = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    assert paths["ApiHealthChecks"] == str(unguessed)
    methods = {
        (paths[r["Properties"]["ResourceId"]["Ref"]], r["Properties"]["HttpMethod"])
        for r in resources.values()
        if r["Type"] == "AWS::ApiGateway::Method"
    }
    assert methods == {
        ("items", "GET"),
        ("items", "POST"),
        ("{id}", "GET"),
        ("health", "GET"),
        (str(unguessed), "GET"),
        *((path, "OPTIONS") for path in ("items", "{id}", "health")),
    }


def test_allowed_addresses_call_everything_and_checkers_only_health(
    system: System,
) -> None:
    policy = only(system, "api", "AWS::ApiGateway::RestApi")["Policy"]
    allowed, health, others = statements(policy)
    assert allowed["Condition"] == {
        "IpAddress": {"aws:SourceIp": {"Ref": "AllowedCidr"}}
    }
    assert "Condition" not in health
    assert health["Resource"] == [f"execute-api:/*/GET/health{s}" for s in ("", "/*")]
    # Where an authorizer allows a request, only a denial holds it back.
    assert others["Effect"] == "Deny"
    assert others["Condition"] == {
        "NotIpAddress": {"aws:SourceIp": {"Ref": "AllowedCidr"}}
    }
    assert others["Resource"] == [f"execute-api:/*/*/items{s}" for s in ("", "/*")]
    parameter = body(system, "api")["Parameters"]["AllowedCidr"]
    assert parameter["AllowedPattern"] and "Default" not in parameter


def deployments(system: System) -> set[str]:
    return {name for _, name in every(system, "AWS::ApiGateway::Deployment")}


def test_other_addresses_need_another_deployment(
    tmp_path: Path, system: System
) -> None:
    # A deployment keeps the policy that it was created with.
    other = build(tmp_path, {"allowed_cidr": "198.51.100.0/24"})
    assert not deployments(system) & deployments(other)
    same = build(tmp_path, {"memory_mib": 512, "log_retention_days": 7})
    assert deployments(system) == deployments(same)


def stage(system: System) -> dict[str, Any]:
    return only(system, "api", "AWS::ApiGateway::Stage")


def test_requests_are_logged_as_json_to_a_group_of_their_own(system: System) -> None:
    setting = stage(system)["AccessLogSetting"]
    line = json.loads(setting["Format"])
    assert {"$context.requestId", "$context.status", "$context.identity.sourceIp"} <= {
        *line.values()
    }
    group = setting["DestinationArn"]["Fn::GetAtt"][0]
    logs = body(system, "api")["Resources"][group]["Properties"]
    assert list(texts(logs["LogGroupName"])) == [
        "/aws/apigateway/sa-${EnvironmentSuffix}-api-${RegionRole}"
    ]
    assert logs["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert logs["KmsKeyId"] == {"Ref": "KmsKeyArn"}


def test_the_key_serves_every_log_group(system: System) -> None:
    groups = {
        "".join(texts(r["Properties"]["LogGroupName"]))
        for r in every(system, "AWS::Logs::LogGroup").values()
    }
    assert {g.split("/")[0] or g.split("/")[2] for g in groups} == {
        "lambda",
        "apigateway",
        "API-Gateway-Execution-Logs_${Api}",
    }
    for part in ("keys", "keys-target"):
        resources = body(system, part)["Resources"]
        (encrypt,) = (
            s for s in statements(resources["Key"]) if s["Sid"] == "EncryptLogGroups"
        )
        contexts = " ".join(texts(encrypt["Condition"]))
        for expected in (
            "log-group:/aws/lambda/sa-${EnvironmentSuffix}-*",
            "log-group:/aws/apigateway/sa-${EnvironmentSuffix}-*",
            "log-group:API-Gateway-Execution-Logs_*",
        ):
            assert expected in contexts


def test_a_canary_has_a_deployment_and_a_version_of_its_own(system: System) -> None:
    found = stage(system)
    condition, canary, none = found["CanarySetting"]["Fn::If"]
    assert none == {"Ref": "AWS::NoValue"}
    resources = body(system, "api")["Resources"]
    own = canary["DeploymentId"]["Ref"]
    assert resources[own]["Condition"] == condition
    has_stable, stable, newest = found["DeploymentId"]["Fn::If"]
    assert stable == {"Ref": "StableDeployment"} and newest["Ref"] != own
    assert canary["PercentTraffic"] == {"Ref": "CanaryPercent"}
    assert found["Variables"] == {"release": "live"}
    assert canary["StageVariableOverrides"] == {"release": "canary"}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::ApiGateway::Deployment":
            assert "StageName" not in resource["Properties"]
            assert resource["DeletionPolicy"] == "Retain"
            methods = [
                n
                for n, r in resources.items()
                if r["Type"] == "AWS::ApiGateway::Method"
            ]
            assert set(resource["DependsOn"]) >= set(methods), name
    newest_version = {"Fn::GetAtt": ["FunctionVersion", "Version"]}
    live = resources["FunctionLive"]["Properties"]["FunctionVersion"]
    assert live["Fn::If"][1:] == [{"Ref": "StableVersion"}, newest_version]
    assert (
        resources["FunctionCanary"]["Properties"]["FunctionVersion"] == newest_version
    )


def test_each_region_keeps_its_own_stable_version(tmp_path: Path) -> None:
    stable = {"source": {"version": "3"}, "target": {"version": "4"}}
    system = build(tmp_path, {"canary": {"percent": 10, "stable": stable}})
    part = system.part("api")
    found = {t.region: part.values(t) for t in part.targets}
    assert found[EAST]["StableVersion"] == "3"
    assert found[WEST]["StableVersion"] == "4"
    assert found[EAST]["CanaryPercent"] == "10"


# --- S000-28 … 34: alarms --------------------------------------------------------------


def alarms(system: System, metric: str) -> list[dict[str, Any]]:
    found = every(system, "AWS::CloudWatch::Alarm").items()
    return [
        a["Properties"]
        for (part, _), a in found
        if part == "api" and a["Properties"]["MetricName"] == metric
    ]


def dimensions(alarm: dict[str, Any]) -> dict[str, Any]:
    return {d["Name"]: d["Value"] for d in alarm["Dimensions"]}


def test_function_errors_and_slow_calls_ring(system: System) -> None:
    errors, _ = alarms(system, "Errors")
    assert errors["Namespace"] == "AWS/Lambda" and errors["Threshold"] == 1
    duration, _ = alarms(system, "Duration")
    assert duration["ExtendedStatistic"] == "p99" and "Statistic" not in duration
    function = functions(system)["Function"]
    assert duration["Threshold"] < function["Timeout"] * 1000
    for each in ("Errors", "Duration"):
        watched = [dimensions(a)["FunctionName"]["Ref"] for a in alarms(system, each)]
        assert watched == ["Function", "Health"]


@pytest.mark.parametrize(
    ("metric", "statistic"),
    [("4XXError", "Average"), ("5XXError", "Average"), ("Latency", "p95")],
)
def test_refused_failed_and_slow_requests_ring(
    system: System, metric: str, statistic: str
) -> None:
    (alarm,) = alarms(system, metric)
    assert statistic in (alarm.get("Statistic"), alarm.get("ExtendedStatistic"))
    name = only(system, "api", "AWS::ApiGateway::RestApi")["Name"]
    assert dimensions(alarm) == {"ApiName": name, "Stage": {"Ref": "ApiStage"}}


def test_a_throttled_and_a_late_table_ring_in_each_region(system: System) -> None:
    table = only(system, "table", "AWS::DynamoDB::GlobalTable")["TableName"]
    for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
        of_table, of_index = alarms(system, metric)
        assert dimensions(of_table) == {"TableName": table}
        assert dimensions(of_index) == {
            "TableName": table,
            "GlobalSecondaryIndexName": "by-name",
        }
        for alarm in (of_table, of_index):
            assert (alarm["Namespace"], alarm["Threshold"]) == ("AWS/DynamoDB", 0)
    (lag,) = alarms(system, "ReplicationLatency")
    assert dimensions(lag) == {
        "TableName": table,
        "ReceivingRegion": {
            "Fn::If": ["IsPrimary", {"Ref": "TargetRegion"}, {"Ref": "SourceRegion"}]
        },
    }


def test_alarms_of_a_region_notify_its_topic(system: System) -> None:
    part = system.part("api")
    for target in part.targets:
        topic = part.values(target)["AlertTopicArn"]
        assert isinstance(topic, Output) and topic.region == target.region
    for key, alarm in every(system, "AWS::CloudWatch::Alarm").items():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "AlertTopicArn"}], key


# --- S000-35 … 37: health checks, outputs, records -------------------------------------


def test_both_apis_are_probed_over_https_where_anybody_may(system: System) -> None:
    checks = every(system, "AWS::Route53::HealthCheck")
    hosts, paths = set(), set()
    for check in checks.values():
        probe = check["Properties"]["HealthCheckConfig"]
        assert (probe["Type"], probe["Port"], probe["EnableSNI"]) == (
            "HTTPS",
            443,
            True,
        )
        paths.add(probe["ResourcePath"]["Ref"])
        assert probe["RequestInterval"] in (10, 30)
        hosts.add(probe["FullyQualifiedDomainName"]["Ref"])
    values = system.part("edge").parameters
    assert {str(values[h]) for h in hosts} == {"api.ApiHost"}
    regions = {values[h].region for h in hosts}  # type: ignore[union-attr]
    assert regions == {EAST, WEST}
    assert {str(values[p]) for p in paths} == {"api.HealthPath"}
    assert {values[p].region for p in paths} == {EAST, WEST}  # type: ignore[union-attr]
    output = body(system, "api")["Outputs"]["HealthPath"]["Value"]["Fn::Join"]
    assert output[1][:3] == ["", stage(system)["StageName"], "health"]


def test_the_function_for_health_checks_asks_the_table_and_nothing_else(
    tmp_path: Path, system: System
) -> None:
    allowed = {s["Sid"]: s for s in statements(role(system, "HealthRole")["Policies"])}
    assert allowed["AskTable"]["Action"] == ["dynamodb:GetItem"]
    assert allowed["AskTable"]["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [items_health.HEALTH]}
    }
    own = stage(system)["MethodSettings"][1:]
    assert [s["ThrottlingRateLimit"] for s in own] == [5, 20]
    reserved = build(tmp_path, {"health_concurrency": 7}).part("api")
    target = reserved.targets[0]
    given = evaluate.given(reserved.values(target))
    found = evaluate.evaluate(reserved.template, given, target).resources
    health: Any = found["Health"]["Properties"]
    assert health["ReservedConcurrentExecutions"] == "7"


def test_tokens_of_an_issuer_are_judged_by_a_function_for_each_request(
    tmp_path: Path,
) -> None:
    system = build(tmp_path, {"authorizer": "jwt", "jwt": JWT})
    authorizer = only(system, "api", "AWS::ApiGateway::Authorizer")
    # Not kept, or a token could be good after its end.
    assert authorizer["AuthorizerResultTtlInSeconds"] == 0
    for (_, title), method in every(system, "AWS::ApiGateway::Method").items():
        given = method["Properties"]
        is_open = given["HttpMethod"] == "OPTIONS" or title.startswith("ApiHealth")
        assert given["AuthorizationType"] == ("NONE" if is_open else "CUSTOM")
        assert ("AuthorizerId" in given) is not is_open
    assert code(system, "Verifier") == compute.source("tokens")
    # It needs nothing of AWS: neither data nor keys.
    allowed = {
        a
        for s in statements(role(system, "VerifierRole")["Policies"])
        for a in s["Action"]
    }
    assert {a.partition(":")[0] for a in allowed} == {"logs", "xray"}
    values = system.part("api").parameters
    assert (values["Issuer"], values["Audiences"], values["Algorithms"]) == (
        JWT["issuer"],
        "items,https://a.b",
        "RS256",
    )
    assert {*shape.ALGORITHMS} == {*signatures.ALGORITHMS}
    # A refusal is an error of the function, so errors are no sign of a failure.
    watched = [dimensions(a)["FunctionName"]["Ref"] for a in alarms(system, "Errors")]
    assert watched == ["Function", "Health"]


def test_a_failing_probe_rings_where_its_metric_is(system: System) -> None:
    found = [
        a
        for (part, _), a in every(system, "AWS::CloudWatch::Alarm").items()
        if part == "edge"
    ]
    assert len(found) == 2
    conditions = body(system, "edge")["Conditions"]
    for alarm in found:
        # Route 53 publishes in one region only.
        assert conditions[alarm["Condition"]] == {
            "Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]
        }
        assert alarm["Properties"]["TreatMissingData"] == "breaching"


def test_traffic_is_divided_by_weight_between_blue_and_green(tmp_path: Path) -> None:
    system = build(tmp_path, {"domain": DOMAIN})
    blue, green = (r["Properties"] for r in every(system, RECORD).values())
    assert (blue["Name"], blue["Type"]) == (green["Name"], green["Type"])
    assert (blue["SetIdentifier"], green["SetIdentifier"]) == ("blue", "green")
    parameters = body(system, "edge")["Parameters"]
    values = system.part("edge").parameters
    for record, weight in ((blue, "90"), (green, "10")):
        parameter = record["Weight"]["Ref"]
        limits = parameters[parameter]
        assert (limits["MinValue"], limits["MaxValue"]) == (0, 255)
        assert values[parameter] == weight
        # A record without a check always counts as healthy.
        assert record["HealthCheckId"]["Ref"].endswith("Check")
    assert values["SourceDomainTarget"] == Output(
        "api", "CustomDomainTarget", region=EAST
    )
    domain = only(system, "api", "AWS::ApiGateway::DomainName")
    assert domain["SecurityPolicy"] == "TLS_1_2"
    assert domain["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    part = system.part("api")
    certificates = {t.region: part.values(t)["CertificateArn"] for t in part.targets}
    assert certificates == {r: CERTIFICATE.format(r) for r in (EAST, WEST)}


RECORD = "AWS::Route53::RecordSet"


def test_records_exist_only_where_there_is_a_domain(system: System) -> None:
    for record in every(system, RECORD, "AWS::ApiGateway::DomainName").values():
        assert record["Condition"] == "HasDomain"
    assert "DomainName" not in system.part("edge").parameters


def test_what_the_user_needs_is_an_output(system: System) -> None:
    outputs = {
        name
        for s in system.stack_sets
        for name in json.loads(s.template).get("Outputs", {})
    }
    assert outputs >= {
        *("ApiUrl", "ApiId", "StageName", "WebsiteUrl", "BucketName", "BucketArn"),
        *("TableName", "StreamArn", "HealthCheckId", "TargetHealthCheckId"),
        *("FunctionArn", "FunctionRoleArn", "AccessLogGroup", "CustomDomainTarget"),
    }


# --- Pages that call the API ------------------------------------------------------------


def test_the_website_may_call_the_api_from_a_browser(
    system: System, private: System
) -> None:
    def origins(of: System) -> dict[str, Any]:
        given = of.part("api").parameters
        return {k: v for k, v in given.items() if k.endswith(("Origin", "Origins"))}

    assert origins(system) == {
        "WebsiteOrigin": Output("website", "WebsiteUrl", region=EAST),
        "WebsiteCopyOrigin": Output("website-target", "WebsiteUrl", region=WEST),
        "MoreOrigins": "",
    }
    assert origins(private) == {
        "WebsiteOrigin": Output("cdn", "WebsiteUrl", region=EAST),
        "MoreOrigins": "",
    }
    resources = body(system, "api")["Resources"]
    # A version is published when they change, too: a stage serves versions.
    version = resources["FunctionVersion"]["Properties"]["Description"]["Fn::Sub"]
    assert all(f"${{{name}}}" in version for name in ORIGINS)


def test_other_origins_are_named_exactly(tmp_path: Path) -> None:
    given = ["https://www.example.com", "http://localhost:3000"]
    system = build(tmp_path, {"cors_origins": given})
    assert system.part("api").parameters["MoreOrigins"] == ",".join(given)


def test_callers_sign_their_requests_if_that_is_wanted(tmp_path: Path) -> None:
    system = build(tmp_path, {"authorizer": "iam"})
    found = {
        name: r["Properties"]["AuthorizationType"]
        for name, r in body(system, "api")["Resources"].items()
        if r["Type"] == "AWS::ApiGateway::Method"
    }
    signed = {name for name, kind in found.items() if kind == "AWS_IAM"}
    assert signed == {"ApiItemsGet", "ApiItemsPost", "ApiItemsIdGet"}
    assert {"ApiHealthGet", "ApiItemsOptions"} <= {*found} - signed
