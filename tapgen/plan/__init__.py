"""Plans: the waves of steps that lead from the observed to the desired state.

Pure, except for what `aws/` reads: `planner.make` takes a system and what is deployed and
returns a `Plan` (`model`), by way of `values`, `steps`, `waves`, `deletions` and
`refusals`. Around it: `gates` (after which wave), `change_set_answers` and `reviews`
(what AWS reports), `imports` (stacks that a rollout would create once more), `forecast`, `durations`, `headroom` (quotas) and `drift`. May use
`system/`, `template/`, `aws/` and `knowledge/`.
Begin reading at `planner.make`.
"""

from tapgen.plan.model import Plan, Reference, Step, Value
from tapgen.plan.planner import check, destroy, make
from tapgen.plan.refusals import refusals

__all__ = [
    "Plan",
    "Reference",
    "Step",
    "Value",
    "check",
    "destroy",
    "make",
    "refusals",
]
