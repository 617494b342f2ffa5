"""What has no peer, in CPU time and memory: the first answer of lint, and a large plan.

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
    """Both, each the least of several rounds."""
    quick = min(_spent([str(TAPGEN), "lint", "--quick", EDITED]) for _ in range(runs))
    plans = [_plan() for _ in range(min(runs, 3))]
    same, changed, memory = (min(numbers) for numbers in zip(*plans, strict=True))
    large = "plan of 10,000 instances"
    return [
        Measured("lint --quick, one edited, CPU", quick, "s", 0.5),
        Measured(f"{large}, nothing new, CPU", 1000 * same, "ms", 100),
        Measured(f"{large}, 2,000 new, CPU", 1000 * changed, "ms", 100),
        Measured(f"{large}, more memory", memory, "MiB", 64),
    ]


def _spent(command: list[str]) -> float:
    """CPU seconds of a command."""
    started = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise SystemExit(f"{command}: exit {started.returncode}")
    return used.ru_utime + used.ru_stime


def _plan() -> tuple[float, ...]:
    """CPU seconds without and with a change, and MiB of memory more than before."""
    text = subprocess.check_output([sys.executable, "-c", _PLAN], cwd=ROOT, text=True)
    return tuple(map(float, text.split()))
