"""A secure network, and storage that is replicated to a second region.

Profile `minimal` has a VPC with two public subnets, an encrypted bucket and its replica
in the recovery region. Profile `ideal` is for production: private and isolated tiers in
both regions, a database with a replica, audit trail, flow logs and one role for each
service.

    keys           primary                  the multi-Region key, the alert topic
    keys-dr        dr                       its replica, the alert topic there
    roles          global                   every IAM role, each for one service
    logs           every (ideal only)       the bucket for access and audit logs
    network        primary (ideal: every)   VPC, subnets, security groups
    storage-dr     dr                       the bucket that is replicated to
    storage        primary                  the bucket that is replicated from
    database       primary (ideal only)     PostgreSQL
    database-dr    dr (ideal only)          its read replica
    audit          every (ideal only)       CloudTrail in primary, Config in both
    observability  primary (ideal: every)   application logs, dashboard
"""

from __future__ import annotations

from tapgen.blueprints.secure_network.shape import CODE
from tapgen.blueprints.secure_network.system import build
from tapgen.config import Blueprint

BLUEPRINT = Blueprint(
    name="secure_network",
    code=CODE,
    roles=("primary", "dr"),
    settings="tapgen.blueprints.secure_network.settings",
    build=build,
)

__all__ = ["BLUEPRINT", "build"]
