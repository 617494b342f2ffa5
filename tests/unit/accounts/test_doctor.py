"""The hops that `tapgen doctor` looks at: what is away is unknown, what refuses fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tapgen.accounts import doctor
from tapgen.errors import AwsError
from tapgen.model import Target
from tapgen.report import doctor as report
from tests import make

SYSTEM = make.system(make.stack_set(targets=(make.EAST, make.WEST)))


class Aws:
    """Answers who the caller is; `errors` has what a region raises instead, `date` the
    time in the answers."""

    def __init__(self, date: str = "", **errors: AwsError | None) -> None:
        self.date, self.errors = date, errors

    def client(self, service: str, target: Target, attempts: int = 0) -> Any:
        def answer() -> Any:
            if error := self.errors.get(target.region.replace("-", "_")):
                raise error
            headers = {"date": self.date} if self.date else {}
            metadata = {"HTTPHeaders": headers}
            return {"Arn": "arn:aws:iam::1:role/x", "ResponseMetadata": metadata}

        return SimpleNamespace(
            get_caller_identity=answer,
            meta=SimpleNamespace(
                service_model=SimpleNamespace(service_name="sts"),
                method_to_api_mapping={"get_caller_identity": "GetCallerIdentity"},
                region_name=target.region,
            ),
        )


def examined(aws: Aws) -> list[doctor.Check]:
    sets: Any = SimpleNamespace(aws=aws, admin=make.EAST, names=lambda prefix: ["a"])
    given: Any = aws
    checks = doctor.examine(SYSTEM, given, sets, "code", lambda *_: nothing_missing())
    return checks


def nothing_missing() -> Any:
    return SimpleNamespace(everywhere=(), accounts={}, unread=())


@pytest.mark.parametrize(
    ("code", "verdict", "call"),
    [
        ("EndpointConnectionError", "unknown", "sts:GetCallerIdentity"),
        ("AccessDenied", "fails", "sts:AssumeRole"),
    ],
)
def test_the_hop_that_fails_is_named(code: str, verdict: str, call: str) -> None:
    checks = examined(Aws(us_west_2=AwsError(call, code, "no")))

    bad = {(c.what, c.place): str(c.verdict) for c in checks if c.verdict != "ok"}
    assert bad == {
        ("caller and clock", str(make.EAST)): "unknown",  # the answer has no time
        ("role and region", str(make.WEST)): verdict,
    }
    assert ("does not let this caller in" in report.text(checks, "")) == (
        call == "sts:AssumeRole"
    )


def test_what_is_behind_a_region_that_is_away_is_unknown_at_once() -> None:
    call, code = "sts:GetCallerIdentity", "EndpointConnectionError"

    checks = examined(Aws(us_east_1=AwsError(call, code, "no"), us_west_2=None))

    seen = {c.what: str(c.verdict) for c in checks if c.place == str(make.EAST)}
    assert {*seen.values()} == {"unknown"} and {"stack sets", "roles and buckets"} < {
        *seen
    }


def test_a_clock_that_is_wrong_fails() -> None:
    first, *_ = examined(Aws("Wed, 01 Jan 2020 00:00:00 GMT"))

    assert first.verdict == "fails"
    assert "clock of this machine" in first.words
