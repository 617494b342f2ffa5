"""The shape of a gate: every key, its type and its default."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from tapgen.config.patterns import DURATION, GATE_KEYS, PLACE, seconds
from tapgen.config.problems import shown
from tapgen.model import REGION

MOST_ALARMS = 100  # AlarmNames of one call (API reference, DescribeAlarms)
LONGEST = 7 * 86_400
"""The longest duration, in seconds."""

_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f]")


def _duration(value: str) -> str:
    if not re.fullmatch(DURATION, value):
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


def _verify(value: Any) -> Any:
    if value is not True:
        raise ValueError(
            f"{shown(value)} is not true; give true, or remove the gate to roll out "
            "without verifying what is deployed"
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
    if not re.fullmatch(PLACE, value):
        raise ValueError(
            f"{shown(value)} is not a place in a rollout; give wave, region, or the part "
            "of a stack set"
        )
    return value


Duration = Annotated[
    str,
    AfterValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION}$"}),
]
_NAMES = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_ALARMS = WithJsonSchema({"anyOf": [{"const": True}, _NAMES]})


class GateShape(BaseModel):
    """What must hold before a rollout goes on: alarms, a probe, a command, an approval, or
    that all is as it should be."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"oneOf": [{"required": [key]} for key in GATE_KEYS]},
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
    verify: Annotated[Any, AfterValidator(_verify), WithJsonSchema({"const": True})] = (
        Field(
            default=None,
            description="true: what was deployed is as it should be, as tapgen verify has it.",
            examples=[True],
        )
    )
    timeout: Duration | None = Field(
        default=None,
        description="How long to wait: for a command 5m, for an approval 24h, to verify "
        "15m by default.",
        examples=["5m"],
    )
    after: Annotated[
        str,
        AfterValidator(_after),
        WithJsonSchema({"type": "string", "pattern": f"^{PLACE}$"}),
    ] = Field(
        default=REGION,
        description="wave, region, or a part: after each wave, after each region, or "
        "after this stack set.",
        examples=["region", "wave", "network"],
    )
