"""Check the calls that are made as a role, and keep what was refused.

Who acts is a context variable: it goes with the tasks and threads of an operation. What
nobody acts in, such as a stack that is created by the account itself, is not checked.
"""

from __future__ import annotations

import contextvars
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from tapgen.emulator.permissions import resource_policies
from tapgen.emulator.permissions.decisions import MAYBE, YES, Roles, decide

logger = logging.getLogger("tapgen.permissions")

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.ec2": {"_tags": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

OFF, WARN, ON = "off", "warn", "on"
MODES = (OFF, WARN, ON)
"""Policies are not read; what they refuse is listed, and done; it is refused."""

Keys = Mapping[str, str | None]
Wanted = Callable[[str], bool]
"""Whether calls of an action are asked for."""
Call = tuple[str, tuple[str, ...], Sequence[Keys]]
"""An action; the ARNs of which it is about one, with `*` for what is not known; and what
the keys of conditions may be (see `decisions.decide`)."""

# How error messages of the AWS SDK for Java name services, where it is not the prefix of
# their actions, capitalized.
_SERVICES = {
    "apigateway": "ApiGateway",
    "application-autoscaling": "ApplicationAutoScaling",
    "autoscaling": "AutoScaling",
    "cloudformation": "CloudFormation",
    "cloudtrail": "CloudTrail",
    "cloudwatch": "CloudWatch",
    "dynamodb": "DynamoDb",
    "elasticloadbalancing": "ElasticLoadBalancingV2",
    "events": "EventBridge",
    "globalaccelerator": "GlobalAccelerator",
    "logs": "CloudWatchLogs",
    "route53": "Route53",
    "secretsmanager": "SecretsManager",
    "states": "Sfn",
}
# Services whose protocol is JSON: a call without permission is an error of the client.
_JSON = frozenset(
    "acm application-autoscaling cloudtrail config dynamodb events kms logs "
    "secretsmanager ssm states wafv2".split()
)


@dataclass(frozen=True)
class Actor:
    """A session of a role; `via` is the service that calls for it, empty if it calls
    itself."""

    account: str
    role: str
    session: str = field(default_factory=lambda: str(uuid.uuid4()), compare=False)
    via: str = "cloudformation.amazonaws.com"

    @property
    def arn(self) -> str:
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role}/{self.session}"


@dataclass(frozen=True)
class Finding:
    """A call that policies refuse, or on which they could not be judged."""

    account: str
    role: str
    action: str
    resource: str


_actor: contextvars.ContextVar[Actor | None] = contextvars.ContextVar(
    "tapgen_actor", default=None
)


def acting_as(account: str, role: str) -> AbstractContextManager[None]:
    """Let CloudFormation make calls as a role; as nobody, if `role` is empty."""
    return acting(Actor(account, role) if role else None)


@contextmanager
def acting(actor: Actor | None) -> Iterator[None]:
    """Make calls as an actor; as nobody, if there is none."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


class Enforcement:
    """Checks calls by the policies of who makes them; `mode` is one of `MODES`."""

    def __init__(self) -> None:
        self.mode = self.initial = OFF
        self.roles = Roles()
        self.refused: Counter[Finding] = Counter()
        self.undecided: Counter[Finding] = Counter()

    @property
    def checks(self) -> bool:
        """Whether policies are read at all."""
        return self.mode != OFF

    @property
    def actor(self) -> Actor | None:
        """Whose calls are checked now; None where none are."""
        return None if self.mode == OFF else _actor.get()

    def refusal(
        self,
        calls: Iterable[Call] | Callable[[Wanted], Iterable[Call]],
        place: tuple[str, str] = ("", ""),
    ) -> tuple[str, str] | None:
        """Return the action and the words with which AWS refuses the first of the calls
        that the actor may not make; None when it may make all, or nobody is checked.

        A function that gives the calls takes what says of an action whether it matters
        what it is about: whether the actor may not simply do it. `place` is account and
        region, for calls outside of ministack's own requests.
        """
        actor = self.actor
        if actor is None:
            return None
        policies = self.roles.policies(actor.account, actor.role)

        def matters(action: str) -> bool:
            about = policies.about(action)
            # The policy of a key must allow, whatever the role's own policies say.
            return not about.always or about.service in resource_policies.SERVICES

        common = None
        for action, arns, worlds in calls(matters) if callable(calls) else calls:
            policy = resource_policies.of(action, arns[0], place)
            if policy is None and policies.about(action).always:
                continue
            if action == "iam:PassRole":
                worlds = self._passing(arns[0], worlds)
            common = common or _given(actor)
            keys = {**common, **_tags_of(arns[0])}
            verdict = decide(policies, action, arns, worlds, keys)
            if policy is not None:
                known = {**keys, **(worlds[0] if len(worlds) == 1 else {})}
                verdict = resource_policies.combined(
                    verdict, policy, action, arns[0], actor.arn, known
                )
            if verdict.value == YES:
                continue
            found = Finding(actor.account, actor.role, action, arns[0])
            if verdict.value == MAYBE:
                self._note(self.undecided, found, "undecided, allowed")
                continue
            self._note(self.refused, found, "refused" if self.mode == ON else "allowed")
            if self.mode == ON:
                # SNS writes its name in capitals (mludvig/aws-ethereum-miner#37).
                shown = action.replace("sns:", "SNS:")
                return action, (
                    f"User: {actor.arn} is not authorized to perform: {shown} on "
                    f"resource: {_shown(action, arns[0])} "
                    + verdict.why.replace(action, shown)
                )
        return None

    def _passing(self, role: str, worlds: Sequence[Keys]) -> list[Keys]:
        """What the keys are when a role is passed: it trusts the service that gets it."""
        services = self.roles.trusted(role)
        return [
            {**keys, "iam:passedtoservice": service}
            for keys in worlds
            for service in services
        ] or [*worlds]

    def _note(self, counted: Counter[Finding], found: Finding, how: str) -> None:
        counted[found] += 1
        if counted[found] == 1:
            who = f"{found.account} {found.role}"
            logger.warning("%s: %s %s %s", how, who, found.action, found.resource)

    def start(self, mode: str) -> None:
        """Enforce in a mode, and go back to it with each reset."""
        self.mode = self.initial = mode

    def reset(self) -> None:
        """Forget what was found."""
        self.mode = self.initial
        self.refused.clear()
        self.undecided.clear()


ENFORCEMENT = Enforcement()
"""That of this process."""


def _tags_of(arn: str) -> dict[str, str | None]:
    """The keys of the tags of a resource of Amazon EC2 that exists."""
    parts = arn.split(":", 5)
    if "*" in arn or parts[2:3] != ["ec2"]:
        return {}
    tags = import_module("ministack.services.ec2")._tags.get(arn.rpartition("/")[2])
    if tags is None:
        return {}
    found: dict[str, str | None] = {"aws:resourcetag/": None}
    for tag in tags:
        found[f"aws:resourcetag/{tag['Key'].lower()}"] = tag["Value"]
    return found


def handler_words(kind: str, action: str, words: str) -> str:
    """The reason in a stack event of a type whose handler may not call an action.

    A role is passed in a call of the service that gets it. Reports: see
    `tests/emulated/test_permissions.py`.
    """
    service = action.partition(":")[0]
    if action == "iam:PassRole":
        service = kind.split("::")[1].lower()
    named = _SERVICES.get(service, service.capitalize())
    return (
        f'Resource handler returned message: "{words} (Service: {named}, Status Code: '
        f"{400 if service in _JSON else 403}, Request ID: {uuid.uuid4()}) (SDK Attempt "
        f'Count: 1)" (RequestToken: {uuid.uuid4()}, HandlerErrorCode: AccessDenied)'
    )


def _given(actor: Actor) -> dict[str, str | None]:
    """The keys of every call of an actor.

    IAM user guide, "AWS global condition context keys": those of the source are there
    only for calls that a service makes by itself.
    """
    return {
        "aws:calledviafirst": actor.via or None,
        "aws:calledvialast": actor.via or None,
        "aws:principalaccount": actor.account,
        "aws:principalarn": f"arn:aws:iam::{actor.account}:role/{actor.role}",
        "aws:principaltype": "AssumedRole",
        "aws:securetransport": "true",
        "aws:sourceaccount": None,
        "aws:sourcearn": None,
        "aws:viaawsservice": "true" if actor.via else "false",
    }


def _shown(action: str, arn: str) -> str:
    """A resource as messages name it: IAM writes `role NAME` for one that exists.

    Reports: https://github.com/aws/aws-cdk/issues/27067 (GetRole) and
    https://github.com/aws/serverless-application-model/issues/448 (CreateRole).
    """
    service, _, verb = action.partition(":")
    kind, slash, name = arn.split(":", 5)[-1].partition("/")
    if service != "iam" or not slash or verb.startswith(("Create", "PassRole")):
        return arn
    return f"{kind} {arn if kind == 'policy' else name.rpartition('/')[2]}"


def listed(counted: Mapping[Finding, int]) -> Sequence[Mapping[str, Any]]:
    """Findings with how often they were made, as data."""
    return [
        {
            "account": found.account,
            "role": found.role,
            "action": found.action,
            "resource": found.resource,
            "calls": times,
        }
        for found, times in sorted(counted.items(), key=lambda i: str(i[0]))
    ]
