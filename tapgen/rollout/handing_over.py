"""The end of a move: the lock and the journal in the new administration region count.

Each piece can be done again, and a process may be killed after each:

1. All of the journal is copied to the new region.
2. The lock there says that it administers the system. Until then the old one counts, and
   the run is open there.
3. The lock in the old region says the same, and stays that of the open run.
4. The run is closed, and the old lock released. Who still has the old region in the config
   is refused from then on, with the line to change (`places.nearest`).
"""

from __future__ import annotations

from dataclasses import replace

from tapgen.aws.stacksets import StackSets
from tapgen.rollout import lock, reconcile
from tapgen.rollout.copies import Copied
from tapgen.rollout.journal import Journal


def hand_over(sets: StackSets, journal: Journal, held: lock.Held, to: str) -> lock.Held:
    """Let the region `to` administer the system of a run; return the run's lock as it is
    then. Raises AwsError where a region does not answer: then nothing is handed over.
    """
    prefix, home, there = journal.prefix, sets.admin.region, sets.buckets[to]
    if isinstance(journal.store, Copied):
        journal.store.finish()
    reconcile.complete(reconcile.Sides(prefix, home, sets.bucket, to, there))
    wanted = replace(held.lock, moved=True, administered=to)
    before = lock.read(there, prefix)
    if before is None or before.lock.administered != to:
        lock.take(there, prefix, replace(wanted, open=False), before)
    return lock.take(journal.store, prefix, wanted, held)
