"""Run a plan wave by wave, explain failures, and restore what was there.

`runner.run` does what a plan says and nothing else. Its parts: `model` (events, failures,
the outcome), `state` (what is known while it runs), `steps` (create, update, delete),
`values`, `definitions` and `instances` (what steps are made of), `operations` (start,
poll, explain) and `restore` (the rollback). Beside them: `snapshot` (the last good
definition of a stack set), `uploads` (artifacts to their buckets) and `advice` (what to
do about a failure) and `gates` (the evidence for going on). May use `plan/`, `system/`, `template/` and `aws/`. Begin reading at
`runner.run`.
"""

from tapgen.rollout.model import (
    Event,
    Failure,
    Fate,
    InstanceFate,
    Lost,
    Outcome,
)
from tapgen.rollout.runner import run

__all__ = ["Event", "Failure", "Fate", "InstanceFate", "Lost", "Outcome", "run"]
