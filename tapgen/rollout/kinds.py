"""The kinds of runs, by the command that starts them: which of them `tapgen resume --back`
takes back, and which ones a new plan replaces.

Whoever offers a way on, or takes one, asks `of`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.frozen import dataclass

MOVE = "move-admin"
"""The command whose run moves the administration to another region."""

IMPORT = "import"
"""The command whose run lets stack sets take over stacks."""


@dataclass(frozen=True)
class RunKind:
    """What may become of an open run, besides going on.

    `no_way_back` says why it cannot be taken back, and what to do instead; it is empty for
    a run that can. `has_plan` says that it carries out a plan, which a newer plan replaces.
    `makes_calls` says that it makes calls one by one, and needs no stack set: so it runs
    while the administration region is away. `only_on` says that it cannot be closed before
    its end either.
    """

    no_way_back: str = ""
    has_plan: bool = True
    makes_calls: bool = False
    only_on: bool = False

    @property
    def goes_back(self) -> bool:
        return not self.no_way_back


_PROCEDURE = RunKind(has_plan=False, makes_calls=True)

_KINDS: Mapping[str, RunKind] = {
    "rollout": RunKind(),
    "rollback": RunKind(),
    "destroy": RunKind(
        "what is deleted stays deleted; a rollout that replaces the run (--supersede) "
        "creates again what the config describes"
    ),
    "repair": RunKind(
        "a repair lets stacks go or ends their rollback, which nothing takes back"
    ),
    IMPORT: RunKind(has_plan=False),
    MOVE: RunKind(
        "stacks may belong to no stack set meanwhile; end it, and move the administration "
        "back afterwards if you want to",
        has_plan=False,
        only_on=True,
    ),
    "failover": _PROCEDURE,
    "failback": _PROCEDURE,
    "promote": _PROCEDURE,
    "drill": _PROCEDURE,
    "shift": _PROCEDURE,
    "drift": RunKind(
        "CloudFormation does not know what the resources were before they were reverted; "
        "make the change by hand again where it was wanted",
        has_plan=False,
        makes_calls=True,
    ),
}


COMMANDS = tuple(_KINDS)
"""The commands that start runs."""


def of(command: str) -> RunKind:
    """Return the kind of the runs of a command; that of a rollout for an unknown one."""
    return _KINDS.get(command, _KINDS["rollout"])
