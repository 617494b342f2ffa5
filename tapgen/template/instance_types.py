"""How many vCPUs an EC2 instance type has, by its name.

The sizes of a family have the same numbers of vCPUs, but for the smallest ones. Source:
"Specifications for Amazon EC2 general purpose instances" and its siblings in the guide to
instance types
(https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-type-specifications.html).
"""

from __future__ import annotations

import re

_TYPE = re.compile(r"(?P<letters>[a-z]+)\d\S*?\.(?P<size>\S+)")
_LARGER = re.compile(r"(\d*)xlarge")
# Families of the quota for On-Demand Standard instances, by their first letter
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html); others
# that begin so (hpc, inf, trn …) have quotas of their own.
_STANDARD = frozenset("a c d h i im is m r t z".split())
_ONE = ("t2.nano", "t2.micro", "t2.small")


def is_standard(name: str) -> bool:
    """Whether the quota for On-Demand Standard instances counts an instance type."""
    found = _TYPE.fullmatch(name)
    return bool(found and found["letters"] in _STANDARD)


def vcpus(name: str) -> int | None:
    """Return the vCPUs of an instance type; None for a size that says nothing, such as
    `metal`."""
    found = _TYPE.fullmatch(name)
    if found is None:
        return None
    size = found["size"]
    if larger := _LARGER.fullmatch(size):
        return 4 * int(larger[1] or 1)
    if size == "large" or name.startswith("t") and size in ("medium", "small"):
        return 1 if name in _ONE else 2
    if name.startswith("t") and size in ("micro", "nano"):
        return 1 if name in _ONE else 2
    return 1 if size == "medium" else None
