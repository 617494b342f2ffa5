"""What stands in the way of a rollout, hop by hop: who calls, the clock, each target's
region and role, the roles and buckets of bootstrap. Reads only.

Each hop is a check of its own, so that the first one that fails says where to look. What
gives no answer is unknown, and never counts as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial

from tapgen.accounts import bootstrap
from tapgen.accounts import engine as engines
from tapgen.aws import alarms
from tapgen.aws.clients import AT_ONCE
from tapgen.aws.session import Aws, ask, is_away
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError
from tapgen.frozen import dataclass
from tapgen.model import System, Target

_SKEW = 300
"""Seconds that a request may be older or newer than AWS's clock
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html)."""

_ATTEMPTS = 2  # a region that may be away is asked, and not waited for


class Verdict(StrEnum):
    """What a check found."""

    OK = "ok"
    FAILS = "fails"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Check:
    """One hop: `what` was looked at, `place` says where, `words` what was found."""

    what: str
    place: str
    verdict: Verdict
    words: str


def examine(
    system: System,
    aws: Aws,
    sets: StackSets,
    code: str,
    unready: Callable[[Aws, System, str], bootstrap.Unready] = bootstrap.unready,
) -> list[Check]:
    """Return all checks of a resolved system, in the order of the hops. `aws` is the
    caller, `sets` act as its operator role, and `code` is as for `bootstrap.run`."""
    away = False
    try:
        found = [_caller(aws, system.admin)]
    except AwsError as error:
        found = [_failed(_CALLER, str(system.admin), error)]
        away = is_away(error)
    targets = sorted(
        {t for s in system.stack_sets for t in s.targets if not t.joins_later}
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found += pool.map(lambda t: _target(sets.aws, system, t), targets)
    if away:  # each of them would wait with patience for the same region
        words = f"not looked at: {system.admin.region} does not answer"
        place = str(system.admin)
        unknown = (Check(w, place, Verdict.UNKNOWN, words) for w in (_SETS, _ROLES))
        return [*found, *unknown]
    found.append(_stack_sets(system, sets))
    missing = partial(unready, sets.aws, system, code)
    return [*found, *_prerequisites(system, missing)]


_CALLER, _SETS, _ROLES = "caller and clock", "stack sets", "roles and buckets"


def _caller(aws: Aws, admin: Target) -> Check:
    """Who calls, and how far this machine's clock is from AWS's. Raises AwsError."""
    what, place = _CALLER, str(admin)
    answer = ask(aws.client("sts", admin, _ATTEMPTS), "get_caller_identity")
    header = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if not header:
        words = f"{answer['Arn']}; the answer has no time, so the clock is not compared"
        return Check(what, place, Verdict.UNKNOWN, words)
    apart = abs((datetime.now(UTC) - parsedate_to_datetime(header)).total_seconds())
    if apart > _SKEW:
        words = (
            f"the clock of this machine is {apart:.0f} s from AWS's, which refuses "
            f"requests from {_SKEW} s on: set it"
        )
        return Check(what, place, Verdict.FAILS, words)
    return Check(what, place, Verdict.OK, str(answer["Arn"]))


def _target(aws: Aws, system: System, target: Target) -> Check:
    """Whether the operator role lets the caller in, and the region is enabled: no policy
    is needed to ask who one is
    (https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html)."""
    what = "role and region"
    try:
        answer = ask(aws.client("sts", target, _ATTEMPTS), "get_caller_identity")
    except AwsError as error:
        return _failed(what, str(target), error, system.operator_role)
    return Check(what, str(target), Verdict.OK, str(answer["Arn"]))


def _stack_sets(system: System, sets: StackSets) -> Check:
    what, place = _SETS, str(sets.admin)
    try:
        names = sets.names(system.prefix)
    except AwsError as error:
        return _failed(what, place, error)
    return Check(what, place, Verdict.OK, f"{len(names)} deployed")


def _prerequisites(
    system: System, unready: Callable[[], bootstrap.Unready]
) -> Iterator[Check]:
    """What bootstrap makes: roles with every statement, buckets, trusted access."""
    what = _ROLES
    try:
        missing = unready()
    except AwsError as error:
        yield _failed(what, str(system.admin), error)
        return
    for line in missing.everywhere:
        yield Check(what, str(system.admin), Verdict.FAILS, line)
    for account, lines in missing.accounts.items():
        for line in lines:
            yield Check(what, account, Verdict.FAILS, line)
    for line in missing.unread:
        yield Check(what, "", Verdict.UNKNOWN, line)
    if not (missing.everywhere or missing.accounts or missing.unread):
        yield Check(what, "all accounts", Verdict.OK, "as tapgen bootstrap makes them")


def of_engine(
    system: System, aws: Aws, package: engines.Package, wanted: bool
) -> Iterator[Check]:
    """Check the engine in AWS: whether it is there, serves the system, is of this tapgen,
    and has no alarm. `wanted` says that rollouts of the system need it; of one that is
    neither wanted nor there is nothing to say."""
    what, place = "engine", str(system.admin)
    try:
        there = engines.deployed(aws, system.admin)
        names = alarms.of_stack(aws, system.admin, engines.STACK) if there else ()
        found = alarms.read(aws, system.admin, names)
    except AwsError as error:
        yield _failed(what, place, error)
        return
    line = "tapgen bootstrap --engine"
    if there is None or (wanted and system.prefix not in there.systems):
        if wanted:
            which = "there is none" if there is None else f"not for {system.prefix}"
            yield Check(what, place, Verdict.FAILS, f"{which}: {line}")
        return
    if reason := engines.differs(there, package):
        yield Check(what, place, Verdict.FAILS, f"{reason}: {line}")
    for alarm in found:
        if alarm.state == "ALARM":
            words = f"alarm {alarm.name} since {alarm.changed}: {alarm.reason}"
            yield Check(what, place, Verdict.FAILS, words)
        elif alarm.state != "OK" and alarm.missing == "missing":
            words = (
                f"alarm {alarm.name} has no data: the schedule has not called the function "
                "for half an hour, or the engine is new"
            )
            yield Check(what, place, Verdict.UNKNOWN, words)
    notified = there.notify or "nobody by e-mail"
    yield Check(what, place, Verdict.OK, f"{there.function}; it notifies {notified}")


def _failed(what: str, place: str, error: AwsError, role: str = "") -> Check:
    verdict = Verdict.UNKNOWN if is_away(error) else Verdict.FAILS
    words = str(error)
    if role and error.call.startswith("sts:AssumeRole"):
        words = f"role {role} does not let this caller in, or does not exist: {error}"
    return Check(what, place, verdict, words)
