"""What drift detection reports although nobody changed it, each with its source.

An entry holds for the properties at `path` and below, for differences of one `kind` (ADD,
REMOVE or NOT_EQUAL) where it names one, and for actual values that contain `value`. Only
what cannot be a change by hand is here: a wrong entry would hide one.
"""

from __future__ import annotations

from tapgen.frozen import dataclass

_ROADMAP = (
    "https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues"
)
_UNREAD = "drift detection does not read this property"


@dataclass(frozen=True)
class FalsePositive:
    """A difference that is no drift; `type` is a resource type, or * for all."""

    type: str
    path: str
    reason: str
    source: str
    kind: str = ""
    value: str = ""

    def explains(self, type: str, path: str, kind: str, actual: str) -> bool:
        """Whether a difference is this one."""
        return (
            self.type in ("*", type)
            and (path == self.path or path.startswith(f"{self.path}/"))
            and self.kind in ("", kind)
            and self.value in actual
        )


FALSE_POSITIVES = (
    FalsePositive(
        "AWS::RDS::DBCluster",
        "/GlobalClusterIdentifier",
        "a secondary cluster gets it from its global cluster, not from the template",
        f"{_ROADMAP}/1857",
    ),
    FalsePositive(
        "AWS::ApiGateway::Stage",
        "/CanarySetting/DeploymentId",
        "API Gateway fills it in",
        "https://docs.aws.amazon.com/apigateway/latest/api/API_CanarySettings.html",
    ),
    FalsePositive(
        "*",
        "/Tags",
        "tags that begin with aws: are those of AWS, and nobody else can set them",
        f"{_ROADMAP}/1222",
        kind="ADD",
        value='"aws:',
    ),
    FalsePositive(
        "AWS::RDS::DBInstance",
        "/AllowMajorVersionUpgrade",
        f"{_UNREAD}: it only counts during an update",
        f"{_ROADMAP}/1511",
        kind="REMOVE",
    ),
    FalsePositive(
        "AWS::RDS::DBInstance",
        "/DeleteAutomatedBackups",
        f"{_UNREAD}: it only counts during a deletion",
        f"{_ROADMAP}/1510",
        kind="REMOVE",
    ),
    FalsePositive(
        "AWS::RDS::DBInstance",
        "/NetworkType",
        _UNREAD,
        f"{_ROADMAP}/1393",
        kind="REMOVE",
    ),
    FalsePositive(
        "AWS::Lambda::Function",
        "/PackageType",
        f"{_UNREAD}, and it never changes",
        f"{_ROADMAP}/1242",
        kind="REMOVE",
    ),
    FalsePositive(
        "AWS::Lambda::Function",
        "/EphemeralStorage",
        f"{_UNREAD}; a function always has some",
        f"{_ROADMAP}/1316",
        kind="REMOVE",
    ),
    FalsePositive(
        "AWS::ApiGatewayV2::DomainName",
        "/DomainName",
        f"{_UNREAD}, and it never changes",
        f"{_ROADMAP}/1026",
        kind="REMOVE",
    ),
    FalsePositive(
        "AWS::SSM::Association",
        "/WaitForSuccessTimeoutSeconds",
        f"{_UNREAD}: it only counts during a deployment",
        f"{_ROADMAP}/1225",
        kind="REMOVE",
    ),
    FalsePositive(
        "AWS::Redshift::Cluster",
        "/SnapshotIdentifier",
        "Redshift does not report the snapshot from which a cluster was created",
        f"{_ROADMAP}/1639",
        kind="REMOVE",
    ),
)
"""Known false positives."""


def false_positive(
    type: str, path: str, kind: str, actual: str
) -> FalsePositive | None:
    """Return the known false positive that a difference is; None where it is drift."""
    found = (f for f in FALSE_POSITIVES if f.explains(type, path, kind, actual))
    return next(found, None)
