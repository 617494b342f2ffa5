"""The gates of a rollout: what must hold before it goes on to the next wave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from tapgen.frozen import dataclass

WAVE = "wave"
"""Stands for every wave, as the place of a gate."""

REGION = "region"
"""Stands for every region, as the place of a gate."""


@dataclass(frozen=True, kw_only=True)
class AlarmGate:
    """CloudWatch alarms stay out of ALARM for `bake` seconds; no names means all alarms
    of the system."""

    kind: ClassVar[str] = "alarms"
    names: tuple[str, ...] = ()
    bake: float = 600.0
    after: str = REGION

    def __str__(self) -> str:
        what = f"alarms {', '.join(self.names)}" if self.names else "all alarms"
        return f"{what} quiet for {duration(self.bake)}"


@dataclass(frozen=True, kw_only=True)
class ProbeGate:
    """An HTTP request is answered with a status, a text in the body, and within `under`
    seconds, where given."""

    kind: ClassVar[str] = "probe"
    url: str
    status: int = 200
    body: str = ""
    under: float | None = None
    after: str = REGION

    def __str__(self) -> str:
        words = [f"{self.url} answers {self.status}"]
        words += [f"with {self.body!r}"] if self.body else []
        words += [f"in under {duration(self.under)}"] if self.under else []
        return " ".join(words)


@dataclass(frozen=True, kw_only=True)
class CommandGate:
    """A command of the user's ends with exit code 0 within `timeout` seconds."""

    kind: ClassVar[str] = "command"
    command: tuple[str, ...]
    timeout: float = 300.0
    after: str = REGION

    def __str__(self) -> str:
        return f"{' '.join(self.command)} succeeds within {duration(self.timeout)}"


@dataclass(frozen=True, kw_only=True)
class ApprovalGate:
    """Somebody approves within `timeout` seconds."""

    kind: ClassVar[str] = "approve"
    timeout: float = 86_400.0
    after: str = REGION

    def __str__(self) -> str:
        return f"somebody approves within {duration(self.timeout)}"


@dataclass(frozen=True, kw_only=True)
class HealthGate:
    """For `bake` seconds no alarm of the system goes off, and the health checks of Route 53
    with the ids `checks` in `account` stay healthy, as asked in `region`: the gate of a
    shift."""

    kind: ClassVar[str] = "health"
    account: str = ""
    region: str = ""
    checks: tuple[str, ...] = ()
    bake: float = 0.0
    after: str = WAVE

    def __str__(self) -> str:
        what = "all alarms quiet"
        if self.checks:
            what += f" and {' and '.join(self.checks)} healthy"
        return f"{what} for {duration(self.bake)}" if self.bake else what


@dataclass(frozen=True, kw_only=True)
class VerifyGate:
    """What was deployed since the last such gate is as it should be within `timeout`
    seconds: instances, outputs, alarms and health checks, as `tapgen verify` has them.
    """

    kind: ClassVar[str] = "verify"
    timeout: float = 900.0
    after: str = REGION

    def __str__(self) -> str:
        return f"what was deployed is verified within {duration(self.timeout)}"


Gate = AlarmGate | ProbeGate | CommandGate | ApprovalGate | HealthGate | VerifyGate

_KINDS: Mapping[str, type[Gate]] = {
    kind.kind: kind
    for kind in (
        *(AlarmGate, ProbeGate, CommandGate),
        *(ApprovalGate, HealthGate, VerifyGate),
    )
}


def gate_data(gate: Gate) -> dict[str, Any]:
    """Return a gate as JSON data; durations are in seconds."""
    own = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(gate).items()}
    return {"kind": gate.kind} | own


def gate_from(data: Mapping[str, Any]) -> Gate:
    """Return the gate that `gate_data` described."""
    own: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in data.items()
    }
    return _KINDS[str(own.pop("kind"))](**own)


def duration(seconds: float) -> str:
    """Return a time in words as in a config file: 500ms, 30s, 10m, 24h."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{round(seconds / size)}{unit}"
    return f"{seconds:g}s"
