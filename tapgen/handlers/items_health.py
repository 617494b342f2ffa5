"""The function that Route 53's checkers ask whether a region can serve items.

    GET  200, or 503 when the table, or the key that it is encrypted with, is out of reach

It is apart from the function for items, so that neither can use up what the other runs on.
It reads what each request needs in this region, and nothing that both regions share: were
an issuer of tokens away, a check of it would take both regions out of DNS.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tapgen.handlers.answers import answer, kind

log = logging.getLogger()
log.setLevel(logging.INFO)

HEALTH = "health"
"""The id that is asked for; no item has it, as the ids of items are UUIDs."""


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """The entry point that Lambda calls; the request makes no difference."""
    return respond(connect(), os.environ["REGION"])


@cache
def connect() -> Any:
    """The table, connected once for each instance of the function."""
    # Shorter than the function's own timeout, so that a failure is answered.
    patience = Config(
        connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2}
    )
    region = os.environ["REGION"]
    tables = boto3.resource("dynamodb", region_name=region, config=patience)
    return tables.Table(os.environ["TABLE_NAME"])


def respond(table: Any, region: str) -> dict[str, Any]:
    """Whether the region can serve items."""
    try:
        table.get_item(Key={"id": HEALTH})
    except (ClientError, BotoCoreError) as error:
        log.error("the table does not answer: %s", kind(error))
        return answer(503, {"status": "unavailable"})
    return answer(200, {"status": "ok", "region": region})
