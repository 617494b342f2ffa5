"""A guarded network and storage that is copied to a second region."""

from __future__ import annotations

from typing import Literal, cast

import pydantic

from tapgen.blueprints import secure_network_templates as templates
from tapgen.blueprints.parts import Part, assemble
from tapgen.config import Blueprint, Config
from tapgen.model import Output, System


class Settings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    profile: Literal["minimal", "ideal"] = "ideal"
    vpc_cidr: str
    allowed_cidr: str
    subnet_prefix: int = 24
    zones: int = 2
    noncurrent_version_days: int = 90
    replication_time_control: bool = False


def build(config: Config) -> System:
    """The system of a config."""
    settings = cast(Settings, config.settings)
    shape = templates.Shape(
        ideal=False,
        zones=settings.zones,
        baseline=config.account_baseline == "create",
    )
    key = Output("keys", "KmsKeyArn", region="primary")
    dr_key = Output("keys-dr", "DestinationKmsKeyArn", region="dr")
    days = str(settings.noncurrent_version_days)
    return assemble(
        config,
        templates.CODE,
        [
            Part(
                "keys",
                "primary",
                templates.keys(shape),
                ("KmsKeyId", "KmsKeyArn", "AlertTopicArn"),
            ),
            Part(
                "keys-dr",
                "dr",
                templates.keys_dr(shape),
                ("DestinationKmsKeyArn", "AlertTopicArn"),
                {"PrimaryKeyArn": key},
            ),
            Part(
                "roles",
                "global",
                templates.roles(shape),
                ("ReplicationRoleArn",),
                {"SourceKeyArn": key, "DestinationKeyArn": dr_key},
            ),
            Part(
                "network",
                shape.spread,
                templates.network_(shape),
                ("VpcId", "SubnetIds", "SecurityGroupId", "LogsEndpointId"),
                {
                    "VpcCidr": settings.vpc_cidr,
                    "SubnetBits": str(32 - settings.subnet_prefix),
                    "AllowedCidr": settings.allowed_cidr,
                },
            ),
            Part(
                "storage-dr",
                "dr",
                templates.storage_dr(shape),
                ("DestinationBucketName", "DestinationBucketArn"),
                {
                    "KmsKeyArn": dr_key,
                    "AlertTopicArn": Output("keys-dr", "AlertTopicArn", region="dr"),
                    "NoncurrentVersionDays": days,
                },
            ),
            Part(
                "storage",
                "primary",
                templates.storage_(shape),
                ("PrimaryBucketName", "PrimaryBucketArn"),
                {
                    "KmsKeyArn": key,
                    "AlertTopicArn": Output("keys", "AlertTopicArn", region="primary"),
                    "NoncurrentVersionDays": days,
                    "DestinationBucketArn": Output(
                        "storage-dr", "DestinationBucketArn", region="dr"
                    ),
                    "DestinationKeyArn": dr_key,
                    "ReplicationRoleArn": Output(
                        "roles", "ReplicationRoleArn", region="primary"
                    ),
                    "ReplicationTimeControl": str(
                        settings.replication_time_control
                    ).lower(),
                },
            ),
        ],
    )


BLUEPRINT = Blueprint(
    name="secure_network",
    code=templates.CODE,
    roles=("primary", "dr"),
    settings=Settings,
    build=build,
)
