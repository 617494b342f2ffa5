"""What commands cost over the wire: calls, time and memory, at the embedded AWS.

Three stack sets, 50 accounts and 20 regions: a first plan of 1,000 targets for each, and
a plan and a rollout where 3,000 instances run. Calls are counted where botocore sends
them, in a process with at most 256 open files. Beside each number of calls is the floor:
what AWS's API needs at least. The embedded AWS answers in a millisecond or two, and has
the same processor cores as the command, so the times are those of tapgen alone.

Operations take seconds there, and many minutes on AWS. So a rollout is compared with its
operations from its first change on; what comes before, reading, planning and lint, does
not grow with them. How a rollout keeps pace with operations of a minute is in `machine`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.emulator import DEFAULT_REGIONS, OPT_IN_REGIONS

FILES = 256
REGIONS = DEFAULT_REGIONS + OPT_IN_REGIONS
PARTS = ("base", "mid", "top")

# Runs a command as its entry point does, counts what it sends by service and operation,
# and notes when it first changes a stack set.
_COUNTED = """\
import json, re, resource, sys, time
from collections import Counter
from urllib.parse import parse_qs
started, sent, changed = time.perf_counter(), Counter(), []
CHANGES = ("UpdateStackSet", "CreateStackInstances")
def count():
    from botocore import httpsession
    send = httpsession.URLLib3Session.send
    def counted(self, request):
        service, action = called(request)
        sent[f"{service}:{action}"] += 1
        if action in CHANGES and not changed:
            changed.append(time.perf_counter() - started)
        return send(self, request)
    httpsession.URLLib3Session.send = counted
def called(request):
    headers = {k.lower(): text(v) for k, v in request.headers.items()}
    scope = re.search("Credential=[^/]+/[^/]+/[^/]+/([^/]+)/", headers["authorization"])
    body = text(request.body) if isinstance(request.body, (str, bytes)) else ""
    found = parse_qs(body).get("Action", [request.method])[0]
    target = headers.get("x-amz-target", found)
    return scope[1] if scope else "", target.rpartition(".")[2]
def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
count()
from tapgen.cli import main
code = main(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
found = {"code": code, "calls": sent, "memory": peak, "changed": changed}
found["cpu"] = used.ru_utime + used.ru_stime
found["since"] = time.perf_counter() - started - changed[0] if changed else 0
with open(sys.argv[1], "w") as file:
    json.dump(found, file)
"""


@dataclass(frozen=True)
class Wired:
    """What one command cost, and its goals; `floor` is the least number of calls, and `by`
    has the calls by service and operation.

    `since` are the seconds from its first change of a stack set to its end, `operations`
    those of its operations, and `within` the most that the first may take longer than the
    second, as a part.
    """

    name: str
    seconds: float
    cpu: float
    memory: float
    calls: int
    by: Mapping[str, int]
    floor: int
    most_seconds: float | None = None
    most_memory: float | None = None
    most_calls: int | None = None
    since: float = 0.0
    operations: float | None = None
    within: float = 0.0

    @property
    def met(self) -> bool:
        """Whether every goal is met."""
        limits = (
            (self.seconds, self.most_seconds),
            (self.memory, self.most_memory),
            (self.calls, self.most_calls),
            (self._longer, self.within if self.operations else None),
        )
        return all(most is None or number < most for number, most in limits)

    @property
    def _longer(self) -> float:
        return self.since / self.operations - 1 if self.operations else 0.0

    def data(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "met": self.met}

    def line(self) -> str:
        """The row of the table."""

        def of(most: float | None, unit: str) -> str:
            return f" (goal {most:,.4g}{unit})" if most is not None else ""

        own = ""
        if self.operations:
            own = (
                f"\n{'':34}before the first operation {self.seconds - self.since:.1f} s, "
                f"operations {self.operations:.1f} s, from the first to the end "
                f"{100 * self._longer:.0f} % longer (goal {100 * self.within:.0f} %)"
            )
        most = sorted(self.by.items(), key=lambda one: (-one[1], one[0]))
        return (
            f"{self.name:34}{self.seconds:7.1f} s{of(self.most_seconds, ' s')}, "
            f"CPU {self.cpu:.1f} s, "
            f"{self.memory:.0f} MiB{of(self.most_memory, '')}, {self.calls:,} calls"
            f"{of(self.most_calls, '')}, floor {self.floor:,}: "
            f"{'met' if self.met else 'MISSED'}{own}"
            f"\n{'':34}{', '.join(f'{count} {name}' for name, count in most[:6])}"
        )


@dataclass
class Fleet:
    """A folder with a config of three stack sets and an embedded AWS of its own."""

    folder: Path
    accounts: int = 50
    regions: Sequence[str] = tuple(REGIONS)
    last: Any = None

    def write(self, value: str = "1") -> None:
        """Write the config and its template; another `value` changes the first part."""
        others = [f'"{number:012}"' for number in range(1, self.accounts)]
        lines = [
            "blueprint: custom",
            "suffix: dev",
            f"accounts: [self, {', '.join(others)}]",
            "admin: {region: us-east-1}",
            "regions:",
            *(f"  r{number}: {name}" for number, name in enumerate(self.regions)),
            "rollout: {preferences: {max_concurrent_count: 50, region_concurrency: PARALLEL}}",
            "stack_sets:",
        ]
        for part in PARTS:
            changed = value if part == PARTS[0] else "1"
            lines.append(f"  {part}:")
            lines.append("    template: topic.json")
            lines.append(f"    parameters: {{Part: {part}, Size: '{changed}'}}")
        place = self.folder / "stacksets"
        place.mkdir(exist_ok=True)
        (place / "fleet.yaml").write_text("\n".join(lines) + "\n")
        (place / "topic.json").write_text(json.dumps(TEMPLATE))

    def aws(self) -> Any:
        """The embedded AWS as the fleet's own account."""
        from tapgen.aws import session

        state = json.loads((self.folder / ".tapgen" / "local.json").read_text())
        url = f"http://127.0.0.1:{state['port']}"
        return session.connect_local(url, "us-east-1")

    def enable(self) -> None:
        """Enable the regions that an account has to enable."""
        from tapgen.aws.session import ask
        from tapgen.model import Target

        aws = self.aws()
        for account in range(self.accounts):
            client = aws.client("account", Target(f"{account:012}", "us-east-1"))
            for region in {*self.regions} & {*OPT_IN_REGIONS}:
                ask(client, "enable_region", RegionName=region)

    def run(self, *arguments: str, codes: Sequence[int] = (0,)) -> Any:
        """Run a tapgen command; return its calls, seconds and memory."""
        counts = self.folder / "counts.json"
        counts.unlink(missing_ok=True)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _COUNTED, str(counts), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            preexec_fn=_few_files,
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        )
        seconds = time.perf_counter() - start
        found = json.loads(counts.read_text()) if counts.exists() else {}
        if found.get("code") not in codes:
            raise SystemExit(f"{arguments}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
        self.last = found["calls"]
        return found | {"seconds": seconds, "total": sum(found["calls"].values())}


TEMPLATE = {
    "Description": "A topic and two parameters",
    "Parameters": {
        "Part": {"Type": "String"},
        "Size": {"Type": "String"},
        "EnvironmentSuffix": {"Type": "String"},
    },
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
        **{
            name: {
                "Type": "AWS::SSM::Parameter",
                "Properties": {
                    "Name": {"Fn::Sub": f"/fleet/${{Part}}/{name}"},
                    "Type": "String",
                    "Value": {"Ref": "Size"},
                },
            }
            for name in ("One", "Two")
        },
    },
    "Outputs": {"TopicArn": {"Value": {"Ref": "Topic"}}},
}


def _few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


@contextmanager
def fleet(accounts: int, regions: Sequence[str] = tuple(REGIONS)) -> Iterator[Fleet]:
    """A fleet in a new folder, with its embedded AWS running."""
    tapgen = [sys.executable, "-m", "tapgen", "local"]
    with tempfile.TemporaryDirectory() as name:
        made = Fleet(Path(name), accounts, regions)
        made.write()
        quiet: dict[str, Any] = {"cwd": name, "check": True, "capture_output": True}
        # A port of its own: that of the user's project may be in use.
        port = os.environ.get("TAPGEN_BENCH_PORT", "4671")
        subprocess.run([*tapgen, "start", "--port", port], **quiet)
        try:
            made.enable()
            yield made
        finally:
            subprocess.run([*tapgen, "stop"], **quiet)


def measure(
    say: Callable[[str], None], accounts: int = 50, most: int = 250
) -> list[Wired]:
    """Measure all commands; takes two minutes, half of them to create 3,000 stacks."""
    results = []
    with fleet(most) as made:
        say(f"wire: first plan, {most * len(REGIONS):,} targets")
        many = made.run("plan", "fleet", "--local", codes=(2,))
        results.append(_wired(f"first plan, {most} accounts", many, 2, most_memory=300))
    with fleet(accounts) as made:
        targets = accounts * len(REGIONS)
        say(f"wire: first plan, {targets:,} targets")
        first = made.run("plan", "fleet", "--local", codes=(2,))
        results.append(
            _wired(
                f"first plan, {targets:,} targets x 3",
                first,
                2,
                most_seconds=5,
                most_memory=100,
            )
        )
        say(f"wire: creating {3 * targets:,} stacks")
        made.run("rollout", "fleet", "--local", "--yes")
        say("wire: plan again")
        again = made.run("plan", "fleet", "--local")
        sweep = 2 + 3 * (2 + -(-targets // 100))
        results.append(
            _wired(
                f"empty plan, {3 * targets:,} instances",
                again,
                sweep,
                most_seconds=2,
                most_calls=60,
            )
        )
        say(f"wire: one change to {targets:,}")
        made.write("2")
        changed = made.run("rollout", "fleet", "--local", "--yes")
        floor = sweep + 2 * accounts - 1 + 11 + 2 * -(-targets // 100)
        results.append(
            _wired(
                f"one change to {targets:,} of {3 * targets:,}",
                changed,
                floor,
                most_calls=600,
                since=changed["since"],
                operations=_operations(made),
                within=0.1,
            )
        )
    return results


def _wired(name: str, found: Any, floor: int, **goals: Any) -> Wired:
    spent = (found[key] for key in ("seconds", "cpu", "memory", "total", "calls"))
    return Wired(name, *spent, floor, **goals)


def _operations(made: Fleet) -> float:
    """The seconds from the beginning to the end of the newest operation."""
    from tapgen.aws.session import ask

    client = made.aws().client("cloudformation")
    found = ask(client, "list_stack_set_operations", StackSetName="fleet-dev-base")
    newest = found["Summaries"][0]
    begun: datetime = newest["CreationTimestamp"]
    ended: datetime = newest["EndTimestamp"]
    return (ended - begun).total_seconds()


def table(results: Sequence[Wired]) -> str:
    """The results as text."""
    return "\n".join(
        ["over the wire, at the embedded AWS:", *(r.line() for r in results)]
    )


if __name__ == "__main__":
    sizes = [int(n) for n in sys.argv[1:]]
    print(table(measure(lambda text: print(text, file=sys.stderr), *sizes)))
