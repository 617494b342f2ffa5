"""An API and a website in two active regions.

keys            source                the multi-Region key, the alert topic
keys-target     target                its replica, the alert topic there
roles           global                every IAM role, each for one service
api-account     every                 that API Gateway may log (account baseline)
table           source                the global table, with a replica in each region
cdn             global                CloudFront (only with website: cloudfront)
website-target  target                the bucket that pages are replicated to
website         source                the bucket that pages are replicated from
api             every                 function, REST API, alarms, dashboard
edge            global                health checks, weighted records
"""

from __future__ import annotations

from tapgen.blueprints.serverless_api.shape import CODE, ROLES
from tapgen.blueprints.serverless_api.system import build
from tapgen.config import Blueprint

BLUEPRINT = Blueprint(
    name="serverless_api",
    code=CODE,
    roles=ROLES,
    settings="tapgen.blueprints.serverless_api.settings",
    build=build,
)

__all__ = ["BLUEPRINT", "build"]
