"""The table of regions against the one that botocore has."""

from __future__ import annotations

import botocore.session
import pytest

from tapgen.knowledge.regions import ALWAYS_ENABLED, PARTITION_OF, PARTITIONS
from tapgen.template import schemas, scope


def test_the_table_has_exactly_the_regions_of_botocore() -> None:
    aws = botocore.session.get_session()

    assert {
        partition: set(aws.get_available_regions("cloudformation", partition))
        for partition in aws.get_available_partitions()
    } == {partition: set(regions) for partition, regions in PARTITIONS.items()}


def test_every_region_with_schemas_is_in_the_table() -> None:
    assert schemas.regions() <= set(PARTITION_OF)


def test_the_regions_that_are_always_enabled_are_in_their_partition() -> None:
    for partition, regions in ALWAYS_ENABLED.items():
        assert set(regions) <= set(PARTITIONS[partition])


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("me-south-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("eusc-de-east-1", "aws-eusc"),
        ("cn-north-1", "aws-cn"),
    ],
)
def test_a_region_has_its_partition(region: str, partition: str) -> None:
    assert scope.partition(region) == partition
