"""Migrate storage, servers and a database from one region to another.

The system creates everything in the target region, replicates the data from the source
region, and moves traffic by weights and dials, while clients keep their addresses. It
creates the source side, too, unless `existing` names it (parts marked *). What an account
has once is where it stays (decision 41). `path` has the steps, `migration` what must be so
before each.

    keys-target      target            the multi-Region key, the alert topic
    keys             source            its replica, the alert topic there
    secret           target*           the database's secret, copied to the source
    roles            target            every role, each for one service
    logs             every             the bucket for access logs and reports
    vaults           every             the backup vault
    backups          every*            daily backups, copied to the other region
    network          every*            VPC, subnets, security groups
    peering          source*           the connection between the VPCs
    routes           every*            each VPC's way to the other one's database
    storage-target   target            the bucket that is migrated to, and for exports
    storage          source            the bucket that is migrated*, what watches it
    database         source*           PostgreSQL
    database-target  target            its replica, promoted in place in two steps
    servers          every*            blue and green servers behind a load balancer
    accelerator      target            fixed addresses, a dial for each region
    dns              target            names that move by weight
    observability    every*            application logs, dashboard
    runbooks         every             what is done by hand, step by step
    operations       target            the role that migrates, and the plan
"""

from __future__ import annotations

from tapgen.blueprints.region_migration.shape import CODE, ROLES
from tapgen.blueprints.region_migration.system import build
from tapgen.config import Blueprint

BLUEPRINT = Blueprint(
    name="region_migration",
    code=CODE,
    roles=ROLES,
    settings="tapgen.blueprints.region_migration.settings",
    build=build,
)

__all__ = ["BLUEPRINT", "build"]
