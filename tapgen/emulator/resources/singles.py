"""Resource types that are one call of their service to make, and one to delete.

Their properties are what the call takes. A change without a call of its own replaces.
References: "Return values" of each type in the CloudFormation template reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tapgen.emulator.resources.calls import call
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    document,
    original,
    tag_list,
)

Given = Mapping[str, Any]


def _given(request: Request) -> Given:
    return request.properties


@dataclass(frozen=True)
class Single:
    """A type, the calls that make and delete it, and what a Ref to it gives.

    `ref` picks the physical id from the answer and the request, `by` names the parameter
    of the deletion that takes it; `attributes` are those of Fn::GetAtt, by the key of
    the answer, `id_attribute` that which has the physical id. `change` is the call that
    updates it, with the parameter `by`; `settle` does what calls are left after either,
    from the physical id and the properties before and after.
    """

    type: str
    service: str
    create: str
    delete: str
    by: str
    ref: Callable[[Any, Request], str]
    given: Callable[[Request], Given] = _given
    attributes: Mapping[str, str] = field(default_factory=dict)
    change: str | None = None
    tags: tuple[str, str] | None = None
    id_attribute: str = ""
    settle: Callable[[str, Properties, Properties], object] | None = None

    def kind(self) -> Kind:
        """The kind that makes these calls."""

        def own(physical_id: str) -> Attributes:
            return {self.id_attribute: physical_id} if self.id_attribute else {}

        def make(request: Request) -> Created:
            answer = call(self.service, self.create, **self.given(request))
            values = {name: answer[key] for name, key in self.attributes.items()}
            physical_id = self.ref(answer, request)
            if self.settle:
                self.settle(physical_id, {}, request.properties)
            return physical_id, {**values, **own(physical_id)}

        def forget(physical_id: str, properties: Properties) -> None:
            request = Request("", "", properties)
            given = {**self.given(request), self.by: physical_id}
            call(self.service, self.delete, **given)

        def change(physical_id: str, old: Properties, new: Properties) -> Attributes:
            if self.change:
                given = {**self.given(Request("", "", new)), self.by: physical_id}
                call(self.service, self.change, **given)
            if self.settle:
                self.settle(physical_id, old, new)
            return own(physical_id)

        return Kind(
            self.type,
            make,
            forget,
            change if self.change or self.settle else None,
            tags=self.tags,
        )


def kinds() -> list[Kind]:
    """Return the kinds of this module."""
    policies = [
        Kind(
            "AWS::Events::EventBusPolicy",
            _permit,
            _forbid,
            _permit_again,
            tags=None,
        ),
        Kind(
            "AWS::SecretsManager::ResourcePolicy",
            _make_secret_policy,
            _delete_secret_policy,
            _change_secret_policy,
            tags=None,
        ),
    ]
    return [
        *policies,
        _set_kind("IPSet", ("Addresses", "Description")),
        _set_kind("RegexPatternSet", ("RegularExpressionList", "Description")),
        Kind("AWS::Events::Rule", _make_rule, _delete_rule, _change_rule),
        *(single.kind() for single in _SINGLES),
    ]


def _named(name: str) -> Callable[[Request], Given]:
    """The properties, with a generated name where the template gives none."""

    def given(request: Request) -> Given:
        if not request.logical_id:
            return request.properties
        return {**request.properties, name: request.name(name, longest=80)}

    return given


def _tagged(request: Request) -> Given:
    return {**request.properties, "Tags": tag_list(request.properties) or None}


def _saml(request: Request) -> Given:
    return {"Name": request.name("Name"), **_tagged(request)}


def _archive(request: Request) -> Given:
    source = request.properties.get("SourceArn")
    return {**_named("ArchiveName")(request), "EventSourceArn": source}


def _dhcp(request: Request) -> Given:
    names = {
        "DomainName": "domain-name",
        "DomainNameServers": "domain-name-servers",
        "NtpServers": "ntp-servers",
        "NetbiosNameServers": "netbios-name-servers",
        "NetbiosNodeType": "netbios-node-type",
    }
    found = {names[k]: v for k, v in request.properties.items() if k in names}
    options = [
        {"Key": key, "Values": value if isinstance(value, list) else [str(value)]}
        for key, value in found.items()
    ]
    return {"DhcpConfigurations": options}


_SINGLES = (
    Single(
        "AWS::StepFunctions::Activity",
        "stepfunctions",
        "CreateActivity",
        "DeleteActivity",
        "activityArn",
        lambda answer, request: str(answer["activityArn"]),
        _named("Name"),
        {"Arn": "activityArn"},
    ),
    Single(
        "AWS::Events::Connection",
        "events",
        "CreateConnection",
        "DeleteConnection",
        "Name",
        lambda answer, request: request.name("Name", longest=80),
        _named("Name"),
        {"Arn": "ConnectionArn"},
        "UpdateConnection",
    ),
    Single(
        "AWS::Events::ApiDestination",
        "events",
        "CreateApiDestination",
        "DeleteApiDestination",
        "Name",
        lambda answer, request: request.name("Name", longest=80),
        _named("Name"),
        {"Arn": "ApiDestinationArn"},
        "UpdateApiDestination",
    ),
    Single(
        "AWS::EC2::KeyPair",
        "ec2",
        "CreateKeyPair",
        "DeleteKeyPair",
        "KeyName",
        lambda answer, request: str(request.properties["KeyName"]),
        attributes={"KeyPairId": "KeyPairId", "KeyFingerprint": "KeyFingerprint"},
    ),
    Single(
        "AWS::EC2::DHCPOptions",
        "ec2",
        "CreateDhcpOptions",
        "DeleteDhcpOptions",
        "DhcpOptionsId",
        lambda answer, request: str(answer["DhcpOptions"]["DhcpOptionsId"]),
        _dhcp,
    ),
    Single(
        "AWS::EC2::PrefixList",
        "ec2",
        "CreateManagedPrefixList",
        "DeleteManagedPrefixList",
        "PrefixListId",
        lambda answer, request: str(answer["PrefixList"]["PrefixListId"]),
    ),
    Single(
        "AWS::IAM::OIDCProvider",
        "iam",
        "CreateOpenIDConnectProvider",
        "DeleteOpenIDConnectProvider",
        "OpenIDConnectProviderArn",
        lambda answer, request: str(answer["OpenIDConnectProviderArn"]),
        _tagged,
        change="UpdateOpenIDConnectProviderThumbprint",
        tags=("Tags", "list"),
        id_attribute="Arn",
    ),
    Single(
        "AWS::IAM::SAMLProvider",
        "iam",
        "CreateSAMLProvider",
        "DeleteSAMLProvider",
        "SAMLProviderArn",
        lambda answer, request: str(answer["SAMLProviderArn"]),
        _saml,
        change="UpdateSAMLProvider",
        tags=("Tags", "list"),
        id_attribute="Arn",
    ),
    Single(
        "AWS::IAM::ServiceLinkedRole",
        "iam",
        "CreateServiceLinkedRole",
        "DeleteServiceLinkedRole",
        "RoleName",
        lambda answer, request: str(answer["Role"]["RoleName"]),
        id_attribute="RoleName",
    ),
    Single(
        "AWS::Athena::NamedQuery",
        "athena",
        "CreateNamedQuery",
        "DeleteNamedQuery",
        "NamedQueryId",
        lambda answer, request: str(answer["NamedQueryId"]),
        _named("Name"),
        id_attribute="NamedQueryId",
    ),
    Single(
        "AWS::Events::Archive",
        "events",
        "CreateArchive",
        "DeleteArchive",
        "ArchiveName",
        lambda answer, request: request.name("ArchiveName", longest=48),
        _archive,
        {"Arn": "ArchiveArn"},
        "UpdateArchive",
    ),
    Single(
        "AWS::StepFunctions::StateMachineVersion",
        "stepfunctions",
        "PublishStateMachineVersion",
        "DeleteStateMachineVersion",
        "stateMachineVersionArn",
        lambda answer, request: str(answer["stateMachineVersionArn"]),
        lambda request: {
            **request.properties,
            "revisionId": request.properties.get("StateMachineRevisionId"),
        },
        id_attribute="Arn",
    ),
    Single(
        "AWS::StepFunctions::StateMachineAlias",
        "stepfunctions",
        "CreateStateMachineAlias",
        "DeleteStateMachineAlias",
        "stateMachineAliasArn",
        lambda answer, request: str(answer["stateMachineAliasArn"]),
        change="UpdateStateMachineAlias",
        id_attribute="Arn",
    ),
    Single(
        "AWS::Kinesis::StreamConsumer",
        "kinesis",
        "RegisterStreamConsumer",
        "DeregisterStreamConsumer",
        "ConsumerARN",
        lambda answer, request: str(answer["Consumer"]["ConsumerARN"]),
    ),
)


# --- Policies ---------------------------------------------------------------------------


def _permission(properties: Properties) -> Given:
    """What PutPermission takes: a statement as a whole is a policy of one statement."""
    bus = {"EventBusName": properties.get("EventBusName", "default")}
    statement = properties.get("Statement")
    if not statement:
        return {**properties, **bus}
    whole = {"Version": "2012-10-17", "Statement": [_with_id(properties, statement)]}
    return {**bus, "Policy": document(whole)}


def _with_id(properties: Properties, statement: Any) -> Any:
    return {"Sid": properties["StatementId"], **statement}


def _permit(request: Request) -> Created:
    given = _permission(request.properties)
    call("events", "PutPermission", **given)
    return f"{given['EventBusName']}|{request.properties['StatementId']}", {}


def _permit_again(physical_id: str, old: Properties, new: Properties) -> Attributes:
    _permit(Request("", "", new))
    return {}


def _forbid(physical_id: str, properties: Properties) -> None:
    bus, _, statement = physical_id.rpartition("|")
    call("events", "RemovePermission", EventBusName=bus, StatementId=statement)


def _put_secret_policy(properties: Properties) -> str:
    answer = call(
        "secretsmanager",
        "PutResourcePolicy",
        SecretId=properties["SecretId"],
        ResourcePolicy=document(properties["ResourcePolicy"]),
    )
    return str(answer["ARN"])


def _make_secret_policy(request: Request) -> Created:
    return _put_secret_policy(request.properties), {}


def _change_secret_policy(
    physical_id: str, old: Properties, new: Properties
) -> Attributes:
    _put_secret_policy(new)
    return {}


def _delete_secret_policy(physical_id: str, properties: Properties) -> None:
    call("secretsmanager", "DeleteResourcePolicy", SecretId=physical_id)


# --- Sets of AWS WAF ----------------------------------------------------------------------


def _set(properties: Properties) -> Given:
    """The properties of a set as calls take them."""
    given = {**properties, "Tags": tag_list(properties) or None}
    patterns = properties.get("RegularExpressionList")
    if patterns is not None:
        given["RegularExpressionList"] = [{"RegexString": one} for one in patterns]
    return given


def _set_kind(noun: str, changed: Sequence[str]) -> Kind:
    """A set of which rules say that they match it; Ref gives `NAME|ID|SCOPE`."""

    def attributes(arn: Any, physical_id: str) -> Attributes:
        return {"Arn": str(arn), "Id": physical_id.split("|")[1]}

    def make(request: Request) -> Created:
        name, scope = request.name("Name"), str(request.properties["Scope"])
        given = {**_set(request.properties), "Name": name}
        created = call("wafv2", f"Create{noun}", **given)["Summary"]
        physical_id = f"{name}|{created['Id']}|{scope}"
        return physical_id, attributes(created["ARN"], physical_id)

    def named(physical_id: str) -> tuple[Given, Any]:
        """What names a set in calls, with the token that a change needs; and its ARN."""
        name, own, scope = physical_id.split("|")
        given = {"Name": name, "Id": own, "Scope": scope}
        found = call("wafv2", f"Get{noun}", **given)
        return {**given, "LockToken": found["LockToken"]}, found[noun]["ARN"]

    def change(physical_id: str, old: Properties, new: Properties) -> Attributes:
        given, arn = named(physical_id)
        wanted = _set(new)
        call("wafv2", f"Update{noun}", **given, **{k: wanted.get(k) for k in changed})
        return attributes(arn, physical_id)

    def forget(physical_id: str, properties: Properties) -> None:
        call("wafv2", f"Delete{noun}", **named(physical_id)[0])

    return Kind(f"AWS::WAFv2::{noun}", make, forget, change)


# --- Rule -------------------------------------------------------------------------------
# ministack makes rules. A Ref to one on a bus of its own gives `BUS|RULE`.


def _make_rule(request: Request) -> Created:
    make = original("AWS::Events::Rule")["create"]
    name, attributes = make(request.logical_id, request.properties, request.stack)
    bus = str(request.properties.get("EventBusName", "default")).rpartition("/")[2]
    return (name if bus == "default" else f"{bus}|{name}"), attributes


def _change_rule(physical_id: str, old: Properties, new: Properties) -> Attributes:
    name = physical_id.rpartition("|")[2]
    update = original("AWS::Events::Rule")["update"]
    named = [{**properties, "Name": name} for properties in (old, new)]
    _, attributes = update(name, *named, "")
    found: Attributes = attributes
    return found


def _delete_rule(physical_id: str, properties: Properties) -> None:
    name = physical_id.rpartition("|")[2]
    original("AWS::Events::Rule")["delete"](name, properties)
