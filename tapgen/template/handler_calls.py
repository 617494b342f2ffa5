"""The calls that CloudFormation makes for a resource, as IAM decides on them.

The registry schema of a type lists the permissions that each handler needs
(https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html);
`knowledge/permissions` has those of types without handlers. Which resource an action is
about, and the ARN of that resource, is in the service authorization reference (cfn-lint's
data). What only AWS knows before the call, such as the id of a new VPC, is `*` in an ARN.

Left out are calls for properties that the resource does not have: keys, roles and code
that it does not name, and what `knowledge/unused_permissions` ties to a property.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, cached_property
from typing import Any

from tapgen.knowledge.indirect_permissions import TABLE
from tapgen.knowledge.named_resources import GENERATED, NAMED, REFERS
from tapgen.knowledge.permissions import WITHOUT_HANDLERS
from tapgen.knowledge.unused_permissions import UNUSED
from tapgen.template import schemas, scope

Keys = dict[str, str | None]
"""Condition key in lower case → its value; None where the request has none. A key that is
missing is not known. A key that ends with `/` stands for the tags without a key."""
Call = tuple[str, tuple[str, ...], list[Keys]]
"""An action; the ARNs of which it is about one, with `*` for what is not known; and what
the keys of conditions may be, all of them together."""

# Ends of ARNs, for kinds whose ARN is more than its format in cfn-lint's data with a name.
_ENDS = {
    "autoscaling:autoscalinggroup": "autoScalingGroup:*:autoScalingGroupName/{}",
    "lambda:function alias": "function:{}:*",
    "lambda:function version": "function:{}:*",
    # Six characters that AWS chooses.
    "secretsmanager:secret": "secret:{}-AbCdEf",
    "scheduler:schedule": "schedule/*/{}",
    "s3:object": "{}/*",
    "wafv2:webacl": "*/webacl/{}/*",
}
_SERVICE_LINKED = "arn:{}:iam::{}:role/aws-service-role/*"
# Types that are called otherwise than their kind of resource.
_KINDS = {
    "AWS::DocDB::DBCluster": "rds:cluster",
    "AWS::DocDB::DBInstance": "rds:db",
    "AWS::EC2::EIP": "ec2:elastic-ip",
    "AWS::KMS::ReplicaKey": "kms:key",
}
_SAME_KIND = {
    "events:rule": ("rule-on-default-event-bus", "rule-on-custom-event-bus"),
    "lambda:function": ("function", "function alias", "function version"),
    "s3:bucket": ("bucket", "object"),
}
# Services whose requests all go to one region.
_GLOBAL = frozenset(
    "budgets ce cloudfront globalaccelerator iam organizations route53 shield".split()
)
# Verbs of the actions of types without handlers, by operation; others read, or are for
# some properties only.
_VERBS = {
    "create": ("Add", "Associate", "Authorize", "Create", "Grant", "Register", "Run"),
    "update": ("Modify", "Update"),
    "delete": ("Delete", "Deregister", "Disassociate", "Remove", "Revoke", "Terminate"),
}
_CUSTOM = "AWS::CloudFormation::CustomResource"
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/\S+")
_NAMES_ROLE = re.compile("(?i)role")
_NAMES_KEY = re.compile("(?i)kms|encryptionkey")
# Below these properties users choose names and texts.
_FREE = re.compile("Environment|Variables|Tags|.*Polic(y|ies).*|Definition.*")
_BOUNDARY = "PermissionsBoundary"


def of(
    kind: str,
    operation: str,
    properties: Mapping[str, Any],
    previous: Mapping[str, Any],
    name: str,
    place: tuple[str, str],
    tags: Mapping[str, str],
    wanted: Callable[[str], bool],
) -> Iterator[Call]:
    """Yield the calls that a handler makes to create, update or delete a resource, of the
    `wanted` actions.

    `previous` are the properties before an update. `name` is the physical id, or the name
    that CloudFormation would generate for a new resource. `place` is the account and the
    region, `tags` are those that the stack has.
    """
    kind = _CUSTOM if kind.startswith("Custom::") else kind
    actions = [action for action in _listed(kind, operation) if wanted(action)]
    if actions:
        found = _Resource(kind, operation, properties, previous, name, place, tags)
        for action in actions:
            yield from found.calls(action)


@cache
def _listed(kind: str, operation: str) -> tuple[str, ...]:
    """The actions of a handler, in the order of the schema."""
    handlers = schemas.handlers(kind)
    if handlers or kind not in WITHOUT_HANDLERS:
        listed = handlers.get(operation, {}).get("permissions", ())
        return tuple(dict.fromkeys(filter(_exists, listed)))
    return tuple(
        action
        for action in sorted(WITHOUT_HANDLERS[kind])
        if action.partition(":")[2].startswith(_VERBS[operation]) or kind == _CUSTOM
    )


@cache
def _named_action(action: str) -> tuple[str, str]:
    """The service of an action, in lower case, and what it does."""
    service, _, verb = action.partition(":")
    return service.lower(), verb


@cache
def _kinds(action: str) -> frozenset[str]:
    """The kinds of resources of an action, in lower case."""
    return frozenset(kind.lower() for kind in schemas.limited_by(action))


@cache
def _only_for(kind: str, action: str) -> tuple[str, ...]:
    """The properties or values for which alone a handler calls an action."""
    return tuple(
        name
        for name, actions in UNUSED.get(kind, {}).items()
        if any(fnmatchcase(action, pattern) for pattern in actions)
    )


def _exists(action: str) -> bool:
    return schemas.is_action(action.lower())


class _Resource:
    """A resource, and what is known of it before its handler runs."""

    def __init__(
        self,
        kind: str,
        operation: str,
        properties: Mapping[str, Any],
        previous: Mapping[str, Any],
        name: str,
        place: tuple[str, str],
        tags: Mapping[str, str],
    ) -> None:
        self.kind = kind
        self.operation = operation
        self.properties = properties
        self.previous = previous
        self.name = name
        self.account, self.region = place
        taggable = schemas.is_taggable(kind)
        self.tags = {**tags, **_own_tags(properties)} if taggable else {}
        self._targets: dict[frozenset[str], Any] = {}
        self._worlds: dict[tuple[str, bool, bool, str], list[Keys]] = {}

    def calls(self, action: str) -> Iterator[Call]:
        """The calls of an action: one for each resource that it is made for."""
        service, verb = _named_action(action)
        if self.kind == _CUSTOM:
            # The function or the topic behind it is called.
            token = str(self.properties.get("ServiceToken", ""))
            if token.split(":")[2:3] == [service]:
                yield action, (token,), [self._region(service)]
            return
        if self._is_unused(action):
            return
        if action.lower() == "iam:passrole":
            yield from self._passed(action)
            return
        if service == "kms" and not self.kind.startswith("AWS::KMS::"):
            yield from self._keys_used(action)
            return
        if verb == "CreateServiceLinkedRole":
            own = _SERVICE_LINKED.format(scope.partition(self.region), self.account)
            yield action, (own,), self._service_linked()
            return
        kinds = _kinds(action)
        if not kinds:
            yield action, ("*",), self._keys(service, verb, own=False)
            return
        if kinds not in self._targets:
            self._targets[kinds] = self._targets_of(service, kinds)
        own, targets = self._targets[kinds]
        for arns in targets:
            yield action, arns, self._keys(service, verb, own)

    def _is_unused(self, action: str) -> bool:
        """Whether an action is for a property that the resource does not have."""
        if action == "iam:DeleteRolePermissionsBoundary":
            return _BOUNDARY not in self.previous or _BOUNDARY in self.properties
        if action == "iam:PutRolePermissionsBoundary":
            now = self.properties.get(_BOUNDARY)
            return now is None or now == self.previous.get(_BOUNDARY)
        patterns = _only_for(self.kind, action)
        return bool(patterns) and not any(map(self._has, patterns))

    def _has(self, pattern: str) -> bool:
        """Whether a property or a value matches a pattern."""
        return any(fnmatchcase(text, pattern) for text in _texts(self.properties))

    def _targets_of(
        self, service: str, kinds: frozenset[str]
    ) -> tuple[bool, list[tuple[str, ...]]]:
        """Whether an action on these kinds of resources is about the resource itself, and
        the resources that it is about: for each the ARNs that it may have."""
        own = own_kinds(self.kind)
        mine = sorted(kind for kind in kinds if f"{service}:{kind}" in own)
        if mine:
            arns = [a for kind in mine for a in self._arns(service, kind, self._own())]
            return True, [tuple(dict.fromkeys(arns))]
        if service == "s3" and "object" in kinds:
            # The code of a function, or the body of an API.
            buckets = sorted(
                _at(self.properties, "S3Bucket") | _at(self.properties, "Bucket")
            )
            return False, [(f"arn:aws:s3:::{bucket}/*",) for bucket in buckets]
        named: list[tuple[str, ...]] = []
        for kind in sorted(kinds):
            for value in self._named(service, kind):
                named.append(tuple(self._arns(service, kind, value)))
        if named:
            return False, named
        if any(_property_of(self.kind, service, kind) for kind in kinds):
            return False, []  # no resource is given that the action could be about
        unknown = [a for kind in sorted(kinds) for a in self._arns(service, kind, "*")]
        return False, [tuple(unknown) or ("*",)]

    def _own(self) -> str:
        """The name of the resource itself; `*` where only AWS knows it."""
        key, kind = NAMED.get(self.kind, ("", ""))
        key = key or "".join(schemas.identifier(self.kind)[:1])
        name: Any = self.name
        if self.operation == "create":
            generated = self.name if kind in GENERATED else ""
            name = self.properties.get(key) or generated
        if not isinstance(name, str) or not name:
            return "*"
        if self.kind == "AWS::S3::Bucket":
            return name.lower()
        if self.kind.startswith("AWS::IAM::") and not name.startswith("arn:"):
            return str(self.properties.get("Path", "/")).lstrip("/") + name
        return name

    def _named(self, service: str, kind: str) -> Iterator[str]:
        """The names of resources of a kind in the properties."""
        key = _property_of(self.kind, service, kind)
        given = self.properties.get(key) if key else None
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, str) and value:
                yield value

    def _arns(self, service: str, kind: str, name: str) -> Iterator[str]:
        if name.startswith("arn:"):
            yield f"{name}/*" if (service, kind) == ("s3", "object") else name
            return
        name = _bare(service, kind, name)
        end = _ENDS.get(f"{service}:{kind}")
        for form in schemas.arns(service, kind):
            arn = form.replace("${Partition}", scope.partition(self.region))
            arn = arn.replace("${Region}", self.region)
            arn = arn.replace("${Account}", self.account)
            arn = _VARIABLE.sub("*", arn)
            if end:
                start = arn.split(":", 5)[:5]
                yield ":".join([*start, end.format(name)])
            else:
                before, dot, after = arn.rpartition(".*")
                yield (before + name + after if dot else arn).replace(".*", "*")

    def _passed(self, action: str) -> Iterator[Call]:
        """One call for each role that the resource gives to its service."""
        roles = {*_under(self.properties, _NAMES_ROLE)}
        arns = {role for role in roles if _ROLE.fullmatch(role)}
        if self.kind == "AWS::IAM::InstanceProfile":
            arns |= {f"arn:aws:iam::{self.account}:role/{name}" for name in roles}
        for role in sorted(arns):
            yield action, (role,), [self._region("iam")]

    def _keys_used(self, action: str) -> Iterator[Call]:
        """One call for each key that the resource names; keys of AWS need none."""
        if not self._keys_named:
            return
        through = sorted(
            {entry.through for entry in TABLE if self.kind in entry.types} - {""}
        )
        via = [
            {"kms:viaservice": f"{service}.{self.region}.amazonaws.com"}
            for service in through
        ]
        worlds = [{**self._region("kms"), **one} for one in via or [{}]]
        if not _kinds(action):
            yield action, ("*",), worlds  # such as ListAliases: of no key
            return
        for key in self._keys_named:
            yield action, tuple(self._arns("kms", "key", key)), worlds

    @cached_property
    def _keys_named(self) -> list[str]:
        return sorted(_keys_in(self.properties))

    def _service_linked(self) -> list[Keys]:
        linked = [
            name for entry in TABLE if self.kind in entry.types for name in entry.linked
        ]
        return [
            {**self._region("iam"), "iam:awsservicename": f"{name}.amazonaws.com"}
            for name in linked
        ] or [self._region("iam")]

    def _region(self, service: str) -> Keys:
        return {
            "aws:requestedregion": ("us-east-1" if service in _GLOBAL else self.region)
        }

    def _keys(self, service: str, verb: str, own: bool) -> list[Keys]:
        """What the keys of conditions may be."""
        with_tags = verb.startswith(("AddTags", "Create", "Tag"))
        bounds = verb if self.kind == "AWS::IAM::Role" else ""
        key = (service, with_tags, own, bounds)
        if key not in self._worlds:
            self._worlds[key] = self._read_keys(service, verb, own, with_tags)
        return self._worlds[key]

    def _read_keys(
        self, service: str, verb: str, own: bool, with_tags: bool
    ) -> list[Keys]:
        creating = self.operation == "create"
        keys = self._region(service)
        keys["aws:requesttag/"] = None
        if not with_tags:
            keys["aws:tagkeys"] = None
        if own:
            keys["aws:resourcetag/"] = None
        if self.kind == "AWS::IAM::Role" and service == "iam":
            now = self.properties.get(_BOUNDARY)
            keys["iam:permissionsboundary"] = now
        tagged = dict(keys)
        for key, value in self.tags.items():
            if with_tags:
                tagged[f"aws:requesttag/{key.lower()}"] = value
            if own:
                tagged[f"aws:resourcetag/{key.lower()}"] = value
        worlds = [tagged]
        if creating and tagged != keys:
            worlds.append(keys)  # a call that comes before the resource has its tags
        before = self.previous.get(_BOUNDARY)
        if "iam:permissionsboundary" in keys and before != now and self.previous:
            if verb != "PutRolePermissionsBoundary":
                worlds += [{**one, "iam:permissionsboundary": before} for one in worlds]
        return worlds


@cache
def own_kinds(kind: str) -> frozenset[str]:
    """The kinds of resources, in IAM's words with their service, that a type is."""
    if kind in NAMED:
        named = NAMED[kind][1]
        service = named.partition(":")[0]
        same = _SAME_KIND.get(named, (named.partition(":")[2],))
        return frozenset(f"{service}:{one}".lower() for one in same)
    if kind in _KINDS:
        return frozenset({_KINDS[kind]})
    last = kind.rpartition("::")[2].lower()
    services = Counter(a.partition(":")[0].lower() for a in _listed(kind, "create"))
    return frozenset(
        f"{service}:{one}"
        for service, _ in services.most_common(1)
        for one in schemas.kinds(service)
        if re.sub("[^a-z0-9]", "", one.lower()) == last
    )


@cache
def _property_of(type_name: str, service: str, kind: str) -> str:
    """The property of a type that names resources of a kind; empty when there is none."""
    for key, referred in REFERS.get(type_name, ()):
        of_service, _, one = referred.partition(":")
        same = {k.lower() for k in _SAME_KIND.get(referred, (one,))}
        if of_service == service and kind in same:
            return key
    if service == "s3" and kind == "object":
        kind = "bucket"
    bare = re.sub("[^a-z0-9]", "", kind.lower())
    wanted = {bare + end for end in ("", "s", "id", "name", "arn", "identifier")}
    given = schemas.properties(type_name) - schemas.attributes(type_name)
    found = [p for p in given if p.lower() in wanted]
    return min(found, default="")


def _bare(service: str, kind: str, name: str) -> str:
    """The part of a name, an id or a URL that is in an ARN."""
    if service == "sqs":
        return name.rpartition("/")[2]
    if service == "ssm":
        return name.lstrip("/")
    if service == "events" and kind.startswith("rule"):
        return name.rpartition("|")[2]  # after the name of its bus
    # The id of a web ACL is its name, an id and its scope.
    return name.removeprefix("alias/") if kind == "alias" else name.split("|")[0]


def _texts(node: Any) -> Iterator[str]:
    """Every property name and text below a value."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(node, Sequence):
        for value in node:
            yield from _texts(value)


def _at(node: Any, name: str) -> set[str]:
    """The texts of all properties of a name."""
    if isinstance(node, list):
        return set().union(*(_at(value, name) for value in node))
    if not isinstance(node, Mapping):
        return set()
    given = node.get(name)
    found = {given} if isinstance(given, str) and given else set()
    return found.union(*(_at(value, name) for value in node.values()))


def _under(node: Any, names: re.Pattern[str], name: str = "") -> Iterator[str]:
    """The texts of properties whose names match, but for what users name themselves."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if not _FREE.fullmatch(str(key)):
                yield from _under(value, names, str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _under(value, names, name)
    elif isinstance(node, str) and node and names.search(name):
        yield node


def _keys_in(properties: Mapping[str, Any]) -> set[str]:
    """The customer managed keys that properties name; of an alias the key is unknown."""
    found = {*_under(properties, _NAMES_KEY)}
    own = {k for k in found if not re.match("(?i)aws:|.*alias/aws/", k)}
    return {"*" if "alias/" in key else key for key in own}


def _own_tags(properties: Mapping[str, Any]) -> dict[str, str]:
    given = properties.get("Tags")
    if isinstance(given, Mapping):
        return {str(k): str(v) for k, v in given.items()}
    pairs = given if isinstance(given, list) else []
    return {
        str(tag["Key"]): str(tag.get("Value", ""))
        for tag in pairs
        if isinstance(tag, Mapping) and "Key" in tag
    }
