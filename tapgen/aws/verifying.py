"""Whether a system that was rolled out is as it should be: its instances, outputs, alarms
and health checks. It only reads.

What cannot be read is unknown, and never taken for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

from tapgen.aws import alarms, health_checks, stacks
from tapgen.aws.alarms import Alarm, Metric
from tapgen.aws.health_checks import HealthCheck
from tapgen.aws.session import Aws
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError, Denied, RolloutError
from tapgen.model import (
    HIDDEN,
    InstanceStatus,
    Observed,
    ObservedInstance,
    Reading,
    System,
    Target,
)
from tapgen.model.verified import WORSE, Found, Verified
from tapgen.template import evaluate
from tapgen.template.scope import Scope
from tapgen.template.values import LATER, mapping

_ALARMS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
_HEALTH_CHECK = "AWS::Route53::HealthCheck"
_AT_ONCE = 8
# Alarms that stay as they are, or are OK, while there are no data: those of errors, and of
# switches that somebody uses in an emergency.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
_MAY_BE_SILENT = ("notBreaching", "ignore")


def verify(
    system: System, aws: Aws, observed: Mapping[str, Observed]
) -> tuple[Found, ...]:
    """Return what there is to say of every target of a system, by target.

    Raises RolloutError where nothing of it is deployed.
    """
    if not any(found.instances for found in observed.values()):
        raise RolloutError(
            f"{system.prefix} is not deployed: there is nothing to verify; roll "
            "it out first"
        )
    places = [
        (s.part, s.name, target)
        for s in system.stack_sets
        for target in s.targets
        if not target.joins_later
    ]

    return _of_places(aws, places, observed)


def of_rollout(sets: StackSets, places: Iterable[Place]) -> tuple[Found, ...]:
    """Return the same of what a rollout that is under way has deployed: so instances may be
    OUTDATED, by what it has sent to others since. Raises AwsError where the stack sets
    cannot be read."""
    wanted = [*dict.fromkeys(places)]
    names = dict.fromkeys(name for _, name, _ in wanted)

    def listed(name: str, _: object) -> dict[Target, ObservedInstance]:
        own = {target for _, of, target in wanted if of == name}
        return {t: one for t, one in sets.listed(name).items() if t in own}

    found = _of_places(sets.aws, wanted, sets.observe(names, listed=listed))
    return tuple(map(_under_way, found))


def _under_way(found: Found) -> Found:
    if found.kind != "instance" or found.words != _words_of(InstanceStatus.OUTDATED):
        return found
    words = f"{found.words} until the rollout ends"
    return replace(found, verdict=Verified.EXPECTED, words=words)


Place = tuple[str, str, Target]
"""A part, its stack set, and a target."""


def _of_places(
    aws: Aws, places: Iterable[Place], observed: Mapping[str, Observed]
) -> tuple[Found, ...]:
    def of(place: Place) -> list[Found]:
        part, name, target = place
        return [*_of_target(aws, part, target, observed.get(name))]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(sorted(chain.from_iterable(pool.map(of, places))))


def _of_target(
    aws: Aws, part: str, target: Target, observed: Observed | None
) -> Iterator[Found]:
    instance = observed.instances.get(target) if observed else None

    def found(kind: str, name: str, verdict: Verified, words: str) -> Found:
        return Found(target, part, kind, name, verdict, words)

    if observed is None or instance is None:
        yield found("instance", part, Verified.FAILS, "is not deployed")
        return
    yield found("instance", part, *_instance(instance))
    if instance.reading is not Reading.READ or not instance.stack_id:
        return  # the instance says so
    for name in _outputs(observed, instance, target):
        there = name in (instance.outputs or {})
        words = "is there" if there else "is missing"
        verdict = Verified.HOLDS if there else Verified.FAILS
        yield found("output", name, verdict, words)
    try:
        resources = stacks.resources(aws, target, instance.stack_id)
    except AwsError as error:
        yield found("alarms and health checks", part, *_unread(error))
        return
    watching = [name for kind, name in resources.values() if kind in _ALARMS and name]
    for name, verdict, words in _alarms(aws, target, watching):
        yield found("alarm", name, verdict, words)
    for logical_id, (kind, id) in resources.items():
        if kind == _HEALTH_CHECK:
            yield found("health check", logical_id, *_health_check(aws, target, id))


_Judged = tuple[Verified, str]


def _instance(instance: ObservedInstance) -> _Judged:
    if instance.reading is not Reading.READ:
        if instance.reading is Reading.GONE:
            return Verified.FAILS, f"is not well: {instance.unread}"
        return Verified.UNKNOWN, f"cannot be read: {instance.unread}"
    if instance.status is InstanceStatus.CURRENT:
        return Verified.HOLDS, "is CURRENT"
    why = f": {instance.reason}" if instance.reason else ""
    return Verified.FAILS, f"{_words_of(instance.status)}{why}"


def _words_of(status: InstanceStatus) -> str:
    return f"is {status}"


def _outputs(
    observed: Observed, instance: ObservedInstance, target: Target
) -> list[str]:
    """Return the outputs that an instance has for certain: those without a condition, or
    with one that is true."""
    values = {
        name: {LATER: name} if value == HIDDEN else value
        for name, value in observed.values_of(instance).items()
    }
    template = evaluate.parsed(observed.template_at(instance))
    scope = Scope(template, {**values, **instance.resolved}, target)
    return [
        str(name)
        for name, output in mapping(scope.body.get("Outputs")).items()
        if (condition := mapping(output).get("Condition")) is None
        or scope.condition(str(condition))
    ]


# -- alarms --------------------------------------------------------------------------


def _alarms(
    aws: Aws, target: Target, names: list[str]
) -> Iterator[tuple[str, Verified, str]]:
    try:
        there = {alarm.name: alarm for alarm in alarms.read(aws, target, names)}
    except AwsError as error:
        verdict, words = _unread(error)
        yield from ((name, verdict, words) for name in names)
        return
    for name in names:
        if name not in there:
            yield name, Verified.FAILS, "does not exist"
            continue
        try:
            verdict, words = _alarm(aws, target, there[name])
        except AwsError as error:
            verdict, words = _unread(error)
        yield name, verdict, words


def _alarm(aws: Aws, target: Target, alarm: Alarm) -> _Judged:
    if alarm.state == "ALARM":
        return (
            Verified.FAILS,
            f"is in ALARM since {alarm.changed:%F %T}: {alarm.reason}",
        )
    judged = [_metric(aws, target, alarm, metric) for metric in alarm.metrics]
    return max(judged, key=lambda j: WORSE.index(j[0]), default=_quiet(alarm))


def _quiet(alarm: Alarm) -> _Judged:
    return Verified.HOLDS, f"is {alarm.state}"


def _metric(aws: Aws, target: Target, alarm: Alarm, metric: Metric) -> _Judged:
    if metric.account not in ("", target.account):
        words = f"watches {metric} of account {metric.account}, which is not asked"
        return Verified.UNKNOWN, words
    found = alarms.dimensions(aws, target, metric)
    if metric.dimensions in found:
        return _quiet(alarm)
    if found and metric.dimensions:
        more = ", ".join(sorted({*chain(*found)} - {*metric.dimensions}))
        return Verified.FAILS, (
            f"watches {metric}, and there are data only with more dimensions: {more}; so it "
            "cannot go off"
        )
    if alarm.missing in _MAY_BE_SILENT:
        words = f"no data of {metric} yet; the alarm takes that as {alarm.missing}"
        return Verified.EXPECTED, words
    if aws.local and metric.namespace.startswith("AWS/"):
        words = f"the embedded AWS has no data of {metric}"
        return Verified.EXPECTED, words
    return Verified.UNKNOWN, (
        f"no data of {metric} in two weeks, and the alarm takes that as {alarm.missing}; a "
        "new metric may take 15 minutes"
    )


# -- health checks -------------------------------------------------------------------


def _health_check(aws: Aws, target: Target, id: str) -> _Judged:
    try:
        check = health_checks.read(aws, target, id)
        if check is None:
            return Verified.FAILS, f"{id} does not exist"
        if check.disabled:
            words = "is disabled, and so takes its endpoint for healthy"
            return Verified.EXPECTED, words
        match check.kind:
            case health_checks.ALARM:
                return _follows(aws, target, *check.alarm)
            case health_checks.CALCULATED:
                return _combines(aws, target, check)
            case health_checks.RECOVERY_CONTROL:
                words = "follows a routing control, which is not asked"
                return Verified.UNKNOWN, words
        return _answers(check)
    except AwsError as error:
        return _unread(error)


def _follows(aws: Aws, target: Target, alarm: str, region: str) -> _Judged:
    there = alarms.read(aws, Target(target.account, region), [alarm])
    if not there:
        return (
            Verified.FAILS,
            f"follows alarm {alarm} in {region}, which does not exist",
        )
    return Verified.HOLDS, f"follows alarm {alarm} in {region}: {there[0].state}"


def _combines(aws: Aws, target: Target, check: HealthCheck) -> _Judged:
    lost = [one for one in check.children if not health_checks.read(aws, target, one)]
    if lost:
        return Verified.FAILS, f"combines checks that do not exist: {', '.join(lost)}"
    return Verified.HOLDS, f"combines {len(check.children)} checks"


def _answers(check: HealthCheck) -> _Judged:
    good = len(check.reports) - len(check.failures)
    if not check.reports:
        return Verified.UNKNOWN, f"no checker has reported on {check.endpoint} yet"
    said = (
        f"{good} of {len(check.reports)} checkers got a good answer of {check.endpoint}"
    )
    if good > health_checks.ENOUGH * len(check.reports):
        return Verified.HOLDS, said
    return Verified.FAILS, f"{said}: {check.failures[0]}"


def _unread(error: AwsError) -> _Judged:
    help = "; tapgen bootstrap gives the role that reads" * isinstance(error, Denied)
    return Verified.UNKNOWN, f"cannot be read: {error}{help}"
