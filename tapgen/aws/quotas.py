"""Service quotas: the applied values and the current usage.

Where a quota cannot be read (no permission, no such service in the region, not
emulated), its documented default is used, and marked as such.

Source for names, codes and defaults: "AWS CloudFormation endpoints and quotas" and its
siblings for Amazon VPC, Amazon EC2, IAM and Lambda in the AWS General Reference; for the
reading: `DescribeAccountLimits`, `GetAccountSummary`, `GetAccountSettings` (Lambda) and
`GetServiceQuota` in the API references.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from tapgen.aws.session import Aws, ask, pages
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError
from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.template import instance_types


@dataclass(frozen=True)
class Quota:
    """A service quota: AWS's codes for it, and its default value.

    AWS withholds a part of the value in Service Quotas, which `default` does not count. `new`
    is what accounts may have at first, where that is less than the default, and `other` are
    regions with another default.
    """

    name: str
    service: str
    code: str
    default: int
    regional: bool = True
    withheld: int = 0
    new: int | None = None
    other: tuple[tuple[str, int], ...] = ()

    def default_in(self, region: str) -> int:
        """The default in a region."""
        return dict(self.other).get(region, self.default)


STACK_SETS = Quota("stack sets", "cloudformation", "L-EC62D81A", 1_000)
INSTANCES = Quota(
    "stack instances of a stack set", "cloudformation", "L-C8225BA5", 100_000
)
OPERATIONS = Quota(
    "stack instance operations at once", "cloudformation", "L-6A4B2F69", 10_000
)
STACKS = Quota("stacks", "cloudformation", "L-0485CB21", 2_000)
VPCS = Quota("VPCs", "vpc", "L-F678F1CE", 5)
ADDRESSES = Quota("Elastic IP addresses", "ec2", "L-0263D0A3", 5)
ROLES = Quota("IAM roles", "iam", "L-FE177D64", 1_000, regional=False)
# Lambda developer guide, "Configuring reserved concurrency": 100 stay unreserved; "Lambda
# quotas": new accounts have less than 1,000, and AWS raises it with use.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
RESERVED = Quota(
    "reserved concurrent executions", "lambda", "L-B99A9384", 900, withheld=100, new=10
)

# Service Quotas gives 5 as the default (CLI user guide, GetAWSDefaultServiceQuota):
# https://docs.aws.amazon.com/cli/latest/userguide/cli_service-quotas_code_examples.html
# What counts: running instances of the families A, C, D, H, I, M, R, T and Z.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html
VCPUS = Quota("vCPUs of On-Demand Standard instances", "ec2", "L-1216C47A", 5)
VCPUS_MOST = Quota(f"{VCPUS.name}, groups at their largest", "ec2", VCPUS.code, 5)
# Of one event bus: those of the systems are on the default one.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
RULES = Quota(
    "event rules",
    "events",
    "L-244521F2",
    300,
    other=(("af-south-1", 100), ("eu-south-1", 100)),
)

Place = tuple[Quota, Target]

# Every StackStatus except DELETE_COMPLETE, which ListStacks returns for 90 days.
_PRESENT = (
    "CREATE_IN_PROGRESS CREATE_FAILED CREATE_COMPLETE ROLLBACK_IN_PROGRESS "
    "ROLLBACK_FAILED ROLLBACK_COMPLETE DELETE_IN_PROGRESS DELETE_FAILED "
    "UPDATE_IN_PROGRESS UPDATE_COMPLETE_CLEANUP_IN_PROGRESS UPDATE_COMPLETE "
    "UPDATE_FAILED UPDATE_ROLLBACK_IN_PROGRESS UPDATE_ROLLBACK_FAILED "
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS UPDATE_ROLLBACK_COMPLETE "
    "REVIEW_IN_PROGRESS IMPORT_IN_PROGRESS IMPORT_COMPLETE IMPORT_ROLLBACK_IN_PROGRESS "
    "IMPORT_ROLLBACK_FAILED IMPORT_ROLLBACK_COMPLETE"
).split()
# A quota is not worth waiting for an endpoint that does not answer.
_ATTEMPTS = 2


@dataclass(frozen=True)
class Reading:
    """A quota at one place. `limit` is the default unless `read`; `used` is None where
    it cannot be counted."""

    limit: int
    read: bool
    used: int | None


def read(sets: StackSets, places: Iterable[Place]) -> dict[Place, Reading]:
    """Read quotas and usage; never raise AwsError."""
    wanted = list(dict.fromkeys(places))
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda place: _reading(sets, *place), wanted)
        return dict(zip(wanted, found, strict=True))


def _reading(sets: StackSets, quota: Quota, target: Target) -> Reading:
    limit = _limit(sets.aws, quota, target)
    try:
        used = _used(sets, quota, target)
    except AwsError:
        used = None
    known = quota.default_in(target.region) if limit is None else limit
    return Reading(known, limit is not None, used)


def _limit(aws: Aws, quota: Quota, target: Target) -> int | None:
    """The applied quota; None where it cannot be read."""
    for ask_for in (_own_limit, _service_quota):
        try:
            found = ask_for(aws, quota, target)
        except AwsError:
            continue
        if found is not None:
            return found
    return None


def _own_limit(aws: Aws, quota: Quota, target: Target) -> int | None:
    """The quota as the service itself reports it, where it does."""
    if quota is STACKS:
        client = aws.client("cloudformation", target)
        limits = pages(client, "describe_account_limits", "AccountLimits")
        return next(
            (int(x["Value"]) for x in limits if x["Name"] == "StackLimit"), None
        )
    if quota is ROLES:
        return _summary(aws, target).get("RolesQuota")
    if quota is RESERVED:
        return max(_concurrency(aws, target)[0] - quota.withheld, 0)
    return None


def _service_quota(aws: Aws, quota: Quota, target: Target) -> int | None:
    if aws.local:  # it has no such service, and takes seconds to fail
        return None
    client = aws.client("service-quotas", target, attempts=_ATTEMPTS)
    answer = ask(
        client, "get_service_quota", ServiceCode=quota.service, QuotaCode=quota.code
    )
    value = answer.get("Quota", {}).get("Value")
    return None if value is None else max(int(value) - quota.withheld, 0)


def _used(sets: StackSets, quota: Quota, target: Target) -> int | None:
    if quota is STACK_SETS:
        return len(sets.names())
    if quota is STACKS:
        client = sets.aws.client("cloudformation", target)
        found = pages(
            client, "list_stacks", "StackSummaries", StackStatusFilter=_PRESENT
        )
        return sum(1 for _ in found)
    if quota is VPCS:
        client = sets.aws.client("ec2", target)
        return sum(1 for _ in pages(client, "describe_vpcs", "Vpcs"))
    if quota is ADDRESSES:
        client = sets.aws.client("ec2", target)
        return len(ask(client, "describe_addresses")["Addresses"])
    if quota in (VCPUS, VCPUS_MOST):
        return _running(sets.aws, target)
    if quota is RULES:
        client = sets.aws.client("events", target)
        return sum(1 for _ in pages(client, "list_rules", "Rules"))
    if quota is ROLES:
        return _summary(sets.aws, target).get("Roles")
    if quota is RESERVED:
        all_together, unreserved = _concurrency(sets.aws, target)
        return all_together - unreserved
    return None


def _running(aws: Aws, target: Target) -> int:
    """The vCPUs of the running On-Demand instances of the Standard families."""
    states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    client = aws.client("ec2", target)
    found = pages(client, "describe_instances", "Reservations", Filters=states)
    return sum(
        cpu.get("CoreCount", 0) * cpu.get("ThreadsPerCore", 1)
        for reservation in found
        for one in reservation.get("Instances", ())
        if instance_types.is_standard(one["InstanceType"])
        and one.get("InstanceLifecycle") is None  # neither Spot nor reserved capacity
        for cpu in [one.get("CpuOptions", {})]
    )


def _concurrency(aws: Aws, target: Target) -> tuple[int, int]:
    """The concurrent executions of an account and region, and those not reserved."""
    found = ask(aws.client("lambda", target), "get_account_settings")["AccountLimit"]
    return found["ConcurrentExecutions"], found["UnreservedConcurrentExecutions"]


def _summary(aws: Aws, target: Target) -> Mapping[str, int]:
    found = ask(aws.client("iam", target), "get_account_summary")
    summary: Mapping[str, int] = found["SummaryMap"]
    return summary
