"""Load service modules and API models in the background, right after the start.

They take half a second. Loaded before, they would delay the start; loaded on demand,
the first operation. So they are loaded in between, one at a time.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module

# In the order in which a rollout meets them.
_MODELS = ("cloudformation", "sts", "iam", "lambda")
_CALLED = ("s3",)  # by handlers of resources that most systems have
_NO_ACTION = "tapgen:nothing"
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


async def warm_up(known: Callable[[str], bool]) -> None:
    """Load everything; requests are answered in between.

    `known` loads what is known of IAM's actions, when it is asked for one. What is loaded
    stays, so the collector of garbage need not look at it again.
    """
    for load in _loads(known):
        await asyncio.sleep(_PAUSE)
        load()
    gc.freeze()


def _loads(known: Callable[[str], bool]) -> Iterator[Callable[[], object]]:
    from tapgen.emulator.resources import calls
    from tapgen.emulator.wire import query_protocol

    responses = import_module("ministack.core.responses")
    yield query_protocol.known_actions
    for name in _MODELS:
        yield partial(responses._service_model, name)
    for name in _SERVICES:
        yield partial(import_module, f"ministack.services.{name}")
    for name in _CALLED:
        yield partial(calls.described, name)
    yield partial(known, _NO_ACTION)
