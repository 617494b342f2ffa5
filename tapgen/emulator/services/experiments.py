"""Fault Injection Service, which ministack lacks: templates of experiments.

Experiments are not started: nothing here would fail over.
https://docs.aws.amazon.com/fis/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import time
import uuid
from urllib.parse import unquote

from tapgen.emulator.services.registry import Record, Refusal, Service, place, unknown
from tapgen.emulator.state.tracked import Tracked

NAME = "fis"

# By account, region and id.
_templates: dict[str, Record] = Tracked()

_SETTINGS = (
    *("description", "stopConditions", "targets", "actions", "roleArn"),
    *("logConfiguration", "experimentOptions", "experimentReportConfiguration"),
)


def _answer(request: str, given: Record) -> Record:
    method, _, path = request.partition(" ")
    step, _, rest = path.strip("/").partition("/")
    if step == "tags":
        return _tags(method, unquote(rest), given)
    if step != "experimentTemplates":
        raise unknown(request)
    if method == "POST":
        return {"experimentTemplate": _create(given)}
    if not rest:
        return {"experimentTemplates": _here()}
    record = _found(rest)
    if method == "PATCH":
        _check({**record, **given})
        record.update({name: given[name] for name in _SETTINGS if name in given})
        record["lastUpdateTime"] = time.time()
    if method == "DELETE":
        del _templates[_key(rest)]
    return {"experimentTemplate": record}


def _key(id_: str) -> str:
    return ":".join((*place(), id_))


def _here() -> list[Record]:
    prefix = _key("")
    return [each for key, each in _templates.items() if key.startswith(prefix)]


def _found(id_: str) -> Record:
    record = _templates.get(_key(id_))
    if record is None:
        raise Refusal(
            "ResourceNotFoundException",
            f"Experiment template with id {id_} was not found.",
            404,
        )
    return record


def _check(given: Record) -> None:
    """Check that actions name existing targets, as FIS does for each template."""
    if not given.get("stopConditions"):
        raise Refusal(
            "ValidationException", "At least one stop condition must be specified."
        )
    if not given.get("actions"):
        raise Refusal("ValidationException", "At least one action must be specified.")
    targets = given.get("targets") or {}
    for name, action in given["actions"].items():
        for target in (action.get("targets") or {}).values():
            if target not in targets:
                raise Refusal(
                    "ValidationException",
                    f"Action {name} references target {target} which is not defined.",
                )


def _create(given: Record) -> Record:
    _check(given)
    account, region = place()
    id_ = f"EXT{uuid.uuid4().hex[:15]}"
    now = time.time()
    record = {
        **{name: given[name] for name in _SETTINGS if name in given},
        "id": id_,
        "arn": f"arn:aws:fis:{region}:{account}:experiment-template/{id_}",
        "creationTime": now,
        "lastUpdateTime": now,
        "tags": dict(given.get("tags") or {}),
    }
    _templates[_key(id_)] = record
    return record


def _tags(method: str, arn: str, given: Record) -> Record:
    record = _found(arn.rpartition("/")[2])
    if method == "POST":
        record["tags"].update(given["tags"])
    if method == "DELETE":
        for key in given.get("tagKeys", []):
            record["tags"].pop(key, None)
    return {"tags": record["tags"]} if method == "GET" else {}


SERVICE = Service(NAME, _answer)
