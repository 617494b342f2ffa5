"""A plan run to its end: wave by wave, explained where it fails, and put back.

`runner.run` does what a plan says and nothing else. Beside it: `snapshot` (the last good
definition of a stack set), `uploads` (artifacts to their buckets) and `advice` (what to
do about a failure). May use `plan/`, `system/` and `aws/`. Begin reading at `runner.run`.
"""

from tapgen.rollout.runner import Event, Failure, Lost, Outcome, run

__all__ = ["Event", "Failure", "Lost", "Outcome", "run"]
