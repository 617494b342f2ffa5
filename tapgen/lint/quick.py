"""The first answer: AWS's cloudformation-validate, in a fraction of cfn-lint's time.

It has most of cfn-lint's rules, and none of ours, and does not see stack sets together:
it is an answer while somebody edits, and never the verdict. It is an extra
(`tapgen[validate]`), because its wheel needs a newer glibc than the rest of tapgen. Its
rules have cfn-lint's ids; those about schemas begin with F instead of E.

`python -m tapgen.lint.quick` reads jobs and prints findings, both as JSON: the library
takes 300 MiB, which the processes that run cfn-lint would share.
"""

from __future__ import annotations

import atexit
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tapgen.errors import ConfigError, TapgenError
from tapgen.lint.jobs import Job
from tapgen.lint.result_cache import from_text, to_text
from tapgen.model import Finding, Severity
from tapgen.template import schemas

HOME = "https://github.com/aws-cloudformation/cloudformation-validate"
MISSING = (
    "--quick needs cloudformation-validate, which is not installed; install it with: "
    "pip install 'tapgen[validate]', or leave out --quick to use cfn-lint"
)
PATIENCE = 60
"""Seconds after which nobody waits for the first answer any longer."""

# Rules whose findings cfn-lint does not have, or tapgen knows better. cfn-lint's own W1011
# and W2501 report the same properties, if their values are no dynamic references.
_LEFT_OUT = (
    "W1011",  # also for parameters within the name of a secret, in Fn::Sub
    "W2501",  # the same
    "W1001",  # E9595 knows for each target which conditions hold
    "W3011",  # also for types that have no data, such as versions of functions
)
_SEVERITIES = {
    "FATAL": Severity.ERROR,
    "ERROR": Severity.ERROR,
    "WARN": Severity.WARNING,
}
_SECTIONS = {
    "RESOURCE": "Resources",
    "PARAMETER": "Parameters",
    "OUTPUT": "Outputs",
    "CONDITION": "Conditions",
    "MAPPING": "Mappings",
    "RULE": "Rules",
}


def is_installed() -> bool:
    """Whether the library is there."""
    return find_spec("cloudformation_validate") is not None


def check(jobs: Sequence[Job]) -> list[list[Finding]]:
    """Return the findings in each job. Raises TapgenError where the library is missing."""
    try:
        import cloudformation_validate as library
    except (ImportError, OSError) as error:  # OSError: too old a glibc
        raise TapgenError(MISSING) from error
    return [_check(library, _engine(), job) for job in jobs]


@cache
def _engine() -> Any:
    """Return the engine, which takes a tenth of a command to take apart: it is kept."""
    import cloudformation_validate as library

    atexit.register(_engine.cache_clear)  # it needs its module to end
    return library.CelEngine()


def _check(library: Any, engine: Any, job: Job) -> list[Finding]:
    try:
        body = json.loads(job.template)
    except (ValueError, RecursionError):
        body = {}
    found: dict[Finding, None] = {}
    for region in _regions(body, job.regions):
        settings = library.ValidateConfig(
            exclude=library.RuleFilterConfig(ids=list(_LEFT_OUT)),
            detail_level=library.DetailLevel.STANDARD,
            severity_level=library.Severity.WARN,
            pseudo_parameter_overrides=library.PseudoParameterOverrides(region=region),
        )
        try:
            report = engine.validate_template(job.template.encode(), settings)
        except library.ValidationError as error:
            text = " ".join(str(error).split())
            found[Finding("", "", "E0000", Severity.ERROR, text, url=HOME)] = None
            continue
        for diagnostic in report.diagnostics:
            one = finding(diagnostic)
            if not _is_silenced(body, one):
                found[one] = None
    return list(found)


def _regions(body: Any, regions: Sequence[str]) -> Sequence[str]:
    """Return the regions to check for: one, where all types are the same in all."""
    resources = body.get("Resources") if isinstance(body, dict) else None
    for resource in resources.values() if isinstance(resources, dict) else ():
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if isinstance(kind, str) and not schemas.same_everywhere(kind, regions):
            return regions
    return regions[:1]


def finding(diagnostic: Any) -> Finding:
    """Return a diagnostic of the library as a finding, with no stack set yet."""
    entity = diagnostic.entity
    section = _SECTIONS.get(entity.entity_type.name) if entity else None
    named = entity.logical_id if entity and section else ""
    steps = [s for s in re.split(r"[./\[\]]+", diagnostic.property_path or "") if s]
    path = tuple(int(s) if s.isdigit() else s for s in steps)
    if section and path[:2] != (section, named):
        path = (section, named, *path)
    return Finding(
        stack_set="",
        logical_id=named,
        rule=diagnostic.rule_id,
        severity=_SEVERITIES.get(diagnostic.severity.name, Severity.INFORMATIONAL),
        message=diagnostic.message,
        path=path,
        line=diagnostic.start_line or 1,
        column=diagnostic.start_column or 1,
        url=HOME,
    )


def _is_silenced(body: Any, finding: Finding) -> bool:
    """Whether the template, or the resource, ignores a rule in cfn-lint's metadata."""
    places = [body]
    if finding.path[:1] == ("Resources",):
        places.append(body.get("Resources", {}).get(finding.logical_id))
    ignored: list[Any] = []
    for place in places:
        for key in ("Metadata", "cfn-lint", "config", "ignore_checks"):
            place = place.get(key) if isinstance(place, dict) else None
        ignored += place if isinstance(place, list) else []
    names = {finding.rule, finding.rule.replace("F", "E")}
    return any(
        isinstance(each, str) and each and name.startswith(each)
        for each in ignored
        for name in names
    )


def listed(file: Path) -> Iterator[tuple[str, Job]]:
    """Yield each stack set with the committed template in a file, and its job; none
    where no manifest beside the file lists it. Raises ConfigError for an unreadable one.
    """
    try:
        text = file.read_text(encoding="utf-8")
        for path in sorted(file.parent.glob("manifest*.json")):
            for entry in json.loads(path.read_text(encoding="utf-8"))["stack_sets"]:
                if entry["template"] == file.name:
                    regions = sorted({target["region"] for target in entry["targets"]})
                    yield entry["name"], Job(text, tuple(regions or ["us-east-1"]), "")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError([f"{file}: {reason}; give a template of a system"]) from error
    except (ValueError, LookupError, TypeError) as error:
        problem = f"{file.parent}: a manifest is not readable ({error})"
        raise ConfigError([f"{problem}; run tapgen templates"]) from error


# In a process of its own ----------------------------------------------------------------


def start(jobs: Iterable[Job]) -> subprocess.Popen[str]:
    """Start to check jobs in another process."""
    started = subprocess.Popen(
        [sys.executable, "-m", "tapgen.lint.quick"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert started.stdin
    try:
        with started.stdin:
            json.dump([asdict(job) for job in jobs], started.stdin)
    except OSError:
        pass  # it has ended already
    started.stdin = None
    return started


def answer(started: subprocess.Popen[str]) -> list[list[Finding]] | None:
    """Return the findings in each job; None where there is no answer."""
    try:
        text, _ = started.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        started.kill()
        started.communicate()
        return None
    if started.returncode:
        return None
    return [from_text(line) or [] for line in text.splitlines()]


def _main() -> None:
    jobs = [
        Job(j["template"], (*j["regions"],), j["facts"]) for j in json.load(sys.stdin)
    ]
    for found in check(jobs):
        print(to_text(found))


if __name__ == "__main__":
    _main()
