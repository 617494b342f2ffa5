"""What a drill has found, from its journal: so a report can be written at any later time,
and no process has to live for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tapgen.errors import RolloutError
from tapgen.model.drills import Did, DrillReport, Measure, Measured, Sample
from tapgen.operate.drilling import Drill
from tapgen.rollout.codec import decode, encode
from tapgen.rollout.fold import State
from tapgen.rollout.opening import Opened
from tapgen.rollout.program import Step

COMMAND = "drill"


def facts(
    drill: Drill, goals: Mapping[str, float], caller: str, local: bool
) -> dict[str, Any]:
    """Return what the first event of a drill says beyond that of other runs."""
    return {
        "drill": {
            "id": drill.id,
            "scenario": drill.scenario,
            "account": drill.account,
            "measures": [encode(one) for one in drill.measures],
            "left_out": list(drill.left_out),
            "goals": dict(goals),
            "caller": caller,
            "local": local,
        }
    }


def report(found: Opened, regions: Mapping[str, str]) -> DrillReport:
    """Return the report of a run; RolloutError where it is no drill."""
    first, last = found.events[0], found.events[-1]
    known = first.get("drill")
    if known is None:
        raise RolloutError(
            f"run {found.lock.run} is one of tapgen {first.get('command')}, not a drill; "
            "tapgen history lists the runs"
        )
    reading = _Reading()
    for event in found.events:
        reading.read(event, found.programs)
    measures = (decode(Measure, one) for one in known["measures"])
    goals = known["goals"]
    return DrillReport(
        system=first["name"],
        suffix=first["suffix"],
        run=found.lock.run,
        scenario=known["scenario"],
        who=first["who"],
        host=first["host"],
        caller=known["caller"],
        account=known["account"],
        regions=dict(regions),
        tapgen=first["tapgen"],
        begun=first["at"],
        ended=last["at"],
        result=str(found.state.end or ""),
        local=known["local"],
        measured=tuple(
            Measured(
                one,
                goals.get(one.goal),
                tuple(reading.samples(one.key)),
                reading.why.get(one.key, ""),
            )
            for one in measures
        ),
        left_out=tuple(known["left_out"]),
        done=tuple(reading.done),
        failures=tuple(map(str, dict.fromkeys(found.state.failures))),
        left=tuple(found.state.performed.values()),
        goals=goals,
    )


@dataclass
class _Span:
    """From an act that begins to measure to the check that ends it."""

    at: str
    begun: float
    ended: float | None = None
    broken: bool = False


@dataclass
class _Reading:
    """The events so far. Samples that an act returns count as they are; otherwise each is
    the time from the act to the next check that carries the same key."""

    state: State = field(default_factory=State)
    given: dict[str, list[Sample]] = field(default_factory=dict)
    spans: dict[str, list[_Span]] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    done: list[Did] = field(default_factory=list)

    def samples(self, key: str) -> Iterator[Sample]:
        yield from self.given.get(key, ())
        for span in self.spans.get(key, ()):
            if span.ended is not None:
                yield Sample(span.ended - span.begun, span.at, span.broken)

    def read(self, event: Mapping[str, Any], programs: Mapping[str, Any]) -> None:
        kind, id = event["event"], event.get("step", "")
        step = self.state.program.steps.get(id) if id else None
        if kind == "resumed":
            for span in (s for spans in self.spans.values() for s in spans):
                span.broken |= span.ended is None
        elif step and not self.state.back:
            self._measure(event, step)
        if step:
            self._note(event, id, step)
        self.state.apply(event, programs)

    def _measure(self, event: Mapping[str, Any], step: Step) -> None:
        kind, time = event["event"], event.get("time")
        for key in step.measures:
            spans = self.spans.setdefault(key, [])
            if kind == "intent" and time is not None:
                spans.append(_Span(event["at"], time))
            elif kind == "finished" and time is not None and spans:
                spans[-1].ended = time
            elif kind == "result" and "measured" in event:
                facts = event["measured"]
                self.why[key] = facts.get("why", "")
                self.given[key] = [Sample(s, event["at"]) for s in facts["samples"]]
                self.spans[key] = []

    def _note(self, event: Mapping[str, Any], id: str, step: Step) -> None:
        if "measured" in event:
            self.seen[id] = str(event["measured"].get("seen", ""))
        words = "; ".join(one["reason"] for one in event.get("failures", ()))
        if words or event["event"] == "finished":
            seen = words or str(event.get("seen") or self.seen.get(id, ""))
            back, failed = self.state.back, bool(words)
            self.done.append(Did(event["at"], step.words, seen, back, failed))
