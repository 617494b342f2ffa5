"""What has no peer: CPU time and memory of the first answer of lint and of large plans,
and the waves where outputs are handed on.

CPU time of this process or of its child, so that a busy machine changes little; the
least of several rounds. The goals are for a machine of two cores of 2024.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EDITED = "templates_out/secure_network/network.json"
TAPGEN = Path(sys.executable).with_name("tapgen")

# Plans in a fresh process: 100 accounts, 20 regions, 5 stack sets; one of them changes.
_PLAN = """\
import gc, resource, time
from dataclasses import replace
from tapgen import plan
from tapgen.model import Target
from tapgen.template import schemas
from tests import make

targets = [
    Target(f"{account:012}", region)
    for account in range(100)
    for region in sorted(schemas.regions())[:20]
]
sets = [make.stack_set(f"part{n}", targets=targets) for n in range(5)]
system = make.system(*sets)
observed = {s.name: make.observed(s) for s in sets}
text = sets[0].template.replace("Topic", "Theme")
changed = replace(system, stack_sets=(replace(sets[0], template=text), *sets[1:]))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
gc.collect()
before, start = peak(), time.process_time()
made = plan.make(system, observed)
same = time.process_time() - start
assert not made.waves
start = time.process_time()
made = plan.make(changed, observed)
assert made.waves
print(same, time.process_time() - start, peak() - before)
"""

# 40 accounts, 2 regions, 3 stack sets, of which two take an output of the one before.
_WIDE = """\
import json, time
from tapgen import plan
from tapgen.model import Output, Target
from tests import make

targets = [Target(f"{n:012}", r) for n in range(40) for r in ("us-east-1", "eu-west-1")]

def part(name, takes, by_name):
    ssm = {"Name": f"/tapgen/demo-test/{name}/Arn", "Type": "String"}
    body = json.loads(make.template(("X",) if takes else (), ("Arn",)))
    ssm["Value"] = body["Outputs"]["Arn"]["Value"]
    body["Resources"]["Arn"] = {"Type": "AWS::SSM::Parameter", "Properties": ssm}
    if takes and by_name:
        body["Parameters"]["X"]["Type"] = "AWS::SSM::Parameter::Value<String>"
    values = {"X": Output(takes, "Arn", by_name=by_name)} if takes else {}
    return make.stack_set(name, text=json.dumps(body), targets=targets, parameters=values)

for by_name in (False, True):
    chain = [part("base", "", by_name), part("mid", "base", by_name)]
    system = make.system(*chain, part("top", "mid", by_name))
    start = time.process_time()
    made = plan.make(system, {})
    print(len(made.waves), time.process_time() - start)
"""

# A rollout whose operations take a minute each, on a clock that sleeping advances.
_PACE = """\
import random
from tests.unit.rollout import test_pace as pace
from tests.unit.rollout.test_kills import observed, run
from tapgen import plan
from tests import make

random.seed(1)
cloud = pace.Timed(duration=60.0)
made = plan.make(make.system(*pace.chain()), observed(cloud))
assert run(cloud, made, sleep=cloud.sleep, clock=lambda: cloud.now).green
print(cloud.now / (pace.PARTS * cloud.duration))
"""


@dataclass(frozen=True)
class Measured:
    """A number and its goal: at most that."""

    name: str
    number: float
    unit: str
    goal: float

    @property
    def met(self) -> bool:
        return self.number <= self.goal

    def line(self) -> str:
        verdict = "met" if self.met else "MISSED"
        number = f"{self.number:.2f} {self.unit}" if self.number < 10 else ""
        number = number or f"{self.number:.0f} {self.unit}"
        return f"{self.name:42}{number:>10}, goal {self.goal:g}: {verdict}"


def measured(runs: int) -> list[Measured]:
    """All of them, times as the least of several rounds."""
    quick = min(_spent([str(TAPGEN), "lint", "--quick", EDITED]) for _ in range(runs))
    plans = [_plan() for _ in range(min(runs, 3))]
    same, changed, memory = (min(numbers) for numbers in zip(*plans, strict=True))
    (waves, by_value), (named, by_name) = _wide()
    large = "plan of 10,000 instances"
    wide = "40 accounts x 2 regions x 3"
    return [
        Measured("lint --quick, one edited, CPU", quick, "s", 0.5),
        Measured(f"{large}, nothing new, CPU", 1000 * same, "ms", 100),
        Measured(f"{large}, 2,000 new, CPU", 1000 * changed, "ms", 100),
        Measured(f"{large}, more memory", memory, "MiB", 64),
        Measured(f"{wide}, by value", waves, "waves", 82),
        Measured(f"{wide}, by value, CPU of the plan", 1000 * by_value, "ms", 500),
        Measured(f"{wide}, by name", named, "waves", 3),
        Measured(f"{wide}, by name, CPU of the plan", 1000 * by_name, "ms", 500),
        Measured("rollout, longer than its operations", _longer(), "%", 10),
    ]


def _spent(command: list[str]) -> float:
    """CPU seconds of a command."""
    started = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise SystemExit(f"{command}: exit {started.returncode}")
    return used.ru_utime + used.ru_stime


def _wide() -> list[tuple[float, ...]]:
    """Waves and CPU seconds, with outputs handed on by value and by name."""
    text = subprocess.check_output([sys.executable, "-c", _WIDE], cwd=ROOT, text=True)
    return [tuple(map(float, line.split())) for line in text.splitlines()]


def _longer() -> float:
    """How many per cent a rollout takes longer than its operations of a minute."""
    text = subprocess.check_output([sys.executable, "-c", _PACE], cwd=ROOT, text=True)
    return 100 * (float(text) - 1)


def _plan() -> tuple[float, ...]:
    """CPU seconds without and with a change, and MiB of memory more than before."""
    text = subprocess.check_output([sys.executable, "-c", _PLAN], cwd=ROOT, text=True)
    return tuple(map(float, text.split()))
