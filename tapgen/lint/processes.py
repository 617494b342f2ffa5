"""Run jobs: in forked processes where that is safe, with one run for several jobs of
the same template."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tapgen.lint.cfn_lint import config, rules, run
from tapgen.lint.jobs import Job
from tapgen.model import Finding
from tapgen.template import evaluate, schemas

# Below this many templates, starting processes costs more than it saves.
_WORTH_FORKING = 3


def run_all(
    jobs: Sequence[Job], processes: int, meanwhile: Callable[[], None]
) -> Iterator[tuple[Job, list[Finding]]]:
    """Yield every job with its findings, in the order in which they finish; `meanwhile`
    is called once, while other processes work."""
    batches = _batches(jobs)
    # Forking shares the loaded rules. It is unsafe while other threads run (a lock
    # they hold stays locked in the child), and unreliable outside Linux.
    safe = sys.platform == "linux" and threading.active_count() == 1
    if len(batches) < _WORTH_FORKING or processes < 2 or not safe:
        meanwhile()
        with _collecting():
            for batch in batches:
                yield from _run_batch(batch)
        return
    import multiprocessing  # a process without it can end at once

    rules()
    # The largest first, so that no process is left with it at the end.
    batches.sort(key=lambda batch: -len(batch[0].template))
    context = multiprocessing.get_context("fork")
    processes = min(processes, len(batches))
    with context.Pool(processes, initializer=_own_signals) as pool:
        every = pool.imap_unordered(_run_batch, batches)
        meanwhile()
        for found in every:
            yield from found


_Batch = tuple[Job, ...]
"""Jobs with the same template; one run without findings clears all of them."""


def _batches(jobs: Sequence[Job]) -> list[_Batch]:
    """Group the jobs that may share a run; see `_run_batch`."""
    by_template: dict[str, list[Job]] = {}
    for job in jobs:
        by_template.setdefault(job.template, []).append(job)
    several = any(len(group) > 1 for group in by_template.values())
    found: list[_Batch] = []
    # Some informational rules report only what all regions have (I2530).
    careful = several and any(c.startswith("I") for c in config(()).include_checks)
    for group in by_template.values():
        if len(group) > 1 and not careful and _have_same_schemas(group):
            found.append(tuple(group))
        else:
            found += [(job,) for job in group]
    return found


def _have_same_schemas(jobs: Sequence[Job]) -> bool:
    """Whether every type of a template has one schema in all regions of these jobs.

    Then a template without findings in all of the regions has none in each: what
    cfn-lint looks up by region beside schemas only ever adds errors and warnings.
    Templates with transforms run alone: they are expanded with the first region's values.
    """
    body = evaluate.parsed(jobs[0].template)
    resources = body.get("Resources")
    if "Transform" in body or not isinstance(resources, dict):
        return False
    regions = sorted({region for job in jobs for region in job.regions})
    for resource in resources.values():
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if not isinstance(kind, str) or not schemas.same_everywhere(kind, regions):
            return False
    return True


def _run_batch(batch: _Batch) -> list[tuple[Job, list[Finding]]]:
    """Return the findings of each job: one run for all their regions and, only where
    that finds something, one run for each job."""
    if len(batch) > 1:
        regions = sorted({region for job in batch for region in job.regions})
        facts = ",".join(dict.fromkeys(job.facts for job in batch))
        if not run(Job(batch[0].template, tuple(regions), facts)):
            return [(job, []) for job in batch]
    return [(job, run(job)) for job in batch]


@contextmanager
def _collecting() -> Iterator[None]:
    """Collect garbage, also where the command does not: a run leaves tens of MiB."""
    collects = gc.isenabled()
    gc.enable()
    try:
        yield
    finally:
        if not collects:
            gc.disable()


def _own_signals() -> None:
    """Prepare a worker: what it inherits is never garbage, and it makes much that lasts.

    Ignore Ctrl-C, which reaches the whole process group: the parent ends us, by a
    SIGTERM that must not run a handler of the parent's."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(100_000, 20, 100)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
