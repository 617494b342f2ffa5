"""The rollout engine in AWS: deploy it, say what is deployed, take it away again.

It is one stack in the administration account and region, for all systems that are
administered there and that were admitted: `deploy` adds a system, `remove` takes it off,
and with the last one the stack. What runs in its function is given by the caller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tapgen.accounts import roles
from tapgen.aws import executions, stacks
from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.session import Aws
from tapgen.blueprints import engine as blueprint
from tapgen.errors import RolloutError
from tapgen.frozen import dataclass
from tapgen.model import System, Target

STACK = blueprint.STACK
_CAPABILITIES = ("CAPABILITY_NAMED_IAM",)
_TAGS = {"ManagedBy": "tapgen"}


@dataclass(frozen=True)
class Package:
    """What runs in the function: a zip, and the newest format of journals that it reads."""

    body: bytes
    format: int

    @property
    def key(self) -> str:
        """Its key in the artifact bucket: the same code has the same key."""
        return f"artifacts/{hashlib.sha256(self.body).hexdigest()}.zip"


@dataclass(frozen=True)
class Engine:
    """The engine as it is deployed.

    `state_machine` and `topic` are ARNs, `function` is a name, `code` the key of its
    code, `format` the newest format of journals that it reads, `systems` the prefixes of
    those it may run. `approve_url` is the page in the console where a gate is approved,
    `approvers` the ARN of the policy of people who may, and `notify` an e-mail address,
    empty for none.
    """

    state_machine: str
    function: str
    topic: str
    code: str
    format: int
    systems: frozenset[str]
    approve_url: str
    approvers: str
    notify: str = ""


def deployed(aws: Aws, admin: Target) -> Engine | None:
    """Return the engine of an administration account and region; None where there is none,
    or its stack was never complete. Raises AwsError where nobody answers."""
    found = stacks.described(aws, admin, STACK)
    if found is None or "StateMachineArn" not in found.outputs:
        return None
    has = found.outputs
    return Engine(
        has["StateMachineArn"],
        has["FunctionName"],
        has["TopicArn"],
        has["Code"],
        int(has["Format"]),
        frozenset(filter(None, has["Systems"].split(","))),
        has["ApproveUrl"],
        has["ApproversPolicyArn"],
        found.plain.get("AlertEmail", ""),
    )


@dataclass(frozen=True)
class Wanted:
    """The stack as it is to be: its template and parameters, and what that changes, a line
    for each resource and value; none where it is so already."""

    template: str
    parameters: Mapping[str, str]
    changes: tuple[str, ...]


def wanted(
    aws: Aws, system: System, package: Package, notify: str | None = None
) -> Wanted:
    """Return what `deploy` would make of a resolved system's engine.

    `notify` is the address that gets its messages, None for the one that there is.
    Raises AwsError, RolloutError where the operator roles would not let the engine in, and
    BlueprintError for more systems than a role can serve.
    """
    _require_caller(system)
    there = deployed(aws, system.admin)
    systems = (there.systems if there else frozenset()) | {system.prefix}
    address = (there.notify if there else "") if notify is None else notify
    parameters = {
        "AlertEmail": address,
        "CodeKey": package.key,
        "JournalFormat": str(package.format),
    }
    return _wanted(aws, system.admin, frozenset(systems), parameters)


def _require_caller(system: System) -> None:
    """Raise RolloutError where only named roles may assume the operator roles of other
    accounts, and that of the engine is none of them."""
    own = f"role/{blueprint.function_role(system.admin.region)}"
    others = {t.account for s in system.stack_sets for t in s.targets}
    named = any(fnmatchcase(own, caller) for caller in system.callers)
    if others - {system.admin.account} and system.callers and not named:
        raise RolloutError(
            f"{system.prefix}: the operator roles trust {', '.join(sorted(system.callers))} "
            f"only; add {own} to admin.callers, so that the engine can read outputs in "
            "other accounts"
        )


def _wanted(
    aws: Aws, admin: Target, systems: frozenset[str], parameters: Mapping[str, str]
) -> Wanted:
    text = roles.compact(blueprint.template(systems))
    before = stacks.template(aws, admin, STACK)
    described = stacks.described(aws, admin, STACK) if before else None
    values = described.plain if described else {}
    was, now = _created(before, values), _created(text, parameters)
    lines = [*_resources(was, now), *_values(values, parameters)]
    return Wanted(text, parameters, tuple(lines))


_Resources = Mapping[str, Mapping[str, Any]]


def _created(text: str | None, values: Mapping[str, str]) -> _Resources:
    """The resources of the template, without those for an address where there is none."""
    found: _Resources = json.loads(text or "{}").get("Resources", {})
    address = values.get("AlertEmail")
    return {n: r for n, r in found.items() if address or "Condition" not in r}


def _resources(was: _Resources, now: _Resources) -> Iterator[str]:
    for name in sorted({*was, *now}):
        old, new = was.get(name), now.get(name)
        if old == new:
            continue
        verb = "create" if old is None else "delete" if new is None else "change"
        yield f"{verb} {name} ({(new or old or {})['Type']})"


def _values(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name, value in sorted(now.items()):
        if was.get(name, "") != value:
            before = f"{was[name]} → " if was.get(name) else ""
            yield f"{name}: {before}{value or 'none'}"


def deploy(aws: Aws, admin: Target, package: Package, wanted: Wanted) -> bool:
    """Upload the code where it is missing, and make the stack as wanted; return whether it
    has changed. A run that is open goes on with the new code at its next turn.

    Raises AwsError, with the first failed resource when the stack cannot be deployed.
    """
    bucket = ArtifactBucket(aws, admin)
    if not bucket.has(package.key):
        bucket.put(package.key, package.body, kind="application/zip")
    return _deploy(aws, admin, wanted)


def _deploy(aws: Aws, admin: Target, wanted: Wanted) -> bool:
    return stacks.deploy(
        aws,
        admin,
        STACK,
        wanted.template,
        parameters=wanted.parameters,
        capabilities=_CAPABILITIES,
        tags=_TAGS,
        there=stacks.template(aws, admin, STACK),
    )


def removed(aws: Aws, system: System) -> list[str]:
    """Return what `remove` would change, a line for each resource."""
    there = deployed(aws, system.admin)
    if there is None or system.prefix not in there.systems:
        return []
    left = there.systems - {system.prefix}
    if left:
        return [*_without(aws, system.admin, left).changes]
    before = stacks.template(aws, system.admin, STACK)
    return [*_resources(_created(before, {"AlertEmail": there.notify}), {})]


def remove(
    aws: Aws,
    system: System,
    open_run: str | None,
    on_event: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Take a resolved system off the engine, and with the last one delete the stack;
    return the changed stacks. The code stays in the artifact bucket.

    `open_run` is the open run of the system that the engine has. Executions of other runs
    have nothing to do any more, and are stopped. Raises RolloutError where there is such a
    run, AwsError when the stack cannot be changed or deleted.
    """
    admin, prefix = system.admin, system.prefix
    there = deployed(aws, admin)
    if there is None:
        if not stacks.exists(aws, admin, STACK):
            return []
        stacks.remove(aws, admin, STACK)  # what a creation that failed has left
        return [STACK]
    if prefix not in there.systems:
        return []
    if open_run:
        raise RolloutError(_holds(system, open_run))
    for one in executions.running(aws, admin, there.state_machine):
        if one.given.get("system") == prefix:
            executions.stop(aws, admin, one, "the system was taken off the engine")
    left = there.systems - {prefix}
    if left:
        on_event(f"the engine stays for {', '.join(sorted(left))}")
        return [STACK] if _deploy(aws, admin, _without(aws, admin, left)) else []
    stacks.remove(aws, admin, STACK)
    return [STACK]


def _without(aws: Aws, admin: Target, left: frozenset[str]) -> Wanted:
    found = stacks.described(aws, admin, STACK)
    return _wanted(aws, admin, left, dict(found.plain) if found else {})


def _holds(system: System, run: str) -> str:
    name, environment = system.name, system.environment
    line = f"{name} -e {environment}" if environment else name
    return (
        f"{system.prefix}: the engine has run {run}; wait until it has ended (tapgen watch "
        f"{line}), or go on with it here (tapgen resume {line} --engine local), then remove "
        "the engine again"
    )


def differs(there: Engine, package: Package) -> str:
    """Say how the deployed code differs from the given one; nothing where it does not."""
    if there.format != package.format:
        return (
            f"it reads journals up to format {there.format}, this tapgen writes format "
            f"{package.format}"
        )
    return "" if there.code == package.key else "its code is of another tapgen"
