"""How long the comparisons under a plan take, and how they grow.

In this process, each once at full and once at half size: twice the work may take a little
more than twice as long, not four times.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tapgen.model import Output, Override, Target
from tapgen.system import checks
from tapgen.template import diff, risk
from tests import make

GOAL_SECONDS = 0.5
_TARGETS = 5000
_REGIONS = ("us-east-1", "eu-west-1")


@dataclass(frozen=True)
class Growth:
    """Seconds of a comparison, and how many times longer it takes than half of it."""

    name: str
    seconds: float
    growth: float

    @property
    def met(self) -> bool:
        return self.seconds <= GOAL_SECONDS

    def data(self) -> dict[str, Any]:
        """Return it as data."""
        return {**asdict(self), "goal": GOAL_SECONDS, "met": self.met}


def measure() -> list[Growth]:
    """Measure each comparison."""
    found = [_growth(name, size, case) for name, (size, case) in _CASES.items()]
    half, full = (_wired(targets) for targets in (_TARGETS // 2, _TARGETS))
    name = f"{_TARGETS:,} targets, 4 stack sets wired"
    return [*found, Growth(name, full, full / half)]


def table(found: list[Growth]) -> str:
    """Return the results as text."""
    lines = [f"Comparisons under a plan (goal: {GOAL_SECONDS} s each)"]
    for one in found:
        end = "" if one.met else "  over the goal"
        lines.append(
            f"  {one.name:<34} {one.seconds:6.2f} s, {one.growth:.1f} times half{end}"
        )
    return "\n".join(lines)


def _growth(name: str, size: int, case: Callable[[int, str], Any]) -> Growth:
    half, full = (_seconds(case(n, ""), case(n, "x")) for n in (size // 2, size))
    return Growth(name, full, full / half)


def _seconds(before: Any, after: Any) -> float:
    kind, old = before
    texts = [
        json.dumps({"Resources": {"R": {"Type": kind, "Properties": properties}}})
        for properties in (old, after[1])
    ]
    start = time.process_time()  # of this process alone, on a busy machine too
    for change in diff.templates(*texts):
        risk.of(change)
    return time.process_time() - start


def _wired(targets: int) -> float:
    """Seconds of checking stack sets that take values from each other at every target,
    each region with a value of its own."""
    places = [
        Target(f"{account:012}", region)
        for account in range(targets // len(_REGIONS))
        for region in _REGIONS
    ]
    sets = [make.stack_set("part0", targets=places)]
    for number in range(1, 4):
        before = f"part{number - 1}"
        given = {"Same": Output(before, "Arn"), "Own": "x"}
        given["Other"] = Output(before, "Arn", region=_REGIONS[0])
        overrides = tuple(
            Override({"Own": region}, region=region) for region in _REGIONS
        )
        sets.append(
            make.stack_set(
                f"part{number}", targets=places, parameters=given, overrides=overrides
            )
        )
    start = time.process_time()
    assert not checks.problems(make.system(*sets))
    return time.process_time() - start


def _statements(number: int, end: str) -> Any:
    """Two actions on two resources in each statement."""
    return "AWS::IAM::ManagedPolicy", {
        "PolicyDocument": {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": [f"a{n}:Get{n}", f"a{n}:Put*"],
                    "Resource": [
                        f"arn:aws:s3:::b{n}{end}",
                        f"arn:aws:s3:::b{n}{end}/*",
                    ],
                }
                for n in range(number)
            ]
        }
    }


def _actions(number: int, end: str) -> Any:
    """One statement of many actions on a fifth as many resources."""
    resources = [f"arn:aws:dynamodb:*:*:table/t{n:03}{end}" for n in range(number // 5)]
    actions = [f"dynamodb:Action{n:03}" for n in range(number)]
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return "AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Statement": [statement]}}


def _rules(number: int, end: str) -> Any:
    """Rules with another address each, or with wider ports."""
    return "AWS::EC2::SecurityGroup", {
        "GroupDescription": "many",
        "SecurityGroupIngress": [
            {
                "IpProtocol": "tcp",
                "FromPort": n,
                "ToPort": n + len(end),
                "CidrIp": f"10.{n % 256}.{n // 256}.0/24",
            }
            for n in range(number)
        ],
    }


def _nested(depth: int, end: str) -> Any:
    """A value in a value in a value."""
    value: Any = f"leaf{end}"
    for _ in range(depth - 5):  # below the template, and what is around the value
        value = {"In": value}
    return "Custom::Nested", {"ServiceToken": "arn", "Value": value}


_CASES: dict[str, tuple[int, Callable[[int, str], Any]]] = {
    "500 statements": (500, _statements),
    "120 actions on 24 resources": (120, _actions),
    "1,000 ingress rules": (1000, _rules),
    "values 100 deep": (100, _nested),
}
