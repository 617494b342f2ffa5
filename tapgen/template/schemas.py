"""CloudFormation's registry schemas: the properties and permissions of resource types.

They come from the data files bundled with cfn-lint (`cfnlint/data/schemas`), where
`providers/<region>.json` maps the types of a region to content-addressed files in
`resources/`. The files are read directly: importing cfn-lint itself takes about half a
second, and its own loader may prefer a downloaded cache, which would make results
depend on the machine.

Property and attribute names are paths below `Properties` joined with `/`
(`VersioningConfiguration/Status`), attributes as `Fn::GetAtt` takes them
(`Endpoint.Address`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tapgen.knowledge.attributes import ORDERED, UNORDERED
from tapgen.knowledge.permissions import ON_EVERYTHING, WITHOUT_HANDLERS
from tapgen.template import permission_index

STATEFUL: frozenset[str] = frozenset(
    {
        # They hold data, or an identity (key, address, name) that others store and that
        # is lost when the resource is replaced.
        "AWS::Backup::BackupVault",
        "AWS::Backup::LogicallyAirGappedBackupVault",
        "AWS::Cognito::UserPool",
        "AWS::DocDB::DBCluster",
        "AWS::DocDB::DBInstance",
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::EC2::EIP",
        "AWS::EC2::Volume",
        "AWS::EFS::FileSystem",
        "AWS::EMR::Cluster",
        "AWS::ElastiCache::CacheCluster",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::Elasticsearch::Domain",
        "AWS::FSx::FileSystem",
        "AWS::GlobalAccelerator::Accelerator",
        "AWS::KMS::Key",
        "AWS::KMS::ReplicaKey",
        "AWS::Kinesis::Stream",
        "AWS::Logs::LogGroup",
        "AWS::Neptune::DBCluster",
        "AWS::Neptune::DBInstance",
        "AWS::OpenSearchService::Domain",
        "AWS::QLDB::Ledger",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::RDS::GlobalCluster",
        "AWS::Redshift::Cluster",
        "AWS::Route53::HostedZone",
        "AWS::S3::Bucket",
        "AWS::SDB::Domain",
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
    }
)
"""Types whose replacement or deletion loses data, or an identity in use elsewhere."""


# Names of write-only properties that hold a secret, not the place of one.
_SECRET = re.compile(
    r"Token|Credential|(?!Validate|Generate).*(?:Credentials|Passwords?|SecretString|"
    r"ClientSecret|SharedSecret|PrivateKey|SecretKey|AccessKey|ApiKey|ApiKeyValue|"
    r"AccessToken|AuthToken|OauthToken|SecretToken)"
)


@cache
def _data() -> Path:
    """Return the folder of cfn-lint's data files."""
    spec = find_spec("cfnlint")
    assert spec is not None and spec.origin is not None, "cfn-lint is a dependency"
    return Path(spec.origin).parent / "data"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def regions() -> frozenset[str]:
    """Return every region with schemas, of all partitions."""
    files = (_data() / "schemas" / "providers").glob("*.json")
    # sam.json lists the types of the Serverless transform.
    return frozenset(file.stem for file in files) - {"sam"}


@cache
def _hashes(region: str) -> Mapping[str, str]:
    if region not in regions():
        return {}
    hashes: Mapping[str, str] = _read(
        _data() / "schemas" / "providers" / f"{region}.json"
    )
    return hashes


def same_everywhere(type_name: str, regions: Iterable[str]) -> bool:
    """Whether a type has the same schema in each of these regions."""
    kind = _generic(type_name)
    found = {_hashes(region).get(kind) for region in regions}
    return len(found) == 1 and None not in found


@cache
def types(region: str) -> frozenset[str]:
    """Return the resource types of a region; none for an unknown region."""
    return frozenset(_hashes(region))


@cache
def _resource(content: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = _read(
        _data() / "schemas" / "resources" / f"{content}.json"
    )
    return schema


def schema(type_name: str, region: str = "us-east-1") -> Mapping[str, Any] | None:
    """Return the registry schema of a type in a region, None where it has no such type.

    A `Custom::` type has the schema of `AWS::CloudFormation::CustomResource`. The
    result is shared: do not change it.
    """
    content = _hashes(region).get(_generic(type_name))
    return None if content is None else _resource(content)


def _generic(type_name: str) -> str:
    if type_name.startswith("Custom::"):
        return "AWS::CloudFormation::CustomResource"
    return type_name


def _anywhere(type_name: str) -> Mapping[str, Any]:
    """Return a type's schema, from us-east-1 or else the first region that has it."""
    for region in ("us-east-1", *sorted(regions())):
        found = schema(type_name, region)
        if found is not None:
            return found
    return {}


def _pointers(type_name: str, key: str) -> Iterable[str]:
    for pointer in _anywhere(type_name).get(key, ()):
        yield pointer.removeprefix("/properties/")


def is_ordered(type_name: str, path: Sequence[str]) -> bool:
    """Whether the order of a list counts: unless the schema has `insertionOrder` false,
    or `knowledge.attributes` knows better. `path` is without indexes."""
    name = "/".join(path)
    if name in UNORDERED.get(type_name, {}) or name in ORDERED.get(type_name, {}):
        return name in ORDERED.get(type_name, {})
    root = _anywhere(_generic(type_name))
    if not root:
        return True
    found = [root]
    for name in path:
        found = [inner for one in found for inner in _inside(one, name, root)]
    every = (one for node in found for one in _described(node, root))
    return all(node.get("insertionOrder") is not False for node in every)


def _inside(
    node: Mapping[str, Any], name: str, root: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Yield what a schema says about a property, of the items of a list too."""
    for one in _described(node, root):
        inner = one.get("properties", {}).get(name)
        if isinstance(inner, Mapping):
            yield inner
        if isinstance(one.get("items"), Mapping):
            yield from _inside(one["items"], name, root)


def typed(type_name: str, properties: Any) -> Any:
    """Return properties with numbers and booleans where the schema takes nothing else.

    Parameters are text in a template. CloudFormation converts them, by the same schema.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    root = _anywhere(_generic(type_name))
    return _typed(properties, [root], root) if root else properties


def _typed(value: Any, nodes: Sequence[Mapping[str, Any]], root: Any) -> Any:
    every = [one for node in nodes for one in _described(node, root)]
    if isinstance(value, Mapping):
        found = {
            k: [inner for node in nodes for inner in _inside(node, k, root)]
            for k in value
        }
        return {k: _typed(v, found[k], root) for k, v in value.items()}
    if isinstance(value, list):
        items = [o["items"] for o in every if isinstance(o.get("items"), Mapping)]
        return [_typed(one, items, root) for one in value]
    if not isinstance(value, str):
        return value
    given = (o["type"] for o in every if "type" in o)
    kinds = {k for kind in given for k in ([kind] if isinstance(kind, str) else kind)}
    if kinds == {"boolean"} and value in ("true", "false"):
        return value == "true"
    if kinds and kinds <= {"integer", "number"} and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value


_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def _described(
    node: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0
) -> Iterator[Mapping[str, Any]]:
    """Yield a part of a schema, with what it refers to and its alternatives."""
    yield node
    reference = node.get("$ref")
    if depth > 9:
        return
    if isinstance(reference, str):
        target = root.get("definitions", {}).get(reference.rpartition("/")[2], {})
        yield from _described(target, root, depth + 1)
    for key in ("oneOf", "anyOf", "allOf"):
        for one in node.get(key, ()):
            yield from _described(one, root, depth + 1)


@cache
def attributes(type_name: str) -> frozenset[str]:
    """Return the attributes of a type (`readOnlyProperties`), as in `Fn::GetAtt`."""
    found = _pointers(type_name, "readOnlyProperties")
    return frozenset(p.replace("/", ".") for p in found if "*" not in p)


@cache
def properties(type_name: str) -> frozenset[str]:
    """Return the top-level properties of a type, read-only ones included."""
    return frozenset(_anywhere(_generic(type_name)).get("properties", ()))


@cache
def create_only(type_name: str) -> frozenset[str]:
    """Return properties whose change replaces the resource (`createOnlyProperties`)."""
    return frozenset(_pointers(type_name, "createOnlyProperties"))


@cache
def name_limits(type_name: str) -> Mapping[str, tuple[int | None, str | None]]:
    """Return the names that a resource of a type gives itself, each with the greatest
    length and the pattern that the schema has for it.

    Names are the properties that identify the resource, and those called so.
    """
    schema = _anywhere(type_name)
    aliases = schema.get("additionalIdentifiers", ())
    known = {
        p for group in (schema.get("primaryIdentifier", ()), *aliases) for p in group
    }
    read_only = set(schema.get("readOnlyProperties", ()))
    found = {}
    for name, about in schema.get("properties", {}).items():
        pointer = f"/properties/{name}"
        own = pointer in known or name in ("Name", f"{type_name.split('::')[-1]}Name")
        if own and pointer not in read_only and about.get("type") == "string":
            found[name] = (about.get("maxLength"), about.get("pattern"))
    return found


@cache
def conditional_create_only(type_name: str) -> frozenset[str]:
    """Return properties whose change may replace it (`conditionalCreateOnlyProperties`)."""
    return frozenset(_pointers(type_name, "conditionalCreateOnlyProperties"))


@cache
def _write_only(type_name: str) -> frozenset[tuple[str, ...]]:
    """Return properties that AWS never returns (`writeOnlyProperties`), without indexes."""
    return frozenset(
        tuple(part for part in pointer.split("/") if part != "*")
        for pointer in _pointers(type_name, "writeOnlyProperties")
    )


def is_secret(type_name: str, path: Sequence[str]) -> bool:
    """Whether a property is a secret or part of one: it or its parent is write-only and
    has the name of a secret. `path` is without indexes."""
    steps = tuple(path)
    return any(
        _SECRET.fullmatch(step) is not None
        and any(
            steps[: len(w)] == w for w in _write_only(type_name) if len(w) <= number
        )
        for number, step in enumerate(steps, 1)
    )


@cache
def identifier(type_name: str) -> tuple[str, ...]:
    """Return the properties that identify a resource of a type (`primaryIdentifier`)."""
    return tuple(_pointers(type_name, "primaryIdentifier"))


def default(type_name: str, name: str) -> Any:
    """Return the default of a top-level property; None where the schema has none."""
    return _anywhere(type_name).get("properties", {}).get(name, {}).get("default")


def leaves(type_name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each property that has no properties of its own, with what its schema says:
    those that can be set, not more than `_DEEPEST` steps deep, with `*` for items."""
    found = _anywhere(type_name)
    read_only = {*_pointers(type_name, "readOnlyProperties")}
    queue: list[tuple[str, Any]] = [*found.get("properties", {}).items()]
    while queue:
        path, about = queue.pop()
        if "$ref" in about:
            about = found.get("definitions", {}).get(about["$ref"].split("/")[-1], {})
        below = [
            (f"{path}/{name}", a) for name, a in about.get("properties", {}).items()
        ]
        if isinstance(about.get("items"), Mapping):
            below.append((f"{path}/*", about["items"]))
        if path not in read_only and path.count("/") < _DEEPEST:
            queue += below
            if not below:
                yield path, about


_DEEPEST = 7  # steps; schemas of dashboards go on for ever


@cache
def objects(type_name: str) -> frozenset[str]:
    """Return the properties that take any object."""
    return frozenset(
        path for path, about in leaves(type_name) if "object" in about.get("type", ())
    )


def is_stateful(type_name: str) -> bool:
    """Whether a type holds data or an identity; see `STATEFUL`."""
    return type_name in STATEFUL


@cache
def _services() -> Mapping[str, Any]:
    """Return service → its IAM actions in cfn-lint's data."""
    services: Mapping[str, Any] = json.loads(_policies())
    return services


def _policies() -> bytes:
    return (_data() / "AdditionalSpecs" / "Policies.json").read_bytes()


@cache
def _actions(service: str) -> Mapping[str, frozenset[str]]:
    """Return action of a service → kinds of resources, all in lower case."""
    known = _services().get(service, {"Actions": {}})["Actions"]
    return {a: frozenset(about.get("Resources", ())) for a, about in known.items()}


def index_digest() -> str:
    """Return what `permission_index` depends on: a digest of cfn-lint's data."""
    providers = _data() / "schemas" / "providers" / "us-east-1.json"
    return hashlib.sha256(providers.read_bytes() + _policies()).hexdigest()


@cache
def _has_index() -> bool:
    """Whether `permission_index` was made of the installed cfn-lint's data."""
    return permission_index.DIGEST == index_digest()


@cache
def _indexed_kinds() -> Mapping[str, str]:
    if not _has_index():
        return {}
    found = permission_index.KINDS.items()
    return {action: kinds for kinds, actions in found for action in actions.split()}


@cache
def _kinds(action: str) -> frozenset[str] | None:
    """Return the kinds of resources of an action in lower case; None where unknown."""
    found = _indexed_kinds().get(action)
    if found is not None:
        return frozenset(filter(None, found.split(",")))
    return read_kinds(action)


@cache
def is_action(action: str) -> bool:
    """Whether an IAM action exists; with a wildcard, whether it matches any.

    IAM ignores case. A whole service (`s3:*`) is not an action.
    """
    service, _, name = action.lower().partition(":")
    if not name or name == "*":
        return False
    if "*" in name or "?" in name:
        return any(fnmatchcase(candidate, name) for candidate in _actions(service))
    return _kinds(action.lower()) is not None


def limited_by(action: str) -> frozenset[str]:
    """Return the kinds of resources an action can be limited to, in IAM's words.

    `s3:CreateBucket` gives `bucket`. None for an action that IAM only allows on `*`,
    for one with a wildcard, and for an unknown one.
    """
    return _kinds(action.lower()) or frozenset()


def kinds(service: str) -> frozenset[str]:
    """Return the kinds of resources of a service, in IAM's words, in lower case."""
    return frozenset(_services().get(service, {}).get("Resources", ()))


def arns(service: str, kind: str) -> tuple[str, ...]:
    """Return the forms of the ARNs of a kind of resource, with the variables Partition,
    Region and Account, and `.*` for each other part that varies."""
    known = _services().get(service, {}).get("Resources", {})
    about = known.get(kind.lower(), {})
    return tuple(about.get("ARNFormats", ()))


def handlers(type_name: str) -> Mapping[str, Any]:
    """Return operation → what the schema of a type says of its handler."""
    found: Mapping[str, Any] = _anywhere(_generic(type_name)).get("handlers", {})
    return found


@cache
def is_taggable(type_name: str) -> bool:
    """Whether resources of a type have tags, and so those of their stack."""
    about = _anywhere(type_name)
    has = "Tags" in about.get("properties", {})
    return bool(about.get("tagging", {}).get("taggable", has))


def permissions(types: Iterable[str]) -> frozenset[str]:
    """Return the IAM actions that CloudFormation needs to manage such resources.

    These are the permissions of all handlers and of tagging in the schemas, without
    unknown actions and without whole services. Actions that differ only in case appear
    once.
    """
    found: dict[str, str] = {}
    for type_name in types:
        for action in _permissions(_generic(type_name)):
            key = action.lower()
            # Capitals sort first: Iam:PassRole's service was lowered, so what is left
            # to choose between is DescribeDBClusters and DescribeDbClusters.
            found[key] = min(action, found.get(key, action))
    return frozenset(found.values())


@cache
def _permissions(type_name: str) -> frozenset[str]:
    if type_name in permission_index.TYPES and _has_index():
        return frozenset(permission_index.TYPES[type_name].split())
    return read_permissions(type_name)


def read_permissions(type_name: str) -> frozenset[str]:
    """Return the actions of one type, from its schema and not from the index."""
    found = _anywhere(type_name)
    listed = {*found.get("tagging", {}).get("permissions", ())}
    for handler in found.get("handlers", {}).values():
        listed |= {*handler.get("permissions", ())}
    listed |= WITHOUT_HANDLERS.get(type_name, frozenset())
    split = (action.partition(":") for action in listed)
    lowered = {f"{service.lower()}:{name}" for service, _, name in split}
    return frozenset(filter(is_action, lowered))


def indexed_reads(type_name: str) -> frozenset[str] | None:
    """Return the actions that find out whether a name of a type is taken, from the index;
    none for a type without names, None where the index does not have the type."""
    if type_name in permission_index.TYPES and _has_index():
        return frozenset(permission_index.READS.get(type_name, "").split())
    return None


def read_actions(type_name: str) -> frozenset[str]:
    """Return the actions of the read handler of a type, from its schema."""
    handler = _anywhere(type_name).get("handlers", {}).get("read", {})
    listed = {a.lower() for a in handler.get("permissions", ())}
    return frozenset(a for a in read_permissions(type_name) if a.lower() in listed)


def read_kinds(action: str) -> frozenset[str] | None:
    """Return the kinds of resources of an action, from the data and not the index."""
    if action in ON_EVERYTHING:
        return frozenset()
    service, _, name = action.partition(":")
    return _actions(service).get(name)


def without_permissions(types: Iterable[str]) -> frozenset[str]:
    """Return those of the types whose schemas list no actions."""
    return frozenset(
        t
        for t in types
        if not _permissions(_generic(t)) and _generic(t) not in WITHOUT_HANDLERS
    )
