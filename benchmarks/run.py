"""`make bench`: what tapgen costs, as a ratio to a peer measured in the same run.

Whole processes, ours and the peer's in turn, so that a busy machine slows both; each
round gives one ratio, and the median of those is the result. Times of another machine
or another day are not comparable, ratios are. Nothing here fails for being slow.
The embedded AWS is measured by `benchmarks.emulator`, comparisons by `benchmarks.algebra`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks import algebra, emulator, hundred, linting, machine, wire

ROOT = Path(__file__).resolve().parents[1]
TAPGEN = Path(sys.executable).with_name("tapgen")

GOAL_MEMORY = 100  # MiB, for generation
MEBIBYTE = 1024 * 1024

# As tapgen and the peers run once they are installed: with the bytecode of before.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

HEAVY = ("troposphere", "boto3", "botocore", "cfnlint", "pydantic", "rich")
"""What `tapgen --help` must not import."""

Command = Callable[[Path], Sequence[str]]
"""A command line that may write into a new empty folder."""


@dataclass(frozen=True)
class Spread:
    """The least, the middle and the most of several numbers."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        return cls(min(numbers), median(numbers), max(numbers))


@dataclass(frozen=True)
class Result:
    """Seconds of both sides, and their ratio round by round."""

    name: str
    peer: str
    goal: float
    ours_seconds: Spread
    peer_seconds: Spread
    ratio: Spread

    @property
    def met(self) -> bool:
        return self.ratio.median <= self.goal


def compare(
    name: str, ours: Command, peer_name: str, peer: Command, goal: float, runs: int
) -> Result:
    """Measure both `runs` times in turn, after one run each that is not counted."""
    spent: dict[str, list[float]] = {"ours": [], "peer": []}
    sides = [("ours", ours), ("peer", peer)]
    for _, command in sides:
        _seconds(command)  # writes bytecode and fills the disk's cache
    for _ in range(runs):
        for side, command in sides:
            spent[side].append(_seconds(command))
        sides.reverse()
    ratios = [o / p for o, p in zip(spent["ours"], spent["peer"], strict=True)]
    return Result(
        name,
        peer_name,
        goal,
        Spread.of(spent["ours"]),
        Spread.of(spent["peer"]),
        Spread.of(ratios),
    )


def _seconds(command: Command) -> float:
    with tempfile.TemporaryDirectory() as folder:
        arguments = command(Path(folder))
        start = time.perf_counter()
        done = subprocess.run(
            arguments, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
        )
        spent = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit {done.returncode}{done.stderr}")
    return spent


@dataclass(frozen=True)
class Memory:
    """The most memory that a command and its peer held, in MiB."""

    name: str
    peer: str
    goal: float
    ours: float
    theirs: float

    @property
    def met(self) -> bool:
        return self.ours < self.goal


def _peak(command: Command) -> float:
    """The largest resident set of a command, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        nothing = subprocess.DEVNULL
        started = subprocess.Popen(
            command(Path(folder)), cwd=ROOT, env=ENVIRONMENT, stdout=nothing
        )
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise SystemExit(f"{started.args!r}: exit {started.returncode}")
    # Linux counts in KiB, macOS in bytes.
    return used.ru_maxrss / (MEBIBYTE if sys.platform == "darwin" else 1024)


def imported(arguments: Sequence[str]) -> set[str]:
    """Which of HEAVY a tapgen command imports."""
    code = (
        "import sys\n"
        "from tapgen.cli import main\n"
        f"code = main({list(arguments)!r})\n"
        "print(*sorted(sys.modules), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(HEAVY) & set(done.stderr.split())


def startup(runs: int) -> Result:
    """`tapgen --help` against an interpreter that does nothing."""
    return compare(
        "tapgen --help",
        lambda _: [str(TAPGEN), "--help"],
        "python -c pass",
        lambda _: [sys.executable, "-c", "pass"],
        2.5,
        runs,
    )


def generation(runs: int) -> tuple[list[Result], Memory]:
    """`tapgen templates` against a bare Troposphere script of the same templates: all
    made anew, and with the configs unchanged."""
    # Loads troposphere and awacs, which the other comparison is not to wait for.
    from benchmarks.bare_script import transcribe

    def ours(folder: Path) -> list[str]:
        return [str(TAPGEN), "templates", "--to", str(folder)]

    def anew(folder: Path) -> list[str]:
        return [*ours(folder), "--no-cache"]

    with tempfile.TemporaryDirectory() as scripts, tempfile.TemporaryDirectory() as out:
        subprocess.run(anew(Path(out)), cwd=ROOT, check=True, capture_output=True)
        made = _templates(Path(out))
        # A module, so that its bytecode is kept as tapgen's is.
        (Path(scripts) / "bare_templates.py").write_text(transcribe(made))

        def peer(folder: Path) -> list[str]:
            path = f"import sys; sys.argv = ['', {str(folder)!r}]; "
            path += f"sys.path.insert(0, {scripts!r}); import bare_templates"
            return [sys.executable, "-c", path]

        _same(made, peer)
        bare = f"bare script, {len(made)} templates"
        results = [
            compare("templates, anew", anew, bare, peer, 1.35, runs),
            compare("templates, again", ours, bare, peer, 1.5, runs),
        ]
        name = "templates, anew"
        return results, Memory(name, bare, GOAL_MEMORY, _peak(anew), _peak(peer))


def many(runs: int) -> Result:
    """A hundred templates at once against a process for each."""
    with tempfile.TemporaryDirectory() as written:
        files = Path(written)
        hundred.write(files)
        return compare(
            f"{hundred.NUMBER} templates",
            lambda folder: hundred.ours(TAPGEN, files, folder),
            f"{hundred.NUMBER} bare scripts",
            lambda folder: hundred.peer(files, folder),
            1 / 3,
            min(runs, 3),  # a process for each takes its time
        )


def lint(runs: int) -> list[Result]:
    """`tapgen lint` against cfn-lint itself, and against generation alone."""
    with tempfile.TemporaryDirectory() as cache:
        return [
            compare(r.name, r.ours, r.peer_name, r.peer, r.goal, most)
            for r in linting.races(Path(cache))
            # Minutes for each round where everything is checked anew.
            for most in [min(runs, 3) if r.slow else runs]
        ]


def _templates(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*.json")
        if not path.name.startswith("manifest")
    }


def _same(made: dict[str, str], peer: Command) -> None:
    """SystemExit unless the bare script builds the same templates."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(peer(Path(folder)), cwd=ROOT, check=True)
        built = _templates(Path(folder))
    differing = sorted(
        path
        for path in {*made, *built}
        if json.loads(made.get(path, "null")) != json.loads(built.get(path, "null"))
    )
    if differing:
        raise SystemExit(f"the bare script builds others: {', '.join(differing)}")


def _table(
    results: Sequence[Result],
    memory: Memory,
    heavy: set[str],
    own: Sequence[machine.Measured],
    runs: int,
) -> str:
    lines = [
        f"{runs} rounds, whole processes, ours and the peer's in turn; "
        f"Python {platform.python_version()}, {os.cpu_count()} cores",
        "",
        f"{'':18}{'peer':28}{'ours':>8}{'peer':>8}  "
        f"{'ratio: min':>10}{'median':>8}{'max':>8}{'goal':>6}",
    ]
    for r in results:
        ours, peer = r.ours_seconds.median * 1000, r.peer_seconds.median * 1000
        lines.append(
            f"{r.name:18}{r.peer:28}{ours:5.0f} ms{peer:5.0f} ms  "
            f"{r.ratio.min:10.2f}{r.ratio.median:8.2f}{r.ratio.max:8.2f}"
            f"{r.goal:6.2f}  {'met' if r.met else 'MISSED'}"
        )
    found = ", ".join(sorted(heavy)) or "none"
    lines += [
        "",
        f"most memory of {memory.name}: {memory.ours:.0f} MiB ({memory.peer}: "
        f"{memory.theirs:.0f} MiB), goal {memory.goal:.0f}: "
        f"{'met' if memory.met else 'MISSED'}",
        f"of {', '.join(HEAVY)}, tapgen --help imports: {found}",
        "",
        *(one.line() for one in own),
    ]
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="rounds (default 9)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of the embedded AWS (default 3; 0: none)"
    )
    parser.add_argument(
        "--accounts", type=int, default=50, help="over the wire (default 50; 0: none)"
    )
    given = parser.parse_args(arguments)
    if given.runs < 1:
        parser.error("--runs: at least 1")
    made, memory = generation(given.runs)
    results = [startup(given.runs), *made, many(given.runs), *lint(given.runs)]
    heavy = imported(["--help"])
    own = machine.measured(given.runs)
    compared = algebra.measure()
    if not given.json:
        print(_table(results, memory, heavy, own, given.runs), flush=True)
        print("\n" + algebra.table(compared), flush=True)
    wired = wire.measure(_say, given.accounts) if given.accounts > 0 else []
    if not given.json and wired:
        print("\n" + wire.table(wired), flush=True)
    embedded = emulator.compare(given.rounds, _say) if given.rounds > 0 else []
    if not given.json:
        if embedded:
            print("\n" + emulator.table(embedded, given.rounds))
        return
    data = {
        "runs": given.runs,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "results": [{**asdict(r), "met": r.met} for r in results],
        "memory": {**asdict(memory), "met": memory.met},
        "heavy_imports_of_help": sorted(heavy),
        "own": [{**asdict(one), "met": one.met} for one in own],
        "comparisons": [one.data() for one in compared],
        "wire": [one.data() for one in wired],
        "emulator": [one.data() for one in embedded],
    }
    print(json.dumps(data, indent=2))


if __name__ == "__main__":
    main()
