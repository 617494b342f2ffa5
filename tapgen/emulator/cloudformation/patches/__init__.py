"""What ministack's CloudFormation gets wrong, corrected: one file for each correction.

Each file says what is wrong and why it matters. `apply` puts all corrections in place,
those of `services` and `accounts` too. `check` compares the private names of ministack
that they use with the installed version.

Wordings of errors are AWS's where a report of the real error is known. ministack marks
those it has not measured; they stay as they are.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from tapgen.emulator.accounts import organizations, organizations_api, regions
from tapgen.emulator.cloudformation import (
    change_sets,
    denied_calls,
    drift_aware,
    macros,
    nested,
    not_emulated,
    private_names,
    refused_updates,
    replacing_updates,
    taken_names,
    validations,
)
from tapgen.emulator.cloudformation.patches import (
    answers,
    bucket_names,
    capabilities,
    change_set_names,
    conditions,
    custom_resources,
    error_texts,
    exports,
    failed_updates,
    inline_code,
    loops,
    no_updates,
    parameters,
    property_attributes,
    resource_type_changes,
    resource_types,
    resource_work,
    rolled_back_stacks,
    secret_drift,
    stack_events,
    stack_policies,
    template_bodies,
    template_summary,
    template_texts,
    validation,
    wait_conditions,
    yaml_tags,
)
from tapgen.emulator.permissions import (
    decisions,
    enforcing,
    resource_policies,
    stack_roles,
)
from tapgen.emulator.services import automations, documents
from tapgen.emulator.services import patches as services
from tapgen.emulator.services import registry
from tapgen.emulator.wire import guard

_PATCHES = (
    conditions,
    template_texts,
    parameters,
    property_attributes,
    validation,
    template_bodies,
    rolled_back_stacks,
    capabilities,
    bucket_names,
    exports,
    loops,
    resource_types,
    yaml_tags,
    secret_drift,
    no_updates,
    resource_type_changes,
    change_set_names,
    answers,
    stack_events,
    failed_updates,
    stack_policies,
    template_summary,
    error_texts,
    inline_code,
    custom_resources,
    wait_conditions,
)
_applied = False


def apply() -> None:
    """Put every correction in place; a second call changes nothing."""
    global _applied
    if _applied:
        return
    for patch in _PATCHES:
        patch.apply()
    services.apply()
    not_emulated.apply()
    organizations_api.apply()
    regions.apply()
    _applied = True


def check() -> list[str]:
    """Return every private name that has moved or changed; empty when all is as tested."""
    try:
        found = version("ministack")
    except PackageNotFoundError:
        return ["ministack is not installed: pip install 'tapgen[local]'"]
    problems = []
    if found != private_names.TESTED_VERSION:
        problems.append(
            f"ministack is {found}, tested with {private_names.TESTED_VERSION}"
        )
    used = (
        *(private_names, *_PATCHES, *services.PATCHES),
        *(
            change_sets,
            drift_aware,
            decisions,
            denied_calls,
            enforcing,
            macros,
            nested,
            refused_updates,
            replacing_updates,
            resource_policies,
            resource_work,
            stack_roles,
            validations,
            taken_names,
            automations,
            documents,
            registry,
            guard,
            organizations,
            regions,
        ),
    )
    for module in used:
        problems += private_names.moved(getattr(module, "PRIVATE", {}))
    return problems
