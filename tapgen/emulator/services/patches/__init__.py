"""What ministack's services get wrong or do not return: one file for each correction."""

from __future__ import annotations

from tapgen.emulator.services.patches import (
    accelerator_groups,
    address_blocks,
    alarm_states,
    database_details,
    database_states,
    deletion_protection,
    dns_answers,
    encrypted_replicas,
    function_processes,
    gateway_stages,
    health_checks,
    listener_weights,
    network_details,
    object_encryption,
    object_replication,
    pending_certificates,
    pending_keys,
    public_parameters,
    replica_lag,
    replicated_secrets,
    replication_destinations,
    schedules,
    state_machines,
    stored_queries,
    strong_consistency,
    table_replication,
    target_health,
    token_keys,
)
from tapgen.emulator.wire import cbor

PATCHES = (
    address_blocks,
    network_details,
    database_details,
    deletion_protection,
    encrypted_replicas,
    health_checks,
    replicated_secrets,
    replication_destinations,
    gateway_stages,
    listener_weights,
    dns_answers,
    function_processes,
    object_encryption,
    object_replication,
    public_parameters,
    state_machines,
    stored_queries,
    strong_consistency,
    table_replication,
    token_keys,
    replica_lag,  # before the alarms, which read what it reports
    alarm_states,
    database_states,
    pending_certificates,
    pending_keys,
    schedules,
    accelerator_groups,
    target_health,
)
"""The modules; each has `apply` and the private names that it uses, `PRIVATE`."""


def apply() -> None:
    """Put every correction in place; to be called once."""
    for patch in PATCHES:
        patch.apply()
    cbor.install()
