"""Stack sets and stack instances, as CloudFormation reports them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from tapgen.frozen import dataclass
from tapgen.model.organizations import AutoDeployment, PermissionModel
from tapgen.model.statuses import InstanceDetailedStatus, InstanceStatus
from tapgen.model.targets import Target

HIDDEN = "****"
"""What CloudFormation shows instead of the value of a NoEcho parameter: it can never be
compared."""


NO_STACK = "{}"
"""The template of an instance without a stack."""


class Reading(StrEnum):
    """Whether the stack of an instance could be read."""

    READ = "READ"
    AWAY = "AWAY"  # its region or account does not answer
    REFUSED = "REFUSED"  # nobody lets tapgen in, as before bootstrap
    GONE = "GONE"  # the stack was deleted other than through its stack set


@dataclass(frozen=True)
class ObservedInstance:
    """A stack instance as CloudFormation reports it.

    `stack_id` is None where the stack was never created. `outputs` are those of its
    stack, None where they could not be read: they are unknown then, not empty.
    `resolved` are the values that its stack has for parameters of SSM types, and
    `current` and `unknown` are, by the names of SSM parameters that its template should
    read, the values there are now, or why they are not known.
    `template` and `parameters` are what its stack runs, None where that was not read and
    the word of the stack set counts; `NO_STACK` and nothing where there is no stack.
    `reading` says how reading the stack ended, `unread` why, in a few words.
    `stack_status` is that of the stack, empty where what it runs was not read.
    """

    status: InstanceStatus
    detailed_status: InstanceDetailedStatus | None
    stack_id: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] | None = None
    reason: str | None = None
    drift_status: str = "NOT_CHECKED"
    drift_checked: datetime | None = None
    last_operation: str | None = None
    template: str | None = None
    parameters: Mapping[str, str] | None = None
    resolved: Mapping[str, str] = field(default_factory=dict)
    current: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = Reading.READ
    unread: str = ""
    stack_status: str = ""

    @property
    def has_no_stack(self) -> bool:
        """Whether it is certain that the instance has no stack, or an empty one."""
        return self.template == NO_STACK


@dataclass(frozen=True, order=True)
class Undescribed:
    """A stack set of a system that the system's file does not describe: one of another
    suffix, or in another administration region (`admin_region`)."""

    admin_region: str
    suffix: str
    name: str


@dataclass(frozen=True, order=True)
class Unsearched:
    """A region that cannot be searched for stack sets that the file does not describe:
    there may be some. `why` is AWS's answer."""

    admin_region: str
    why: str


@dataclass(frozen=True)
class Observed:
    """A stack set as CloudFormation reports it (`DescribeStackSet`)."""

    name: str
    template: str
    parameters: Mapping[str, str]
    instances: Mapping[Target, ObservedInstance]
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    execution_role: str | None = None
    administration_role: str | None = None
    running: str | None = None  # id of an operation that has not ended
    busy_with: str = ""  # the same in words: whose it is, what it does, since when
    last_operation: str = ""  # id of the newest operation when instances were read
    id: str = ""  # StackSetId: differs for another stack set of the same name
    permission_model: PermissionModel = PermissionModel.SELF_MANAGED
    auto_deployment: AutoDeployment = AutoDeployment()

    def values(self, target: Target) -> dict[str, str]:
        """Return the parameter values of one instance, overrides applied; those of its
        stack where that was read."""
        return self.values_of(self.instances[target])

    def values_of(self, instance: ObservedInstance) -> dict[str, str]:
        """Return the same of an instance that was looked up."""
        if instance.parameters is not None:
            return dict(instance.parameters)
        return {**self.parameters, **instance.overrides}

    def template_of(self, target: Target) -> str:
        """Return the template that one instance runs."""
        return self.template_at(self.instances[target])

    def template_at(self, instance: ObservedInstance) -> str:
        """Return the same of an instance that was looked up."""
        return self.template if instance.template is None else instance.template
