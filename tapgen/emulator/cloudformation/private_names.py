"""Private names of ministack, and whether the installed version still has them.

The embedded AWS replaces and calls private functions of ministack. Each module that
does so lists their names in a constant `PRIVATE`: module → name → the parameters of a
function, None for anything else. `patches.check` compares all of them with the
installed ministack at every start, so that a new version fails with a list of what has
changed, not with an unexplained error later.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module

TESTED_VERSION = "1.5.33"
"""The version of ministack that the names were compared with."""

_CFN = "ministack.services.cloudformation"

# What `resources` and `live` use.
PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.app": {"app": None, "SERVICE_HANDLERS": None},
    "ministack.core.responses": {
        "get_account_id": (),
        "get_region": (),
        "request_scope": ("account_id", "region"),
    },
    _CFN: {"_stacks": None},
    f"{_CFN}.drift": {
        "_DRIFT_READERS": None,
        "_read_log_group": ("physical_id", "props"),
        "_read_sns_topic": ("physical_id", "props"),
        "_read_sqs_queue": ("physical_id", "props"),
    },
    f"{_CFN}.provisioners": {
        "_CUSTOM_NAME_REPLACEMENT": None,
        "_NAME_SEED": None,
        "_REPLACING_PROPERTIES": None,
        "_RESOURCE_HANDLERS": None,
        "_STACK_TAG_PROPERTY": None,
        "_physical_name": (
            "stack_name",
            "logical_id",
            "lowercase",
            "max_len",
            "seeded",
        ),
        "_seeded_create": ("create_fn", "logical_id", "props", "stack_name"),
    },
    "ministack.services.alb": {"_lbs": None, "_tgs": None},
    "ministack.services.autoscaling": {"_asgs": None},
    "ministack.services.backup": {"_vaults": None},
    "ministack.services.cloudwatch": {
        "_alarms": None,
        "_composite_alarms": None,
        "_dashboards": None,
        "cloudformation_set_metric_alarm_tags": ("name", "tags"),
    },
    "ministack.services.cloudwatch_logs": {"_log_groups": None},
    "ministack.services.config": {"_delivery_channels": None, "_recorders": None},
    "ministack.services.dynamodb": {"_tables": None},
    "ministack.services.ec2": {
        "_instances": None,
        "_network_acls": None,
        "_network_interfaces": None,
        "_security_groups": None,
        "_subnets": None,
        "_volumes": None,
    },
    "ministack.services.ecr": {"_repositories": None},
    "ministack.services.ecs": {"_clusters": None},
    "ministack.services.iam": {"_groups": None, "_policies": None, "_roles": None},
    "ministack.services.kinesis": {"_streams": None},
    "ministack.services.kms": {"_aliases": None},
    "ministack.services.lambda_svc": {"_functions": None},
    "ministack.services.pipes": {"_pipes": None},
    "ministack.services.rds": {
        "_handle_request_sync": (
            "method",
            "path",
            "headers",
            "body",
            "query_params",
        ),
        "_clusters": None,
        "_instances": None,
        "_tags": None,
    },
    "ministack.services.s3": {"_bucket_owner_account": ("name",)},
    "ministack.services.scheduler": {"_schedule_groups": None},
    "ministack.services.secretsmanager": {
        "_resolve": ("secret_id", "use_arn_scope"),
        "_secrets": None,
    },
    "ministack.services.sns": {"_topics": None},
    "ministack.services.sqs": {"_queue_name_to_url": None},
    "ministack.services.stepfunctions": {"_state_machines": None},
}


def moved(private: Mapping[str, Mapping[str, tuple[str, ...] | None]]) -> list[str]:
    """Return one sentence for each name that is gone or takes other parameters."""
    return [
        problem
        for module, names in private.items()
        for problem in _moved_of(module, names)
    ]


def _moved_of(module: str, names: Mapping[str, tuple[str, ...] | None]) -> list[str]:
    try:
        loaded = import_module(module)
    except ImportError as error:
        return [f"{module} cannot be imported: {error}"]
    problems = []
    for name, parameters in names.items():
        if not hasattr(loaded, name):
            problems.append(f"{module}.{name} is gone")
        elif parameters is not None:
            # A patched function keeps the signature of the one that it replaces.
            has = tuple(inspect.signature(getattr(loaded, name)).parameters)
            if has != parameters:
                problems.append(f"{module}.{name} takes {has}, expected {parameters}")
    return problems
