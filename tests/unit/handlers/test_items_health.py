"""The function for health checks of the items API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from tapgen.blueprints.serverless_api import shape
from tapgen.handlers import items_health


class Table:
    def __init__(self, failing: Exception | None = None) -> None:
        self.failing = failing

    def get_item(self, Key: Mapping[str, str]) -> dict[str, Any]:
        assert Key == {"id": shape.HEALTH_ITEM}
        if self.failing is not None:
            raise self.failing
        return {}


def test_a_region_is_well_while_its_table_answers() -> None:
    answer = items_health.respond(Table(), "eu-west-1")
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"status": "ok", "region": "eu-west-1"}


@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
        # As with a key that is disabled.
        ClientError({"Error": {"Code": "KMSAccessDeniedException"}}, "GetItem"),
    ],
)
def test_a_region_is_unwell_without_its_table_or_its_key(error: Exception) -> None:
    answer = items_health.respond(Table(error), "eu-west-1")
    assert answer["statusCode"] == 503
    assert "eu-west-1" not in answer["body"]
