"""The function that Route 53's checkers ask whether a region takes payments.

    GET  200, or 503 when the table is out of reach or the region is closed

It is apart from the function for payments, so that neither can use up what the other runs
on. It reads the table through the same network, which is what payments depend on.
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
from tapgen.handlers.fences import closed

log = logging.getLogger()
log.setLevel(logging.INFO)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """The entry point that Lambda calls; the request makes no difference."""
    return respond(connect(), os.environ)


@cache
def connect() -> Any:
    """The table, connected once for each instance of the function."""
    # Shorter than the function's own timeout, so that a failure is answered.
    patience = Config(
        connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2}
    )
    region = os.environ["REGION"]
    tables = boto3.resource("dynamodb", region_name=region, config=patience)
    return tables.Table(os.environ["DYNAMODB_TABLE"])


def respond(table: Any, settings: Mapping[str, str]) -> dict[str, Any]:
    """Whether the region takes payments."""
    try:
        if closed(table, settings["REGION_ROLE"]):
            return answer(503, {"status": "closed"})
    except (ClientError, BotoCoreError) as error:
        log.error("the table does not answer", extra={"error": kind(error)})
        return answer(503, {"status": "unwell"})
    return answer(200, {"status": "ok", "region": settings["REGION"]})
