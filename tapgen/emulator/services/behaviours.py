"""What AWS does by itself as time goes by, and what of it the embedded AWS does.

A list of facts, with AWS's documentation of each: the table of `docs/local.md` is made
from it (`table`). What follows the clock is in `patches/`; what does not is rehearsed by
a fault, or by a call that sets the state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CLOCK, ALWAYS, NOT = "with the clock", "always", "not"
"""Whether a behaviour is modelled: as the clock is moved, at any time, or not at all."""

_DOCS = "https://docs.aws.amazon.com/"
_RDS = _DOCS + "AmazonRDS/latest/UserGuide/"


@dataclass(frozen=True)
class Behaviour:
    """What a service does (`does`), where AWS says so, and how to rehearse it."""

    subject: str
    does: str
    source: str
    modelled: str
    rehearse: str


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour(
        "RDS instance",
        "is `backing-up` once a day, from the beginning of its backup window on, and "
        "cannot be promoted meanwhile",
        _DOCS + "AmazonRDS/latest/APIReference/API_PromoteReadReplica.html",
        CLOCK,
        "move the clock into its window; here a backup takes all of it",
    ),
    Behaviour(
        "RDS instance",
        "is `modifying` for minutes after a promotion",
        _RDS + "USER_ReadRepl.Promote.html",
        CLOCK,
        "promote while the clock stands; five minutes later it is available",
    ),
    Behaviour(
        "RDS instance",
        "is `modifying`, `rebooting`, `starting` or `creating` while it is changed",
        _RDS + "accessing-monitoring.html",
        CLOCK,
        "call while the clock stands; five minutes later it is available. A stack waits: "
        "`tapgen local fault add delay --type AWS::RDS::DBInstance --seconds 60`",
    ),
    Behaviour(
        "Aurora global database",
        "is `switching-over` or `failing-over` for minutes",
        _DOCS + "AmazonRDS/latest/APIReference/API_GlobalCluster.html",
        NOT,
        "`tapgen local fault add delay --action SwitchoverGlobalCluster --seconds 60`",
    ),
    Behaviour(
        "RDS replica",
        "reports every minute how far it lags behind its source",
        _RDS + "rds-metrics.html",
        CLOCK,
        "move the clock: 0, or the time since the region of the source is away by a "
        "fault. Aurora's lag: `put-metric-data`, then move the clock",
    ),
    Behaviour(
        "CloudWatch alarm",
        "goes to INSUFFICIENT_DATA, or what it says of missing data, when no data comes, "
        "and back",
        _DOCS + "AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html",
        CLOCK,
        "move the clock by its periods; alarms on expressions keep their state",
    ),
    Behaviour(
        "Execution of a state machine",
        "waits, for years if it has to, also before it tries again",
        _DOCS + "step-functions/latest/dg/state-wait.html",
        ALWAYS,
        "move the clock; with the real time it waits as long as on AWS",
    ),
    Behaviour(
        "Scheduled rule of EventBridge",
        "calls its targets, again and again",
        _DOCS + "eventbridge/latest/userguide/eb-create-rule-schedule.html",
        ALWAYS,
        "move the clock past its time: it fires once, however far",
    ),
    Behaviour(
        "KMS key",
        "is `PendingDeletion` for 7 to 30 days, can be kept, and is gone afterwards",
        _DOCS + "kms/latest/developerguide/deleting-keys.html",
        CLOCK,
        "move the clock by the days",
    ),
    Behaviour(
        "Protected resource",
        "is not deleted by a stack, also not in the rollback of a first rollout",
        _DOCS + "AWSCloudFormation/latest/TemplateReference/"
        "aws-resource-rds-dbinstance.html",
        ALWAYS,
        "let a resource that comes after it fail, with `tapgen local fault add fail`",
    ),
    Behaviour(
        "Global Accelerator",
        "makes a security group in the VPC of a load balancer whose clients' addresses "
        "it preserves, and leaves it behind, so that the VPC cannot be deleted",
        _DOCS + "global-accelerator/latest/dg/best-practices-aga.html",
        CLOCK,
        "roll out, move the clock, then `tapgen destroy`",
    ),
    Behaviour(
        "Accelerator endpoint",
        "gets no traffic while it is unhealthy, unless all are",
        _DOCS + "global-accelerator/latest/dg/"
        "about-endpoints-endpoint-weights.unhealthy-endpoints.html",
        ALWAYS,
        "`tapgen local fault add unavailable --service elasticloadbalancing`, or new "
        "targets while the clock stands: its health is shown, no traffic flows",
    ),
    Behaviour(
        "Target of a load balancer",
        "is `initial` until it has passed one health check, then healthy or not",
        _DOCS
        + "elasticloadbalancing/latest/application/target-group-health-checks.html",
        CLOCK,
        "register it while the clock stands; healthy here after one interval",
    ),
    Behaviour(
        "Route 53 record",
        "is answered by health checks and weights",
        _DOCS + "Route53/latest/DeveloperGuide/"
        "health-checks-how-route-53-chooses-records.html",
        ALWAYS,
        "ask `TestDNSAnswer`; of public zones only, as on AWS",
    ),
    Behaviour(
        "Route 53 health check",
        "follows the data of its alarm, its children, or the answers of its endpoint",
        _DOCS + "Route53/latest/DeveloperGuide/"
        "dns-failover-determining-health-of-endpoints.html",
        ALWAYS,
        "`put-metric-data`, or `tapgen local fault add unavailable --region us-east-1`; "
        "one report decides here, whatever the threshold",
    ),
    Behaviour(
        "ACM certificate",
        "is PENDING_VALIDATION until its record exists, and fails after 72 hours",
        _DOCS + "acm/latest/userguide/troubleshooting-timed-out.html",
        CLOCK,
        "request it while the clock stands, add the record, and move the clock. A stack: "
        "`tapgen local fault add fail --type AWS::CertificateManager::Certificate`",
    ),
    Behaviour(
        "Object in a bucket that replicates",
        "is PENDING, also while a region is away, then COMPLETED or FAILED",
        _DOCS + "AmazonS3/latest/userguide/replication-status.html",
        CLOCK,
        "write it while the clock stands; replicated 15 minutes later. Or "
        "`tapgen local fault add unavailable --region us-east-2`; replicated after "
        "`tapgen local fault clear`",
    ),
    Behaviour(
        "DynamoDB global table",
        "replicates within a second, and what it has not is there when the region is back",
        _DOCS + "amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html",
        CLOCK,
        "write while the clock stands; replicated one second later. Or "
        "`tapgen local fault add unavailable --service dynamodb --region us-east-2`",
    ),
    Behaviour(
        "DynamoDB global table",
        "has a new replica that is `CREATING` until it is filled",
        _DOCS + "amazondynamodb/latest/APIReference/API_ReplicaDescription.html",
        CLOCK,
        "add it while the clock stands; ten minutes later it is active",
    ),
)
"""The behaviours, by subject."""


def table() -> str:
    """The list as a table in Markdown."""
    return "\n".join(_rows())


def _rows() -> Iterator[str]:
    yield "| What | What it does on AWS | Modelled | To rehearse it |"
    yield "| --- | --- | --- | --- |"
    for one in BEHAVIOURS:
        does = f"[{one.does}]({one.source})"
        yield f"| {one.subject} | {does} | {one.modelled} | {one.rehearse} |"
