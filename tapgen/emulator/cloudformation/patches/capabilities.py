"""Capabilities (CAPABILITY_IAM and others): always required, as on AWS.

ministack checks them only when it authenticates callers. A stack set without them must
fail here too.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.emulator.cloudformation.patches.replacing import CFN, replace_everywhere

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.handlers": {"_capabilities_enforced": ()}
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Check capabilities of every request."""
    replace_everywhere("_capabilities_enforced", lambda original: lambda: True)
