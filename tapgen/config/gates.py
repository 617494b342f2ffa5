"""The `gates` of the `rollout` block: what must hold before a rollout goes on.

`GateShape` has the keys, `check` reports what depends on more than one of them, and
`read` returns the gates of a block without mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from tapgen.config.document import Node, wrong
from tapgen.config.problems import Problems, listed, near, shown
from tapgen.model import (
    REGION,
    WAVE,
    AlarmGate,
    ApprovalGate,
    CommandGate,
    Gate,
    ProbeGate,
)

MOST_ALARMS = 100  # AlarmNames of one call (API reference, DescribeAlarms)
LONGEST = 7 * 86_400
"""The longest duration, in seconds."""

_KEYS = {
    "alarms": ("bake",),
    "probe": ("status", "body", "under"),
    "command": ("timeout",),
    "approve": ("timeout",),
}
"""The keys of which a gate has exactly one, with those that belong to it."""
_SIZES = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_DURATION = r"([0-9]{1,9})(ms|s|m|h)"
_PLACE = r"[a-z](-?[a-z0-9])*"
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f]")


def seconds(text: str) -> float:
    """Return the seconds of a duration such as `500ms`, `30s`, `10m` or `24h`."""
    found = re.fullmatch(_DURATION, text)
    assert found, "checked before"
    return int(found[1]) * _SIZES[found[2]]


def _duration(value: str) -> str:
    if not re.fullmatch(_DURATION, value):
        raise ValueError(
            f"{shown(value)} is not a duration; give a whole number with ms, s, m or h, "
            "such as 10m"
        )
    if not 0 < seconds(value) <= LONGEST:
        raise ValueError(f"{shown(value)} is out of range; give 1ms to 168h")
    return value


def _alarms(value: Any) -> Any:
    if value is True:
        return value
    names = value if isinstance(value, list) else []
    right = all(isinstance(name, str) and 1 <= len(name) <= 255 for name in names)
    if not names or not right or len(names) > MOST_ALARMS:
        raise ValueError(
            f"{shown(value)} does not name alarms; give true for all alarms of the "
            f"system, or a list of 1 to {MOST_ALARMS} alarm names"
        )
    return value


def _approve(value: Any) -> Any:
    if value is not True:
        raise ValueError(
            f"{shown(value)} is not true; give true, or remove the gate to roll out "
            "without an approval"
        )
    return value


def _url(value: str) -> str:
    try:
        found = urlsplit(value)
        web = found.scheme in ("http", "https") and found.hostname
        found.port  # ValueError for what is no port
    except ValueError:
        web = None
    if not web or _UNSEEN.search(value):
        raise ValueError(
            f"{shown(value)} is not a URL; give one that starts with https:// or http://"
        )
    if "@" in found.netloc:
        raise ValueError(
            "the URL contains a user name or password, which would be stored with the "
            "rollout; give a URL without them"
        )
    return value


def _after(value: str) -> str:
    if not re.fullmatch(_PLACE, value):
        raise ValueError(
            f"{shown(value)} is not a place in a rollout; give wave, region, or the part "
            "of a stack set"
        )
    return value


Duration = Annotated[
    str,
    AfterValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}$"}),
]
_NAMES = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_ALARMS = WithJsonSchema({"anyOf": [{"const": True}, _NAMES]})


class GateShape(BaseModel):
    """What must hold before a rollout goes on: alarms, a probe, a command or an approval."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"oneOf": [{"required": [key]} for key in _KEYS]},
    )

    alarms: Annotated[Any, AfterValidator(_alarms), _ALARMS] = Field(
        default=None,
        description="CloudWatch alarms that must not go off: true for all alarms of the "
        "system, or a list of alarm names.",
        examples=[True, ["orders-prod-errors"]],
    )
    bake: Duration = Field(
        default="10m",
        description="With alarms: how long they must stay out of ALARM.",
        examples=["10m"],
    )
    probe: Annotated[
        str, AfterValidator(_url), WithJsonSchema({"type": "string", "format": "uri"})
    ] = Field(
        default="",
        description="A URL to request; redirects are not followed.",
        examples=["https://example.com/health"],
    )
    status: int = Field(
        default=200,
        ge=100,
        le=599,
        description="With probe: the HTTP status of the answer.",
        examples=[200],
    )
    body: str = Field(
        default="",
        description="With probe: text that the body of the answer contains.",
        examples=["healthy"],
    )
    under: Duration | None = Field(
        default=None,
        description="With probe: the time within which the answer is complete.",
        examples=["500ms"],
    )
    command: list[Annotated[str, Field(min_length=1)]] | None = Field(
        default=None,
        min_length=1,
        description="A command and its arguments; exit code 0 lets the rollout go on.",
        examples=[["./smoke_test.sh", "prod"]],
    )
    approve: Annotated[
        Any, AfterValidator(_approve), WithJsonSchema({"const": True})
    ] = Field(
        default=None,
        description="true: somebody approves, at the terminal or with tapgen approve.",
        examples=[True],
    )
    timeout: Duration | None = Field(
        default=None,
        description="How long to wait: for a command 5m, for an approval 24h by default.",
        examples=["5m"],
    )
    after: Annotated[
        str,
        AfterValidator(_after),
        WithJsonSchema({"type": "string", "pattern": f"^{_PLACE}$"}),
    ] = Field(
        default=REGION,
        description="wave, region, or a part: after each wave, after each region, or "
        "after this stack set.",
        examples=["region", "wave", "network"],
    )


def check(root: Node, problems: Problems) -> None:
    """Report gates of no kind or of several, keys of another kind, and unknown parts."""
    gates = root.get("rollout", "gates")
    for gate in gates.items if gates else ():
        if isinstance(gate.value, dict):
            _check_kind(gate, problems)
            _check_after(gate, root, problems)


def _check_kind(gate: Node, problems: Problems) -> None:
    kinds = [key for key in _KEYS if key in gate.mapping]
    if not kinds and set(gate.mapping) - set(GateShape.model_fields):
        return  # a misspelled key is reported elsewhere
    if len(kinds) != 1:
        given = " and ".join(kinds) or "none of them"
        message = f"a gate has exactly one of {listed(_KEYS)}; this one has {given}"
        wrong(problems, gate, f"{message}; write one gate for each")
        return
    others = dict.fromkeys(key for own in _KEYS.values() for key in own)
    for key in others:
        node = gate.get(key)
        if node is not None and key not in _KEYS[kinds[0]]:
            owners = [kind for kind, own in _KEYS.items() if key in own]
            message = f"belongs to {listed(owners)}, not to {kinds[0]}; remove it"
            wrong(problems, node, message)


def _check_after(gate: Node, root: Node, problems: Problems) -> None:
    """Report a part that the file does not have, where the file lists the parts."""
    node, parts = gate.get("after"), root.get("stack_sets")
    if node is None or parts is None or not isinstance(node.value, str):
        return
    places = [WAVE, REGION, *parts.mapping]
    if node.value not in places and re.fullmatch(_PLACE, node.value):
        message = f"{shown(node.value)} is not a stack set of this file; give "
        wrong(problems, node, message + listed(places) + near(node.value, places))


def read(shapes: Iterable[GateShape]) -> tuple[Gate, ...]:
    """Return the gates."""
    return tuple(map(_gate, shapes))


def _gate(shape: GateShape) -> Gate:
    after = shape.after
    timeout = {"timeout": seconds(shape.timeout)} if shape.timeout else {}
    if shape.probe:
        under = seconds(shape.under) if shape.under else None
        return ProbeGate(
            url=shape.probe,
            status=shape.status,
            body=shape.body,
            under=under,
            after=after,
        )
    if shape.command:
        return CommandGate(command=tuple(shape.command), after=after, **timeout)
    if shape.approve:
        return ApprovalGate(after=after, **timeout)
    names = () if shape.alarms is True else tuple(shape.alarms)
    return AlarmGate(names=names, bake=seconds(shape.bake), after=after)
