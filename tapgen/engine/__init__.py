"""The rollout engine as a function in AWS: its turns, and its package.

`turn` is what Lambda calls: it advances a run of `rollout/` for as long as there is
something to do, and says when to call it again. `package` makes the zip of it, with nothing
but the standard library, boto3 and what a run needs of the other rooms. `executions` starts it
and wakes it, for commands. May use `rollout/` and `aws/`, the model and the errors. Begin
reading at `turn.handle`.
"""

from tapgen.rollout.program import NEWEST

FORMAT = NEWEST
"""The newest format of journals that this engine reads."""
