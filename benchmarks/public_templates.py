"""Templates that others have published, each rolled out and deleted as a user would.

    python -m benchmarks.public_templates CHECKOUTS [--write] [--only TEXT] [--workers N]

`CHECKOUTS` has a checkout of each of `REPOSITORIES` in `OWNER/NAME`, at that commit. Of
all templates in them, a fixed seed chooses `CHOSEN`. Each one becomes a system of the
blueprint `custom` on an embedded AWS that enforces permissions, and goes through lint,
rollout, a second plan, which must have nothing to do, and destroy. Parameters without a
default get values by type and name: what a user of the template would have to have.

`public_templates.csv` has the outcomes: of 200 templates AWS refuses 42, and 145 of the
other 158 pass. A template that does not pass is excluded where
AWS refuses it, too, with AWS's own sentence (`refused_by_aws`). All others
that do not pass are ours.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

from benchmarks import fillers, refused_by_aws
from tapgen import cli
from tapgen.errors import TapgenError
from tapgen.template import decode

REPOSITORIES = {
    "aws-cloudformation/aws-cloudformation-templates": "142ce6f283d285fa370adb7f9d332d7f46dac5fc",
    "aws-samples/serverless-patterns": "fb7b5d06c27d8abb1bd35e52ab7523acf4baab7b",
    "aws-samples/aws-security-reference-architecture-examples": "7803ea4e3c930c246c33095012b460faa41e32cd",
    "aws-samples/ecs-refarch-cloudformation": "a257e226b33bd9d2a721e5afd9d7e8b66dbacfdc",
    "aws-samples/startup-kit-templates": "4d74627a385d1368833d50da30461536c2e59369",
    "aws-quickstart/quickstart-aws-vpc": "e7ab8614e05bcaf0b87aadbafa8c1916274a07c7",
    "aws-quickstart/quickstart-linux-bastion": "b0284b7e4580e415ede5a280f591adbb414f3373",
    "awslabs/aws-config-rules": "b54d4a6c99e105c25ca46af9305770e4ba51c422",
    "stelligent/cloudformation_templates": "74addde798e276adb45ec9f1487f4a5e2f58cabb",
    "widdix/aws-cf-templates": "1a9f04f934179975a3a56c2496d2ed2b27598bd8",
}
"""Public repositories, and the commit that was read."""

SEED, CHOSEN = 18, 200
LIMIT = 300
"""Seconds for one template."""

OUTCOMES = Path(__file__).with_suffix(".csv")
_ENDINGS = (".yaml", ".yml", ".json", ".template")
_LARGEST = 20 * 1024 * 1024  # bytes of a template's folder that are copied
_CONFIG = """\
blueprint: custom
suffix: x
regions: {main: us-east-1}
stack_sets:
  s:
    template: %s
    parameters: %s
pass_roles: %s
"""


Work = tuple[str, Path, Path]


@dataclass(frozen=True)
class Outcome:
    """How far a template came: `passed`, `refused by AWS`, or the step that failed."""

    address: str
    outcome: str
    step: str = ""
    why: str = ""


def addresses(checkouts: Path) -> Iterator[Work]:
    """Yield the address, the file and the checkout of each different template."""
    seen = set()
    for repository, commit in REPOSITORIES.items():
        folder = checkouts / repository
        for file in sorted(folder.rglob("*")):
            if file.suffix not in _ENDINGS or not file.is_file() or file.is_symlink():
                continue
            content = file.read_bytes()
            if b"AWS::" not in content or sha256(content).digest() in seen:
                continue
            if _is_template(content):
                seen.add(sha256(content).digest())
                path = file.relative_to(folder).as_posix()
                yield f"https://github.com/{repository}/blob/{commit}/{path}", file, folder


def _is_template(content: bytes) -> bool:
    try:
        body = decode.template(content.decode("utf-8-sig"), "it", lambda *a: a[0])
    except (TapgenError, UnicodeDecodeError):
        # What does not decode is a template when it says so.
        return b"AWSTemplateFormatVersion" in content and b"Resources" in content
    return bool(body.get("Resources"))


def drive(address: str, file: Path, repository: Path, place: Path) -> Outcome:
    """Take a template through all steps, in a folder with an embedded AWS."""
    os.chdir(place)
    # As short as a user can make it: names that begin with the name of the stack fit.
    name = "t"
    config, own = Path("stacksets", f"{name}.yaml"), Path("stacksets", name)
    shutil.rmtree(own, ignore_errors=True)
    small = sum(f.stat().st_size for f in file.parent.rglob("*") if f.is_file())
    if small < _LARGEST:
        shutil.copytree(file.parent, own, symlinks=True)
    else:
        own.mkdir(parents=True)
        shutil.copy(file, own)
    template = own / file.name
    try:
        template = fillers.build(template, repository)
        _said("local", "reset")
        values, passed = fillers.values(template)
        text = _CONFIG % (
            f"{name}/{template.name}",
            json.dumps(values),
            json.dumps(passed),
        )
        config.write_text(text)
        for step, command, expected in (
            ("lint", ("lint", name), (0, 4, 8, 12)),
            ("rollout", ("rollout", name, "--local", "--yes"), (0,)),
            ("plan", ("plan", name, "--local"), (0,)),
            ("destroy", ("destroy", name, "--local", "--yes"), (0,)),
        ):
            code, said = _said(*command)
            if code not in expected:
                return judged(address, step, said)
        return Outcome(address, "passed")
    finally:
        config.unlink(missing_ok=True)
        shutil.rmtree(own, ignore_errors=True)
        shutil.rmtree(Path("templates_out"), ignore_errors=True)


def _said(*command: str) -> tuple[int, str]:
    """Run a command; return its exit code, and what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            code = cli.main(command)
        except Exception as error:  # a traceback for the user: always ours
            import traceback

            traceback.print_exc(file=printed)
            code = 70
            print(f"TRACEBACK {error!r}")
    return code, printed.getvalue()


def judged(address: str, step: str, said: str) -> Outcome:
    """Whether AWS refuses the template, too, for a reason that a step gives."""
    errors = refused_by_aws.problems(said)
    found = dict.fromkeys(filter(None, refused_by_aws.explained(errors)))
    if not found:
        return Outcome(address, "failed", step, " / ".join(errors))
    why = [f"{one.words} ({one.source})" for one in found]
    return Outcome(address, "refused by AWS", step, " / ".join(why))


def _child(
    address: str, file: Path, repository: Path, place: Path, answer: Any
) -> None:
    try:
        answer.send(drive(address, file, repository, place))
    except BaseException as error:
        import traceback

        answer.send(
            Outcome(address, "failed", "harness", traceback.format_exc() + repr(error))
        )


def _driven(work: Work) -> Outcome:
    """In a worker: drive a template in a process of its own, which may hang or die."""
    address, file, repository = work
    place = Path(os.environ["PUBLIC_TEMPLATES"]) / str(threading.get_ident())
    (place / "stacksets").mkdir(parents=True, exist_ok=True)
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    child = fork.Process(target=_child, args=(address, file, repository, place, there))
    child.start()
    there.close()
    try:
        found = (
            here.recv()
            if here.poll(LIMIT)
            else Outcome(address, "failed", "time", f"more than {LIMIT} s")
        )
    except EOFError:
        found = Outcome(address, "failed", "harness", "the process died")
    child.kill()
    child.join()
    return found


def chosen(checkouts: Path) -> list[Work]:
    """Return the templates that the seed chooses."""
    found = list(addresses(checkouts))
    print(f"{len(found)} templates", file=sys.stderr)
    return random.Random(SEED).sample(found, min(CHOSEN, len(found)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.public_templates")
    parser.add_argument("checkouts", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--first", type=int, default=CHOSEN)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--known", type=Path)
    given = parser.parse_args(arguments)
    work = chosen(given.checkouts.absolute())[given.skip : given.first]
    work = [one for one in work if given.only in one[0]]
    if given.known:
        known = {json.loads(line)["address"] for line in given.known.open()}
        work = [one for one in work if one[0] not in known]
    with tempfile.TemporaryDirectory(prefix="public-templates-") as folder:
        os.environ["PUBLIC_TEMPLATES"] = folder
        outcomes = []
        warm()
        try:
            with ThreadPool(min(given.workers, len(work))) as pool:
                for n, outcome in enumerate(pool.imap_unordered(_driven, work)):
                    outcomes.append(outcome)
                    print(
                        n + 1,
                        outcome.outcome,
                        outcome.step,
                        outcome.address,
                        flush=True,
                    )
                    if given.log:
                        with given.log.open("a") as log:
                            print(json.dumps(outcome.__dict__), file=log)
        finally:
            stop(Path(folder))
    print(Counter((o.outcome, o.step) for o in outcomes))
    if given.write:
        with OUTCOMES.open("w", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(["address", "outcome", "step", "why"])
            for o in sorted(outcomes, key=lambda o: o.address):
                writer.writerow([o.address, o.outcome, o.step, " ".join(o.why.split())])
    return 0


def warm() -> None:
    """Import what the children need, once."""
    import importlib

    for module, _ in cli.COMMANDS.values():
        importlib.import_module(f"tapgen.cli.{module}")
    import boto3  # noqa: F401
    import cfnlint.api  # noqa: F401

    import tapgen.accounts.bootstrap  # noqa: F401
    import tapgen.lint  # noqa: F401
    import tapgen.plan  # noqa: F401
    import tapgen.rollout  # noqa: F401


def stop(folder: Path) -> None:
    """End the embedded AWS of each worker."""
    from tapgen.emulator.server import lifecycle

    for place in folder.iterdir():
        lifecycle.stop(place / ".tapgen")


if __name__ == "__main__":
    sys.exit(main())
