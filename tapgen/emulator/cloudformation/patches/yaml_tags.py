"""YAML short forms of the functions of rules and language extensions (`!Contains`)."""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.engine": {"CfnLoader": None, "_construct_cfn_tag": ("tag_name",)}
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Let templates in YAML use the short forms."""
    engine = loaded(f"{CFN}.engine")
    for name in (
        "Contains",
        "EachMemberEquals",
        "EachMemberIn",
        "GetStackOutput",
        "Length",
        "RefAll",
        "ToJsonString",
        "Transform",
        "ValueOf",
        "ValueOfAll",
    ):
        construct = engine._construct_cfn_tag(f"Fn::{name}")
        engine.CfnLoader.add_constructor(f"!{name}", construct)
