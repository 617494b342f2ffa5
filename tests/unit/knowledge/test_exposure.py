"""Every property that could make something public is in a table."""

from __future__ import annotations

import re

from tapgen.knowledge import addresses
from tapgen.knowledge.exposure import SWITCHES
from tapgen.template import schemas

TYPES = sorted(schemas.types("us-east-1"))
PUBLIC = re.compile(
    r"Public(ly)?(Access(?!Cidrs)|Connect|Ip(Address|OnLaunch)?$|IP$|Acls|Policy|Buckets|Overr)"
    r"|Unauthenticated|Anonymous|^(Resource\w+)?AuthType$|^Scheme$|^AccessControl$"
)
# Properties with such a name that make nothing public, and why.
OTHERS = {
    "AWS::ApiGateway::Authorizer": "how an authorizer is called",
    "AWS::AppFabric::AppAuthorization": "how tapped applications are called",
    "AWS::AppMesh::Route": "a match",
    "AWS::AppSync::Api": "each of them asks for something",
    "AWS::AppSync::ChannelNamespace": "each of them asks for something",
    "AWS::AppSync::DataSource": "how a source is called",
    "AWS::Batch::JobDefinition": "an address to reach out with; nothing listens",
    "AWS::Bedrock::DataSource": "how a source is called",
    "AWS::CodeBuild::SourceCredential": "how a source is called",
    "AWS::DMS::DataProvider": "how a database is called",
    "AWS::DMS::Endpoint": "how a database is called",
    "AWS::DocDBElastic::Cluster": "where the password is",
    "AWS::EC2::EC2Fleet": "its launch template",
    "AWS::EC2::SpotFleet": "its launch template",
    "AWS::Events::Rule": "an address to reach out with; nothing listens",
    "AWS::ImageBuilder::LifecyclePolicy": "a filter",
    "AWS::Pipes::Pipe": "an address to reach out with; nothing listens",
    "AWS::SageMaker::PartnerApp": "a single value",
    "AWS::Scheduler::Schedule": "an address to reach out with; nothing listens",
    "AWS::SES::MailManagerIngressPoint": "mail comes from anywhere",
}


def test_every_property_called_public_is_a_switch_or_known_to_be_none() -> None:
    unknown = [
        f"{kind} {path}"
        for kind in TYPES
        for path, _ in schemas.leaves(kind)
        if PUBLIC.search(path.removesuffix("/*").rpartition("/")[2])
        and kind not in OTHERS
        and not any(s.path == path and kind in (s.types or [kind]) for s in SWITCHES)
    ]
    assert unknown == []


def test_every_switch_is_a_property() -> None:
    for switch in SWITCHES:
        for kind in switch.types:
            paths = [path for path, _ in schemas.leaves(kind)]
            assert any(f"{path}/".startswith(f"{switch.path}/") for path in paths), (
                kind,
                switch.path,
            )


def test_every_property_that_is_a_range_of_addresses_is_known() -> None:
    unknown = {
        kind
        for kind in TYPES
        for path, _ in schemas.leaves(kind)
        if re.search(
            r"^(Cidr(Ip|Ipv6)?|CIDRIP|\w*Cidrs|IpRange|\w+Cidr)$",
            path.removesuffix("/*").rpartition("/")[2],
        )
    }
    assert unknown - {*addresses.RULES} - {*addresses.OTHERS} == set()
    assert not {*addresses.RULES} & {*addresses.OTHERS}
    assert {*addresses.OTHERS} <= unknown


def test_every_rule_is_a_property() -> None:
    for kind, forms in addresses.RULES.items():
        paths = {path.replace("/*", "") for path, _ in schemas.leaves(kind)}
        for form in forms:
            names = (*form.sources, *form.ports, *filter(None, [form.protocol]))
            for name in names:
                path = "/".join(filter(None, (form.path, name)))
                assert path in paths, (kind, path)
