"""The nouns that every stage shares: frozen data, no AWS calls, no files.

`systems` describes what should be deployed, `procedures`, `shifts` and `migrations` what is
done to it afterwards, `drills` and `rehearsals` what was tried,
`observations` what CloudFormation reports;
`targets`, `organizations`, `rollouts`, `gates` and `artifacts` are parts of both, `statuses` and
`findings` are results; `change_safety` has words of templates. Enums of statuses hold exactly the words of CloudFormation's API
model (`cloudformation/2010-05-15/service-2` of botocore); a test compares them.

Every room may use this one; import from here, as in `from tapgen.model import System`.
Uses nothing of tapgen. Begin reading at `systems.System`.
"""

from __future__ import annotations

from tapgen.model.artifacts import Artifact, Upload, artifact_bucket, digest
from tapgen.model.change_safety import CONTEXT, ChangeSafety
from tapgen.model.findings import Finding, Severity
from tapgen.model.gates import (
    REGION,
    WAVE,
    AlarmGate,
    ApprovalGate,
    CommandGate,
    Gate,
    HealthGate,
    ProbeGate,
    VerifyGate,
    duration,
    gate_data,
    gate_from,
)
from tapgen.model.observations import (
    HIDDEN,
    NO_STACK,
    Observed,
    ObservedInstance,
    Reading,
    Undescribed,
    Unsearched,
)
from tapgen.model.organizations import (
    AccountFilter,
    AutoDeployment,
    PermissionModel,
    ServiceManaged,
    Unit,
)
from tapgen.model.procedures import Procedure, procedure_data
from tapgen.model.rollouts import PREFERENCES, Preferences, RolloutSettings, Strategy
from tapgen.model.shifts import Release, Share, Shift
from tapgen.model.statuses import (
    Action,
    InstanceDetailedStatus,
    InstanceStatus,
    OperationStatus,
    ResultStatus,
)
from tapgen.model.systems import (
    BOOTSTRAP_STACK,
    CHANGE_SETS,
    LONGEST_SUFFIX,
    STACKS_IN_REVIEW,
    SUFFIX_PATTERN,
    SUFFIX_RULE,
    AtFirst,
    PassedRole,
    Permission,
    Precondition,
    StackSet,
    System,
)
from tapgen.model.targets import SAME, SELF, Output, Override, Target, Value

__all__ = [
    "AccountFilter",
    "Action",
    "AlarmGate",
    "ApprovalGate",
    "Artifact",
    "AtFirst",
    "AutoDeployment",
    "CHANGE_SETS",
    "CONTEXT",
    "ChangeSafety",
    "CommandGate",
    "Finding",
    "Gate",
    "HealthGate",
    "HIDDEN",
    "InstanceDetailedStatus",
    "InstanceStatus",
    "LONGEST_SUFFIX",
    "NO_STACK",
    "Observed",
    "ObservedInstance",
    "OperationStatus",
    "Output",
    "Override",
    "PREFERENCES",
    "PassedRole",
    "Permission",
    "Precondition",
    "PermissionModel",
    "Preferences",
    "ProbeGate",
    "Procedure",
    "REGION",
    "Reading",
    "ResultStatus",
    "RolloutSettings",
    "SAME",
    "SELF",
    "SUFFIX_PATTERN",
    "SUFFIX_RULE",
    "ServiceManaged",
    "Severity",
    "Release",
    "Share",
    "Shift",
    "BOOTSTRAP_STACK",
    "STACKS_IN_REVIEW",
    "StackSet",
    "Strategy",
    "System",
    "Target",
    "Undescribed",
    "Unsearched",
    "Unit",
    "Upload",
    "Value",
    "VerifyGate",
    "WAVE",
    "artifact_bucket",
    "digest",
    "duration",
    "gate_data",
    "gate_from",
    "procedure_data",
]
