"""The procedures of payments_dr with its names, and their runbooks.

A runbook runs in the region that is to write, or to take the traffic. It changes no
stack and no record set, and what must work without the other region calls data planes of
its own region only.
"""

from __future__ import annotations

from typing import Any

from troposphere import If, Template

from tapgen.blocks import frame, names
from tapgen.blueprints import runbooks
from tapgen.blueprints.payments_dr.roles import FENCE
from tapgen.blueprints.payments_dr.shape import (
    GLOBAL_DATABASE,
    HERE,
    METRICS,
    OTHER,
    OVERRIDE_ALARM,
    OVERRIDE_METRIC,
    OVERRIDE_ROLE,
    PAYMENTS,
    REGIONS,
    database,
    is_dr,
    name,
)
from tapgen.model.procedures import OTHER_ROLE, Procedure
from tapgen.procedures import payments_dr
from tapgen.procedures.databases import GlobalDatabase
from tapgen.procedures.traffic import Fence, Switch

COST_TAGS = ("DR-Role", "Environment", "Project")
"""The tags that are activated for cost allocation."""

PROCEDURES = payments_dr.procedures(
    GlobalDatabase(
        identifier=GLOBAL_DATABASE,
        cluster=database(HERE),
        cluster_arn=names.arn("rds", f"cluster:{database(HERE)}"),
        lag_alarm=name("db-lag", HERE),
    ),
    Fence(PAYMENTS, FENCE),
    Switch(
        namespace=METRICS,
        metric=OVERRIDE_METRIC,
        alarm=OVERRIDE_ALARM,
        role=OVERRIDE_ROLE,
        region=REGIONS[OVERRIDE_ROLE],
    ),
    COST_TAGS,
)


def document(procedure: str) -> str:
    """Return the name of a procedure's runbook in a region, as text for `Fn::Sub`."""
    return name(procedure, HERE)


def add(t: Template, role_arn: Any) -> None:
    """Add every runbook of a region. `role_arn` is the role of runbooks; who activates
    cost tags needs permissions of their own."""
    frame.is_primary(t)
    conditions = {"primary": frame.IS_PRIMARY, "dr": is_dr(t)}
    primary, dr = OTHER["primary"], OTHER["dr"]

    def role(procedure: Procedure) -> Any:
        return None if procedure.name == "cost-tags" else role_arn

    runbooks.add(
        t,
        PROCEDURES,
        name=document,
        conditions=conditions,
        role_arn=role,
        values={OTHER_ROLE: If(frame.IS_PRIMARY, primary, dr)},
    )
