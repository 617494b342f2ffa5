"""What to do about a failure, from AWS's own words.

A failure without advice is shown as it is: a wrong hint costs more than none.
"""

from __future__ import annotations

import re

# Words of a reason → what to do. The first match counts.
_ADVICE = (
    (
        r"already exists|AlreadyExists|already owned by you",
        "something of this name is there: left by an earlier stack that retained it, or "
        "made by hand; delete it, or choose another suffix",
    ),
    (
        r"should have '[^']+' role with trust relationship",
        "run tapgen bootstrap for this system and account",
    ),
    (
        r"is not authorized to perform|AccessDenied|UnauthorizedOperation",
        "the execution role lacks a permission: run tapgen bootstrap, which derives it "
        "from the templates; if it stays, a service control policy may deny it",
    ),
    (
        r"LimitExceeded|exceed(s|ed)? .*(quota|limit)|maximum number of",
        "a service quota is used up in this account and region: delete what is not "
        "needed, or ask for more in Service Quotas",
    ),
    (
        r"StackSetNotEmpty",
        "instances are left: tapgen status shows them; of accounts that are suspended "
        "or have left the organization, delete-stack-instances --retain-stacks",
    ),
    (
        r"is not empty",
        "empty the bucket, then run this again",
    ),
    (
        r"deletion protection|DeletionProtection|termination protection",
        "turn the protection off in the settings, roll out, then run this again",
    ),
    (
        r"has exceeded|Rate exceeded|Throttling",
        "AWS throttled the calls: run this again, or lower rollout.preferences",
    ),
    (
        r"not (supported|available) in (this|the) region|opt-in|OptInRequired",
        "the account has not enabled this region, or the service is not in it",
    ),
)


def advice(reason: str) -> str | None:
    """What a user can do about this reason; None when that is not known."""
    for words, text in _ADVICE:
        if re.search(words, reason, re.IGNORECASE):
            return text
    return None
