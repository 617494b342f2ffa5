"""Faults from data and back: YAML files, options, one line of text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tapgen.emulator.faults.model import (
    COUNTS,
    EFFECTS,
    LONGEST,
    NAMES,
    OPTIONS,
    RESOURCE_ACTIONS,
    Fault,
    FaultError,
)
from tapgen.emulator.wire import protocols

_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}")


def read(path: Path) -> list[Any]:
    """The faults of a YAML file: a list, or a list under `faults`.

    FaultError when it cannot be read; `parse_all` checks the content.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise FaultError(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        shown = " ".join(str(error).split())
        raise FaultError(f"{path}: this is not YAML: {shown}") from error
    if isinstance(content, dict) and set(content) == {"faults"}:
        content = content["faults"]
    if not isinstance(content, list):
        raise FaultError(f"{path}: expected a list of faults, or `faults:` with one")
    return content


def of_options(effect: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fault as data, from options of both kinds: match and effect."""
    matching = {k: v for k, v in options.items() if k in (*NAMES, *COUNTS)}
    others = {k: v for k, v in options.items() if k not in matching}
    return {"effect": effect, "match": matching, **others}


def in_words(shown: Mapping[str, Any]) -> str:
    """Return one line of text for a fault, as `Faults.shown` has it."""
    match = " ".join(f"{k}={v}" for k, v in shown.get("match", {}).items())
    rest = [
        f"{k}={v}"
        for k, v in shown.items()
        if k not in ("id", "effect", "match", "matched", "fired", "times")
        and (k, v) not in (("nth", 1), ("probability", 1.0))
    ]
    times = shown["times"]
    often = "always" if times == 0 else f"{times} time{'s' * (times != 1)}"
    return " ".join(filter(None, [shown["effect"], match, *rest, often]))


def parse_all(given: Any) -> list[Fault]:
    """Read one fault or a list from data; FaultError names the invalid one."""
    if isinstance(given, Mapping) and set(given) == {"faults"}:
        given = given["faults"]
    if not isinstance(given, list):
        return [parse(given)]
    parsed = []
    for number, one in enumerate(given, 1):
        try:
            parsed.append(parse(one))
        except FaultError as error:
            raise FaultError(f"fault {number}: {error}") from None
    return parsed


def parse(given: Any) -> Fault:
    """Read a fault from data; FaultError says what is allowed."""
    if not isinstance(given, Mapping):
        raise FaultError("expected a mapping with `effect` and `match`")
    effect = str(given.get("effect", ""))
    if effect not in EFFECTS:
        _refuse("effect", effect, EFFECTS)
    allowed = ("effect", "match", *OPTIONS[effect])
    for key in given:
        if key not in allowed:
            _refuse(f"key of {effect}", key, allowed)
    match = given.get("match") or {}
    if not isinstance(match, Mapping):
        raise FaultError("match: expected a mapping, such as {region: eu-west-1}")
    for key in match:
        if key not in (*NAMES, *COUNTS):
            _refuse("key of match", key, (*NAMES, *COUNTS))
    names = {k: _name(k, match[k]) for k in NAMES if match.get(k) is not None}
    fault = Fault(
        effect, names, **_counts(effect, names, match), **_options(effect, given)
    )
    _check_match(fault)
    return fault


def _refuse(what: str, given: Any, allowed: Iterable[str]) -> None:
    names = list(allowed)
    near = difflib.get_close_matches(str(given), names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = f"{str(given)!r} is not known" if given != "" else "is missing"
    raise FaultError(f"{what} {shown}{hint}; allowed: {', '.join(names)}")


def _name(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise FaultError(
            f"match.{key}: {value!r} is not text: quote it (YAML reads numbers)"
        )
    wild = any(c in value for c in "*?[")
    if key == "account" and not wild and not re.fullmatch("[0-9]{12}", value):
        raise FaultError(f"match.account: {value!r} is not a number of 12 digits")
    if key == "region" and not wild and not _REGION.fullmatch(value):
        raise FaultError(
            f"match.region: {value!r} is not a region, such as eu-west-1 or eu-*"
        )
    if key == "service" and value not in protocols.services():
        near = difflib.get_close_matches(value, protocols.services(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FaultError(
            f"match.service: {value!r} is not a service of boto3, such as s3 or "
            f"cloudformation{hint}"
        )
    return value


def _number(name: str, value: Any, low: float, high: float, whole: bool = True) -> Any:
    """Read a number from data, which may be text."""
    try:
        number = int(value) if whole and not isinstance(value, float) else float(value)
        fine = low <= number <= high and not isinstance(value, bool)
    except (TypeError, ValueError):
        fine = False
    if not fine or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise FaultError(f"{name}: {value!r} is not {kind} from {low:g} to {high:g}")
    return number


def _counts(
    effect: str, names: Mapping[str, str], match: Mapping[str, Any]
) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    if match.get("nth") is not None:
        counts["nth"] = _number("match.nth", match["nth"], 1, 10**9)
    if match.get("probability") is not None:
        chance = match["probability"]
        counts["probability"] = _number("match.probability", chance, 0, 1, False)
    if match.get("seed") is not None:
        counts["seed"] = _number("match.seed", match["seed"], 0, 2**63)
    lasting = effect == "unavailable" or match.get("probability") is not None
    counts["times"] = _times(match.get("times"), lasting)
    return counts


def _times(given: Any, lasting: bool) -> int:
    """Return how many matches fire, 0 for all of them.

    By default one does; of an outage, and with a probability, all.
    """
    if given is None:
        return 0 if lasting else 1
    if given == "always":
        return 0
    try:
        times: int = _number("match.times", given, 1, 10**9)
    except FaultError as error:
        raise FaultError(f"{error}; give always for every match") from None
    return times


def _options(effect: str, given: Mapping[str, Any]) -> dict[str, Any]:
    options = {
        name: _option(name, given[name])
        for name in OPTIONS[effect]
        if given.get(name) is not None
    }
    if effect == "delay" and "seconds" not in options:
        raise FaultError(f"delay needs seconds, a number from 0 to {LONGEST}")
    if effect in ("cut", "kill"):
        options.setdefault("when", "before")
    if effect == "error":
        status = options.setdefault("status", 500)
        if "code" not in options and status not in (500, 503):
            raise FaultError(
                f"error with status {status} needs a code; 500 and 503 do not"
            )
    return options


def _option(name: str, value: Any) -> Any:
    if name == "seconds":
        return _number("seconds", value, 0, LONGEST, whole=False)
    if name == "status":
        return _number("status", value, 400, 599)
    if name == "when" and value not in ("before", "after"):
        _refuse("when", value, ("before", "after"))
    if not isinstance(value, str) or not value:
        raise FaultError(f"{name}: {value!r} is not text")
    return value


def _check_match(fault: Fault) -> None:
    match, effect = fault.match, fault.effect
    of_resources = {"logical_id", "type"} & set(match)
    if effect == "fail" and not of_resources:
        raise FaultError(
            "fail needs match.logical_id or match.type, to name the resource"
        )
    if of_resources and effect not in ("fail", "delay"):
        raise FaultError(
            f"match.{min(of_resources)} works with fail and delay only; {effect} matches "
            "calls by service and action"
        )
    action = match.get("action")
    if action is None:
        return
    if fault.on_resources:
        if action not in RESOURCE_ACTIONS:
            _refuse("match.action of a resource", action, RESOURCE_ACTIONS)
    elif not any(c in action for c in "*?["):
        _check_action(match.get("service"), action)


def _check_action(service: str | None, action: str) -> None:
    """FaultError unless a service, or any that is emulated, has the action."""
    if service is not None:
        known = protocols.actions(service)
        if known and action not in known:
            near = difflib.get_close_matches(action, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise FaultError(f"match.action: {service} has no action {action!r}{hint}")
        return
    close: list[str] = []
    for name in _emulated():
        known = protocols.actions(name)
        if action in known:
            return
        close += difflib.get_close_matches(action, known, 1, 0.75)
    near = difflib.get_close_matches(action, close, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise FaultError(f"match.action: no service has an action {action!r}{hint}")


def _emulated() -> list[str]:
    """The services that are emulated, the most likely first."""
    from ministack.app import SERVICE_REGISTRY

    first = ["cloudformation", "s3", "sts", "iam", "dynamodb", "lambda", "kms", "sqs"]
    return list(
        dict.fromkeys([*first, *sorted(SERVICE_REGISTRY), *protocols.SIGNED_AS])
    )
