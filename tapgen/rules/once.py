"""Resources that an account, or the world, has once, created in several places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    Found,
    ResourceRule,
    Rule,
    deployed_to,
    in_one_account,
    in_properties,
    places_of,
    regions_of,
)
from tapgen.rules.values import (
    MISSING,
    Path,
    Steps,
    absent,
    arn,
    get,
    items,
    present,
    reached,
    text,
    truth,
)
from tapgen.rules.view import Resource, View
from tapgen.rules.wide import FoundAt, WideRule, World

_TWO = deployed_to("us-east-1", "us-west-2")
VIRGINIA = "us-east-1"

# What must be in us-east-1, by the type that uses it; `*` is every element.
_FUNCTIONS_AT_THE_EDGE = ("LambdaFunctionAssociations", "*", "LambdaFunctionARN")
USED_AT_THE_EDGE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "AWS::Amplify::Domain": (("CertificateSettings", "CustomCertificateArn"),),
    "AWS::ApiGateway::DomainName": (("CertificateArn",),),
    "AWS::AppSync::DomainName": (("CertificateArn",),),
    "AWS::CloudFront::Distribution": (
        ("DistributionConfig", "ViewerCertificate", "AcmCertificateArn"),
        ("DistributionConfig", "DefaultCacheBehavior", *_FUNCTIONS_AT_THE_EDGE),
        ("DistributionConfig", "CacheBehaviors", "*", *_FUNCTIONS_AT_THE_EDGE),
    ),
    "AWS::CloudFront::DistributionTenant": (("Customizations", "Certificate", "Arn"),),
    "AWS::Cognito::UserPoolDomain": (("CustomDomainConfig", "CertificateArn"),),
    "AWS::Route53::HostedZone": (("QueryLoggingConfig", "CloudWatchLogsLogGroupArn"),),
    "AWS::Route53::KeySigningKey": (("KeyManagementServiceArn",),),
}
AT_THE_EDGE = {
    "AWS::CertificateManager::Certificate",
    "AWS::KMS::Key",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
}

Same = Callable[[Resource], str | None]
"""Returns a key that is equal for resources that are the same; None if unknown."""


def twice(view: View, types: tuple[str, ...], same: Same) -> Iterator[list[Resource]]:
    """Yield the places of one account, in several regions, that create the same."""
    for found in view.created(*types).values():
        for mine in in_one_account(found):
            groups: dict[str, list[Resource]] = {}
            for resource in mine:
                key = same(resource)
                if key is not None:
                    groups.setdefault(key, []).append(resource)
            for group in groups.values():
                if len({r.place.region for r in group}) > 1:
                    yield group


def _replicas(resource: Resource) -> set[str]:
    return {text(r, "Region") or "" for r in items(resource.properties, "Replicas")}


class GlobalTableInSeveralRegions(Rule):
    id = "E9515"
    shortdesc = "A global table is created in several of its regions"
    description = (
        "One AWS::DynamoDB::GlobalTable creates and owns the replicas in all its"
        " regions. The same resource in the stack of another region fails because the"
        " table already exists, or creates separate tables. Create it in one region:"
        " in a stack set of its own, or with a condition on AWS::Region."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-dynamodb-globaltable.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Table/Properties/Replicas"
    _table = """\
Resources:
  Table:
    Type: AWS::DynamoDB::GlobalTable
{condition}\
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      TableName: orders
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}]
      KeySchema: [{{AttributeName: id, KeyType: HASH}}]
      StreamSpecification: {{StreamViewType: NEW_AND_OLD_IMAGES}}
      Replicas: [{{Region: us-east-1}}, {{Region: us-west-2}}]
"""
    bad = _table.format(condition="")
    good = "Conditions:\n  Home: !Equals [!Ref AWS::Region, us-east-1]\n" + (
        _table.format(condition="    Condition: Home\n")
    )

    def check(self, view: View) -> Iterator[Found]:
        for found in view.created("AWS::DynamoDB::GlobalTable").values():
            for mine in in_one_account(found):
                regions = {r.place.region for r in mine}
                for resource in mine:
                    if _replicas(resource) & (regions - {resource.place.region}):
                        yield in_properties(resource, "Replicas"), (
                            f"created in {regions_of(mine)}, and each stack creates the"
                            " replicas of the others; create it in one region"
                        )


class GlobalClusterInSeveralRegions(Rule):
    id = "E9516"
    shortdesc = "A global database cluster is created in several regions"
    description = (
        "A global cluster spans all its regions and exists once. The second stack"
        " fails with GlobalClusterAlreadyExistsFault. Create it in the primary region;"
        " secondary clusters join with GlobalClusterIdentifier."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-rds-globalcluster.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Global/Properties/GlobalClusterIdentifier"
    _cluster = """\
Resources:
  Global:
    Type: AWS::RDS::GlobalCluster
{condition}\
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      GlobalClusterIdentifier: orders
      Engine: aurora-postgresql
      EngineVersion: '16.8'
      StorageEncrypted: true
"""
    bad = _cluster.format(condition="")
    good = "Conditions:\n  Home: !Equals [!Ref AWS::Region, us-east-1]\n" + (
        _cluster.format(condition="    Condition: Home\n")
    )

    def check(self, view: View) -> Iterator[Found]:
        types = ("AWS::RDS::GlobalCluster",)
        for same in twice(
            view, types, lambda r: text(r.properties, "GlobalClusterIdentifier")
        ):
            yield in_properties(same[0], "GlobalClusterIdentifier"), (
                f"created in {regions_of(same)}, but a global cluster exists once for"
                " all regions; create it in the primary region only"
            )


class ZoneInSeveralPlaces(Rule):
    id = "W9517"
    shortdesc = "A public hosted zone is created in several places"
    description = (
        "Each stack creates a zone with the same name and different name servers. The"
        " domain is delegated to one zone, so records in the others are never"
        " resolved. Create the zone once, in a stack set with one target."
    )
    source_url = f"{DOCS}Route53/latest/DeveloperGuide/hosted-zones-working-with.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Zone/Properties/Name"
    bad = """\
Resources:
  Zone:
    Type: AWS::Route53::HostedZone
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      Name: example.com
"""
    good = bad.replace("example.com", "!Sub '${AWS::Region}.example.com'")

    def check(self, view: View) -> Iterator[Found]:
        for found in view.created("AWS::Route53::HostedZone").values():
            by_name: dict[str, list[Resource]] = {}
            for resource in found:
                name = text(resource.properties, "Name")
                if name and absent(resource.properties, "VPCs"):
                    by_name.setdefault(name.rstrip("."), []).append(resource)
            for name, same in by_name.items():
                if len(same) > 1:
                    yield in_properties(same[0], "Name"), (
                        f"public zone {name!r} is created in {places_of(same)}, but the"
                        " domain is delegated to one zone; create it once"
                    )


class TrailInSeveralRegions(Rule):
    id = "W9518"
    shortdesc = "A multi-region trail is created in several regions"
    description = (
        "A multi-region trail records every region. A second one records everything"
        " again, and CloudTrail charges for management events from the second copy on."
        " Create the trail in the home region only."
    )
    source_url = f"{DOCS}awscloudtrail/latest/userguide/cloudtrail-concepts.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Trail/Properties/IsMultiRegionTrail"
    _trail = """\
Resources:
  Trail:
    Type: AWS::CloudTrail::Trail
    Properties:
      IsLogging: true
      IsMultiRegionTrail: {multi}
      S3BucketName: !Sub 'audit-${{AWS::AccountId}}-${{AWS::Region}}'
"""
    bad = _trail.format(multi="true")
    good = _trail.format(multi="false")

    def check(self, view: View) -> Iterator[Found]:
        for same in twice(
            view,
            ("AWS::CloudTrail::Trail",),
            lambda r: "all" if truth(r.properties, "IsMultiRegionTrail") else None,
        ):
            yield in_properties(same[0], "IsMultiRegionTrail"), (
                f"created in {regions_of(same)}, and each trail records every region;"
                " create it in the home region only"
            )


class ApiAccountNotRetained(Rule):
    id = "W9519"
    shortdesc = "Deleting the stack removes the API Gateway account settings"
    description = (
        "AWS::ApiGateway::Account holds the API Gateway settings of the account in a"
        " region, and every API there uses them. Deleting the stack would remove the"
        " logging role from the APIs of other stacks. Set DeletionPolicy: Retain."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-apigateway-account.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Account"
    bad = """\
Resources:
  Account:
    Type: AWS::ApiGateway::Account
    Properties:
      CloudWatchRoleArn: !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/api-logs
"""
    good = """\
Resources:
  Account:
    Type: AWS::ApiGateway::Account
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      CloudWatchRoleArn: !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/api-logs
"""

    def check(self, view: View) -> Iterator[Found]:
        for place in view.places:
            for it in place.of("AWS::ApiGateway::Account"):
                if absent(it.attributes, "DeletionPolicy"):
                    yield ("Resources", it.id), (
                        "all APIs of the region use these settings; set"
                        " DeletionPolicy: Retain"
                    )


class GlobalTypesInSeveralRegions(Rule):
    id = "W9520"
    shortdesc = "AWS Config records global resources in several regions"
    description = (
        "AWS Config records IAM users, roles and policies once in each region whose"
        " recorder has IncludeGlobalResourceTypes, and charges for each configuration"
        " item. Set it in one region: !Equals [!Ref AWS::Region, …]."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}aws-properties-config-configurationrecorder-recordinggroup"
        ".html"
    )
    needs_targets = True
    deployment = _TWO
    at = "Resources/Recorder/Properties/RecordingGroup/IncludeGlobalResourceTypes"
    _recorder = """\
Resources:
  Recorder:
    Type: AWS::Config::ConfigurationRecorder
    Properties:
      RoleARN: !Sub arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/config
      RecordingGroup:
        AllSupported: true
        IncludeGlobalResourceTypes: {included}
"""
    bad = _recorder.format(included="true")
    good = "Conditions:\n  Home: !Equals [!Ref AWS::Region, us-east-1]\n" + (
        _recorder.format(included="!If [Home, true, false]")
    )

    def check(self, view: View) -> Iterator[Found]:
        steps = ("RecordingGroup", "IncludeGlobalResourceTypes")
        for same in twice(
            view,
            ("AWS::Config::ConfigurationRecorder",),
            lambda r: "yes" if truth(r.properties, *steps) else None,
        ):
            yield in_properties(same[0], *steps), (
                f"global resources are recorded in {regions_of(same)}; record them in"
                " one region"
            )


class AccountWideInSeveralRegions(Rule):
    id = "W9521"
    shortdesc = "An account-wide monitor is created in several regions"
    description = (
        "Budgets, cost anomaly monitors, cost reports and identical health checks"
        " cover the whole account, whatever the region of their stack. Every further"
        " region costs again and sends every alert again. Create them in one region."
    )
    source_url = f"{DOCS}cost-management/latest/userguide/budgets-managing-costs.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Budget"
    _budget = """\
Resources:
  Budget:
    Type: AWS::Budgets::Budget
{condition}\
    Properties:
      Budget:
        BudgetType: COST
        TimeUnit: MONTHLY
        BudgetLimit: {{Amount: 100, Unit: USD}}
"""
    bad = _budget.format(condition="")
    good = "Conditions:\n  Home: !Equals [!Ref AWS::Region, us-east-1]\n" + (
        _budget.format(condition="    Condition: Home\n")
    )
    _types = (
        "AWS::Budgets::Budget",
        "AWS::CE::AnomalyMonitor",
        "AWS::CE::AnomalySubscription",
        "AWS::CUR::ReportDefinition",
        "AWS::Route53::HealthCheck",
    )

    def check(self, view: View) -> Iterator[Found]:
        for same in twice(view, self._types, self._what):
            yield ("Resources", same[0].id), (
                f"created in {regions_of(same)}, and each monitors the same; create it"
                " in one region"
            )

    @staticmethod
    def _what(resource: Resource) -> str | None:
        if resource.type != "AWS::Route53::HealthCheck":
            return "the account"
        config = get(resource.properties, "HealthCheckConfig")
        if text(config, "Type") in ("CALCULATED", "CLOUDWATCH_METRIC"):
            return None  # what they monitor differs by region
        name = text(config, "FullyQualifiedDomainName") or text(config, "IPAddress")
        return repr(config) if name else None


class AddressInSeveralPlaces(WideRule):
    id = "E9522"
    shortdesc = "Several stacks create the same DNS record or the same alias"
    description = (
        "A record set (name, type and SetIdentifier) exists once in a hosted zone,"
        " and a domain name on one CloudFront distribution. Edge-optimized API domains,"
        " AppSync domains and custom Cognito domains are distributions too. The second"
        " stack fails. Create it once, use regional API domains, or give the record of"
        " each region its own SetIdentifier."
    )
    source_url = f"{DOCS}Route53/latest/DeveloperGuide/routing-policy.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Record/Properties/Name"
    _record = """\
Resources:
  Record:
    Type: AWS::Route53::RecordSet
    Properties:
      HostedZoneId: Z0123456789ABCDEFGHIJ
      Name: api.example.com
      Type: CNAME
      TTL: '60'
      ResourceRecords: [!Sub 'api.${{AWS::Region}}.example.com']
{policy}\
"""
    bad = _record.format(policy="")
    good = _record.format(
        policy="      Region: !Ref AWS::Region\n      SetIdentifier: !Ref AWS::Region\n"
    )

    def check(self, view: View) -> Iterator[Found]:
        for same in twice(view, ("AWS::Route53::RecordSet",), record_key):
            yield in_properties(same[0], "Name"), (
                f"the same record is created in {regions_of(same)}; create it once, or"
                " give each record its own SetIdentifier"
            )
        yield from super().check(view)

    def check_world(self, world: World) -> Iterator[FoundAt]:
        first: dict[str, Resource] = {}
        for it in world.resources(*_AT_CLOUDFRONT):
            for path, name in _domains(it):
                other = first.setdefault(name, it)
                if other is it:
                    continue
                where = f"{other.id} in {other.place.target}"
                yield it, path, (
                    f"{where} already has the domain name {name}, and only one"
                    " distribution can; create it once"
                )


# Where types that are CloudFront distributions have their domain names.
_AT_CLOUDFRONT: Mapping[str, Steps] = {
    "AWS::ApiGateway::DomainName": ("DomainName",),
    "AWS::AppSync::DomainName": ("DomainName",),
    "AWS::CloudFront::Distribution": ("DistributionConfig", "Aliases", "*"),
    "AWS::CloudFront::DistributionTenant": ("Domains", "*"),
    "AWS::Cognito::UserPoolDomain": ("Domain",),
}


def _domains(it: Resource) -> Iterator[tuple[Path, str]]:
    """Yield the domain names that a resource has at CloudFront."""
    if it.type == "AWS::ApiGateway::DomainName":
        kinds = get(it.properties, "EndpointConfiguration", "Types")
        edge = text(kinds, 0) == "EDGE" if present(kinds) else kinds is MISSING
        if not edge or (
            kinds is MISSING and not absent(it.properties, "RegionalCertificateArn")
        ):
            return
    if it.type == "AWS::Cognito::UserPoolDomain":
        if not present(it.properties, "CustomDomainConfig"):
            return  # its prefix is of one region
    for path, value in reached(it.properties, _AT_CLOUDFRONT[it.type]):
        name = text(value)
        if name:
            yield path, name.rstrip(".").lower()


def record_key(resource: Resource) -> str | None:
    """Return a key that is equal for the same record sets; None if it is not known."""
    properties = resource.properties
    zone = text(properties, "HostedZoneId") or text(properties, "HostedZoneName")
    parts = [zone, text(properties, "Name"), text(properties, "Type")]
    if not absent(properties, "SetIdentifier"):
        parts.append(text(properties, "SetIdentifier"))
    if None in parts:
        return None
    return " ".join((part or "").rstrip(".").lower() for part in parts)


class IdentityInSeveralRegions(Rule):
    id = "E9523"
    shortdesc = (
        "An identity provider or service-linked role is created in several regions"
    )
    description = (
        "An account has one OpenID Connect provider for each URL and one"
        " service-linked role for each service. The second region fails with"
        " EntityAlreadyExists. Create them in one region."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-iam-oidcprovider.html"
    needs_targets = True
    deployment = _TWO
    at = "Resources/Provider"
    _provider = """\
Resources:
  Provider:
    Type: AWS::IAM::OIDCProvider
{condition}\
    Properties:
      Url: https://token.actions.githubusercontent.com
      ClientIdList: [sts.amazonaws.com]
"""
    bad = _provider.format(condition="")
    good = "Conditions:\n  Home: !Equals [!Ref AWS::Region, us-east-1]\n" + (
        _provider.format(condition="    Condition: Home\n")
    )

    def check(self, view: View) -> Iterator[Found]:
        types = ("AWS::IAM::OIDCProvider", "AWS::IAM::ServiceLinkedRole")
        for same in twice(view, types, identity_key):
            yield ("Resources", same[0].id), (
                f"created in {regions_of(same)}, but exists once in an account; create"
                " it in one region"
            )


def identity_key(resource: Resource) -> str | None:
    """Return a key that is equal for the same providers or roles of an account."""
    properties = resource.properties
    if resource.type == "AWS::IAM::OIDCProvider":
        return text(properties, "Url")
    service = text(properties, "AWSServiceName")
    suffix = (
        "" if absent(properties, "CustomSuffix") else text(properties, "CustomSuffix")
    )
    return None if service is None or suffix is None else f"{service} {suffix}"


class OnlyInUsEast1(ResourceRule):
    id = "E9524"
    shortdesc = "A resource that must be in us-east-1 is in another region"
    description = (
        "Web ACLs and IP sets with scope CLOUDFRONT, cost reports, Lambda@Edge"
        " functions, certificates for CloudFront, AppSync, Amplify, Cognito and"
        " edge-optimized API domains, and the log groups and keys of Route 53 hosted"
        " zones must be in us-east-1. Create them in a stack set that targets"
        " us-east-1."
    )
    source_url = f"{DOCS}AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html"
    needs_targets = True
    deployment = deployed_to("eu-west-1")
    at = "Resources/Addresses/Properties/Scope"
    _set = """\
Resources:
  Addresses:
    Type: AWS::WAFv2::IPSet
    Properties:
      Scope: {scope}
      IPAddressVersion: IPV4
      Addresses: [192.0.2.0/24]
"""
    bad = _set.format(scope="CLOUDFRONT")
    good = _set.format(scope="REGIONAL")
    types = (
        *USED_AT_THE_EDGE,
        "AWS::CUR::ReportDefinition",
        "AWS::WAFv2::IPSet",
        "AWS::WAFv2::RegexPatternSet",
        "AWS::WAFv2::RuleGroup",
        "AWS::WAFv2::WebACL",
    )

    def check_resource(self, it: Resource) -> Iterator[Found]:
        region = it.place.region
        if it.type.startswith("AWS::WAFv2::"):
            if region != VIRGINIA and text(it.properties, "Scope") == "CLOUDFRONT":
                yield (
                    "Scope",
                ), f"scope CLOUDFRONT exists in us-east-1 only, not in {region}"
        elif it.type == "AWS::CUR::ReportDefinition":
            if region != VIRGINIA:
                yield (), f"cost reports exist in us-east-1 only, not in {region}"
        else:
            for steps in USED_AT_THE_EDGE[it.type]:
                for path, value in reached(it.properties, steps):
                    yield from self._used(it, path, value)

    @staticmethod
    def _used(it: Resource, path: Path, value: object) -> Iterator[Found]:
        what = {
            "acm": "certificate",
            "kms": "key",
            "lambda": "function",
            "logs": "log group",
        }
        found = arn(value)
        if found and found.service in what and found.region not in ("", VIRGINIA):
            yield path, (
                f"the {what[found.service]} is in {found.region}, but must be in"
                " us-east-1"
            )
        kind = _type_beside(it, value)
        if it.certain and it.place.region != VIRGINIA and kind in AT_THE_EDGE:
            yield path, (
                f"{kind} of this stack is in {it.place.region}; create it in a stack"
                " set that targets us-east-1"
            )


def _type_beside(it: Resource, value: object) -> str:
    """Return the type of the resource in the same template that a value refers to."""
    match value:
        case {"Ref": named} | {"Fn::GetAtt": [named, "Arn"]}:
            pass
        case _:
            return ""
    resource = it.place.evaluated.resources.get(str(named), {})
    return str(resource.get("Type", ""))
