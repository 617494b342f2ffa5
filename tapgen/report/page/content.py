"""What a page is made of: the data of the stages; what is None is no section."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tapgen.frozen import dataclass
from tapgen.model import Finding, System
from tapgen.plan import Plan
from tapgen.report.outlook import Outlook
from tapgen.rollout.ran import Ran
from tapgen.system.topology import Topology


@dataclass(frozen=True)
class Planned:
    """A plan with its outlook, which one that was carried out no longer has. `allowed` are
    exact names, as for `plan.refusals`. `apply` says how to go on, by `command`, which
    applies exactly this plan where it is `saved` in a file, and else plans again."""

    plan: Plan
    outlook: Outlook | None
    allowed: Sequence[str] = ()
    apply: str = ""
    command: str = ""
    saved: bool = False


@dataclass(frozen=True)
class Page:
    """A page about a system: `about` is the first word of its title.

    With a run that was carried out, what is planned is the plan of then. `topology` is that of the system, resolved; its picture marks what is planned.
    `findings` are those of lint, `policy` what breaks a policy, each None where nothing was
    checked. `unread` says what could not be read, and so is missing in this page.
    """

    about: str
    system: System
    written: datetime
    tapgen: str
    local: bool = False
    ran: Ran | None = None
    planned: Planned | None = None
    topology: Topology | None = None
    findings: Sequence[Finding] | None = None
    policy: Sequence[Finding] | None = None
    unread: Sequence[str] = ()
