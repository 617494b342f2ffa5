"""What an account, or the world, has once: made in several regions or accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    Found,
    ResourceRule,
    Rule,
    goes_to,
    in_one_account,
    in_properties,
    places_of,
    regions_of,
)
from tapgen.rules.literals import reached
from tapgen.rules.values import Path, absent, arn, get, items, text, truth
from tapgen.rules.view import Resource, View

_TWO = goes_to("us-east-1", "us-west-2")
VIRGINIA = "us-east-1"

# What must be of us-east-1, by the type that uses it; `*` is every element.
_FUNCTIONS_AT_THE_EDGE = ("LambdaFunctionAssociations", "*", "LambdaFunctionARN")
USED_AT_THE_EDGE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "AWS::ApiGateway::DomainName": (("CertificateArn",),),
    "AWS::CloudFront::Distribution": (
        ("DistributionConfig", "ViewerCertificate", "AcmCertificateArn"),
        ("DistributionConfig", "DefaultCacheBehavior", *_FUNCTIONS_AT_THE_EDGE),
        ("DistributionConfig", "CacheBehaviors", "*", *_FUNCTIONS_AT_THE_EDGE),
    ),
    "AWS::Cognito::UserPoolDomain": (("CustomDomainConfig", "CertificateArn"),),
}
AT_THE_EDGE = {"AWS::CertificateManager::Certificate", "AWS::Lambda::Version"}

Same = Callable[[Resource], str | None]
"""What two resources have in common when they are the same thing; None: unknown."""


def twice(view: View, types: tuple[str, ...], same: Same) -> Iterator[list[Resource]]:
    """Places of one account, in several regions, where a resource is the same thing."""
    for found in view.made(*types).values():
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
    shortdesc = "A global table is made by the stacks of several of its regions"
    description = (
        "One AWS::DynamoDB::GlobalTable makes and owns the replicas of all its regions."
        " The same resource in the stack of another region fails, as its table is there"
        " already, or makes tables of its own. Make it in one region: in a stack set of"
        " its own, or with a condition on AWS::Region."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-dynamodb-globaltable.html"
    needs_targets = True
    goes = _TWO
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
        for found in view.made("AWS::DynamoDB::GlobalTable").values():
            for mine in in_one_account(found):
                regions = {r.place.region for r in mine}
                for resource in mine:
                    if _replicas(resource) & (regions - {resource.place.region}):
                        yield in_properties(resource, "Replicas"), (
                            f"made in {regions_of(mine)}, and each makes the replicas of"
                            " the others; make it in one of them"
                        )


class GlobalClusterInSeveralRegions(Rule):
    id = "E9516"
    shortdesc = "A global database cluster is made in several regions"
    description = (
        "A global cluster belongs to all its regions and exists once: the second stack"
        " fails with GlobalClusterAlreadyExistsFault. Make it in the primary region;"
        " secondary clusters join by GlobalClusterIdentifier."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-rds-globalcluster.html"
    needs_targets = True
    goes = _TWO
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
                f"made in {regions_of(same)}, and a global cluster exists once for all"
                " regions; make it in the primary region only"
            )


class ZoneInSeveralPlaces(Rule):
    id = "W9517"
    shortdesc = "A public hosted zone is made in several places"
    description = (
        "Each stack makes a zone of the same name with other name servers, and the"
        " domain is delegated to one of them: records in the others are never seen."
        " Make the zone once, in a stack set that goes to one target."
    )
    source_url = f"{DOCS}Route53/latest/DeveloperGuide/hosted-zones-working-with.html"
    needs_targets = True
    goes = _TWO
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
        for found in view.made("AWS::Route53::HostedZone").values():
            by_name: dict[str, list[Resource]] = {}
            for resource in found:
                name = text(resource.properties, "Name")
                if name and absent(resource.properties, "VPCs"):
                    by_name.setdefault(name.rstrip("."), []).append(resource)
            for name, same in by_name.items():
                if len(same) > 1:
                    yield in_properties(same[0], "Name"), (
                        f"a public zone {name!r} is made in {places_of(same)}, and the"
                        " domain is delegated to one of them; make it once"
                    )


class TrailInSeveralRegions(Rule):
    id = "W9518"
    shortdesc = "A trail of all regions is made in several regions"
    description = (
        "A multi-region trail records every region. A second one records everything"
        " again, and from the second copy of management events on, CloudTrail charges."
        " Make it in the home region only."
    )
    source_url = f"{DOCS}awscloudtrail/latest/userguide/cloudtrail-concepts.html"
    needs_targets = True
    goes = _TWO
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
                f"made in {regions_of(same)}, and each records every region; make it in"
                " the home region only"
            )


class ApiAccountNotRetained(Rule):
    id = "W9519"
    shortdesc = "API Gateway's account settings go with the stack"
    description = (
        "AWS::ApiGateway::Account is the one set of settings of a region, which every"
        " API of the account uses. Deleting the stack must not take the logging role"
        " from APIs of others: set DeletionPolicy: Retain."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-apigateway-account.html"
    needs_targets = True
    goes = _TWO
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
                        "the settings are those of all APIs of the region; set"
                        " DeletionPolicy: Retain"
                    )


class GlobalTypesInSeveralRegions(Rule):
    id = "W9520"
    shortdesc = "Config records global resources in several regions"
    description = (
        "IAM users, roles and policies are recorded as configuration items, and charged,"
        " once for each region whose recorder has IncludeGlobalResourceTypes. Set it in"
        " one region: !Equals [!Ref AWS::Region, …]."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}aws-properties-config-configurationrecorder-recordinggroup"
        ".html"
    )
    needs_targets = True
    goes = _TWO
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
    shortdesc = "What watches the whole account is made in several regions"
    description = (
        "Budgets, cost anomaly monitors, cost reports and equal health checks are the"
        " account's, whichever region their stack is in: every further region costs"
        " again and sends every alert again. Make them in one region."
    )
    source_url = f"{DOCS}cost-management/latest/userguide/budgets-managing-costs.html"
    needs_targets = True
    goes = _TWO
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
                f"made in {regions_of(same)}, and it watches the same in each; make it"
                " in one region"
            )

    @staticmethod
    def _what(resource: Resource) -> str | None:
        if resource.type != "AWS::Route53::HealthCheck":
            return "the account"
        config = get(resource.properties, "HealthCheckConfig")
        if text(config, "Type") in ("CALCULATED", "CLOUDWATCH_METRIC"):
            return None  # what they look at is the region's
        name = text(config, "FullyQualifiedDomainName") or text(config, "IPAddress")
        return repr(config) if name else None


class AddressInSeveralPlaces(Rule):
    id = "E9522"
    shortdesc = "Several stacks make the same DNS record or the same alias"
    description = (
        "A record set (name, type and SetIdentifier) exists once in a zone, an alternate"
        " domain name on one CloudFront distribution: the second stack fails. Make it"
        " once, or give the record of each region a SetIdentifier of its own."
    )
    source_url = f"{DOCS}Route53/latest/DeveloperGuide/routing-policy.html"
    needs_targets = True
    goes = _TWO
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
                f"the same record is made in {regions_of(same)}; make it once, or give"
                " each a SetIdentifier"
            )
        steps = ("DistributionConfig", "Aliases", 0)
        types = ("AWS::CloudFront::Distribution",)
        for same in twice(view, types, lambda r: text(r.properties, *steps)):
            yield in_properties(same[0], *steps), (
                f"distributions made in {regions_of(same)} have this name, and one can;"
                " make it in one region"
            )


def record_key(resource: Resource) -> str | None:
    """What makes a record set the same as another one; None where it is not known."""
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
    shortdesc = "An identity provider or service-linked role is made in several regions"
    description = (
        "An account has one OpenID Connect provider for a URL and one service-linked"
        " role for a service: the second region fails with EntityAlreadyExists. Make"
        " them in one region."
    )
    source_url = f"{TEMPLATE_REFERENCE}aws-resource-iam-oidcprovider.html"
    needs_targets = True
    goes = _TWO
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
                f"made in {regions_of(same)}, and an account has it once; make it in"
                " one region"
            )


def identity_key(resource: Resource) -> str | None:
    """What makes a provider or role the same as another one of an account."""
    properties = resource.properties
    if resource.type == "AWS::IAM::OIDCProvider":
        return text(properties, "Url")
    service = text(properties, "AWSServiceName")
    suffix = (
        "" if absent(properties, "CustomSuffix") else text(properties, "CustomSuffix")
    )
    return None if service is None or suffix is None else f"{service} {suffix}"


class OnlyInVirginia(ResourceRule):
    id = "E9524"
    shortdesc = "What CloudFront uses is made or looked for outside us-east-1"
    description = (
        "Web ACLs and IP sets of scope CLOUDFRONT, cost reports, functions at the edge,"
        " and certificates for CloudFront, for edge-optimised API domains and for domains"
        " of Cognito live in us-east-1 only. Make them in a stack set that goes there."
    )
    source_url = f"{DOCS}AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html"
    needs_targets = True
    goes = goes_to("eu-west-1")
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
        "AWS::ApiGateway::DomainName",
        "AWS::CUR::ReportDefinition",
        "AWS::CloudFront::Distribution",
        "AWS::Cognito::UserPoolDomain",
        "AWS::WAFv2::IPSet",
        "AWS::WAFv2::RegexPatternSet",
        "AWS::WAFv2::RuleGroup",
        "AWS::WAFv2::WebACL",
    )

    def look(self, it: Resource) -> Iterator[Found]:
        region = it.place.region
        if it.type.startswith("AWS::WAFv2::"):
            if region != VIRGINIA and text(it.properties, "Scope") == "CLOUDFRONT":
                yield (
                    "Scope",
                ), f"scope CLOUDFRONT in {region}; it is in us-east-1 only"
        elif it.type == "AWS::CUR::ReportDefinition":
            if region != VIRGINIA:
                yield (), f"cost reports are defined in us-east-1, not in {region}"
        else:
            for steps in USED_AT_THE_EDGE[it.type]:
                for path, value in reached(it.properties, steps):
                    yield from self._used(it, path, value)

    @staticmethod
    def _used(it: Resource, path: Path, value: object) -> Iterator[Found]:
        what = {"acm": "certificate", "lambda": "function"}
        found = arn(value)
        if found and found.service in what and found.region not in ("", VIRGINIA):
            yield path, (
                f"a {what[found.service]} in {found.region}; this one must be in"
                " us-east-1"
            )
        kind = _made_beside(it, value)
        if it.certain and it.place.region != VIRGINIA and kind in AT_THE_EDGE:
            yield path, (
                f"{kind} of this stack is in {it.place.region}; this one must be in"
                " us-east-1, so make it in a stack set that goes there"
            )


def _made_beside(it: Resource, value: object) -> str:
    """The type of the resource of the same template that a value is the Ref of."""
    named = value.get("Ref") if isinstance(value, Mapping) else None
    made = it.place.evaluated.resources.get(str(named), {})
    return str(made.get("Type", ""))
