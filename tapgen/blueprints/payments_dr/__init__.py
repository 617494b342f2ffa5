"""A payments API that survives the loss of its region.

Everything exists in both regions. A failover changes no template and needs nothing from
the lost region.

    keys         primary   the multi-Region key
    keys-dr      dr        its replica
    logs         every     the bucket for access logs and the trail
    roles        global    one IAM role for each service
    operators    global    IAM roles for failing over and for drills
    messages     every     topics for alerts and payments, events of the database
    audit        primary   one trail for all regions
    network      every     VPC in three zones, NAT, security groups, flow log
    endpoints    every     AWS's services inside the VPC (private_endpoints)
    peering      primary   the connection between the VPCs
    routes       every     routes to the other VPC, and what may use them
    table        primary   the DynamoDB global table of the payments
    storage-dr   dr        the bucket that is replicated to
    storage      primary   the bucket that is replicated from
    database     primary   the cluster that writes, the global database, its secret
    database-dr  dr        the cluster that copies and can take over
    api-account  every     the logging role of API Gateway (account baseline)
    app          every     function and REST API, the same in both regions
    observe      every     alarms on replication, the operator's switch, dashboard
    dns          global    health checks and failover records
    backup-dr    dr        the vault that backups are copied to
    backup       primary   the vault, the plan and what it takes
    cost         global    budget and cost category
    drills       every     experiment, schedule, runbooks
"""

from __future__ import annotations

from tapgen.blueprints.payments_dr.shape import CODE, ROLES
from tapgen.blueprints.payments_dr.system import build
from tapgen.config import Blueprint

BLUEPRINT = Blueprint(
    name="payments_dr",
    code=CODE,
    roles=ROLES,
    settings="tapgen.blueprints.payments_dr.settings",
    build=build,
)

__all__ = ["BLUEPRINT", "build"]
