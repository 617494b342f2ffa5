"""Advice about a failure, from the reason that AWS reports.

A failure without advice is shown as it is: a wrong hint costs more than none.
"""

from __future__ import annotations

import re

# Pattern of a reason → what to do. The first match counts.
_ADVICE = (
    (
        r"already exists|AlreadyExists|already owned by you",
        "a resource of this name exists: another stack has it, an earlier stack retained "
        "it, or it was created by hand; choose another name or suffix, or import it into "
        "the stack",
    ),
    (
        r"should have '[^']+' role with trust relationship",
        "run tapgen bootstrap for this system and account; if it has run, somebody has "
        "changed the trust policy of that role, or a service control policy denies "
        "sts:AssumeRole",
    ),
    (
        r"refused for the caller in",
        "the credentials that tapgen was started with lack a permission: choose others "
        "with --profile, or allow the action; if the error stays, a service control policy "
        "may deny it",
    ),
    (
        r"refused for role",
        "the role that tapgen assumes lacks a permission: run tapgen bootstrap, which "
        "creates and repairs the operator role; if the error stays, a service control "
        "policy may deny it",
    ),
    (
        r"is not authorized to perform|AccessDenied|UnauthorizedOperation",
        "the execution role lacks a permission: run tapgen bootstrap, which derives it "
        "from the templates; if the error stays, a service control policy may deny it",
    ),
    (
        r"LimitExceeded|exceed(s|ed)? .*(quota|limit)|maximum number of",
        "a service quota is used up in this account and region: delete unused resources, "
        "or request an increase in Service Quotas",
    ),
    (
        r"Stack \[?(arn:\S*/)?StackSet-\S* does not exist",
        "the stack was deleted other than through its stack set: tapgen repair removes the "
        "instance from it, then roll out again, which creates it, empty",
    ),
    (
        r"is (in )?(?P<status>\w+_FAILED|ROLLBACK_COMPLETE|INOPERABLE)"
        r"( state and can ?not be updated|, not CURRENT)",
        "it hangs in {status}, and no rollout can change it: tapgen repair shows the safe "
        "way out, and does it; while a run is open, with --supersede and its name",
    ),
    (
        r"Account \d+ is suspended",
        "take the account out of the file; tapgen repair removes it from its stack sets",
    ),
    (
        r"StackSetNotEmpty",
        "the stack set still has instances: list them with tapgen status; for accounts "
        "that are suspended or have left the organization, run delete-stack-instances "
        "--retain-stacks",
    ),
    (
        r"is not empty",
        "empty the bucket, then run this again",
    ),
    (
        r"deletion protection|DeletionProtection|termination protection",
        "turn the protection off in the settings, roll out, then run this again; where "
        "the stack was never complete, turn it off by hand and delete the stack",
    ),
    (
        r"The vpc '?(?P<vpc>vpc-\w+)'? has dependencies",
        "something that no stack created is still in the VPC, such as the security group "
        "GlobalAccelerator, which Global Accelerator never deletes, or a network "
        "interface of a service: list them with aws ec2 describe-security-groups "
        "--filters Name=vpc-id,Values={vpc}, delete them, then run this again",
    ),
    (
        r"DependencyViolation|has a dependent object|has dependencies and cannot be",
        "something that no stack created uses it, such as a network interface or a "
        "security group of a service: delete that, then run this again",
    ),
    (
        r"has exceeded|Rate exceeded|Throttling",
        "AWS throttled the calls: run this again, or lower rollout.preferences",
    ),
    (
        r"not (supported|available) in (this|the) region|opt-in|OptInRequired",
        "the account has not enabled this region, or the service does not exist there",
    ),
)


def advice(reason: str) -> str | None:
    """Return what a user can do about this reason; None when that is unknown."""
    for words, text in _ADVICE:
        found = re.search(words, reason, re.IGNORECASE)
        if found:
            return text.format_map(found.groupdict()) if found.groupdict() else text
    return None
