"""Load service modules and API models in the background, right after the start.

They take half a second. Loaded before, they would delay the start; loaded on demand,
the first operation. So they are loaded in between, one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module

# In the order in which a rollout meets them.
_MODELS = ("cloudformation", "sts", "iam", "lambda")
_SERVICES = (
    "sts",
    "iam",
    "s3",
    "ssm",
    "ec2",
    "kms",
    "sns",
    "sqs",
    "cloudwatch_logs",
    "lambda_svc",
    "dynamodb",
    "cloudwatch",
)
_PAUSE = 0.005  # seconds between two loads, for requests to be answered


async def warm_up() -> None:
    """Load everything; requests are answered in between."""
    for load in _loads():
        await asyncio.sleep(_PAUSE)
        load()


def _loads() -> Iterator[Callable[[], object]]:
    from tapgen.emulator.wire import query_protocol

    responses = import_module("ministack.core.responses")
    yield query_protocol.known_actions
    for name in _MODELS:
        yield partial(responses._service_model, name)
    for name in _SERVICES:
        yield partial(import_module, f"ministack.services.{name}")
