"""Looking through ministack's stores quickly must not change what is found."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen.emulator.persistence import stores
from tests.emulator.conftest import PATIENCE, Aws, template


def settled(client: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        stack: dict[str, Any] = client.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        time.sleep(0.01)
    raise AssertionError(f"{name} does not settle")


def test_every_private_name_is_there() -> None:
    assert stores.check() == []


def test_a_stack_is_found_by_name_and_id_in_its_own_place_only(aws: Aws) -> None:
    client = aws.cloudformation
    id_ = client.create_stack(StackName="one", TemplateBody=template())["StackId"]
    assert settled(client, "one")["StackId"] == id_
    assert settled(client, id_)["StackName"] == "one"
    elsewhere = aws.client("cloudformation", region="eu-west-1")
    others = aws.client("cloudformation", account="999999999999")
    for stranger in (elsewhere, others):
        assert stranger.describe_stacks()["Stacks"] == []
        for name in ("one", id_):
            with pytest.raises(ClientError, match="does not exist"):
                stranger.describe_stacks(StackName=name)


def test_a_deleted_stack_is_found_by_its_id_only(aws: Aws) -> None:
    """ "If the stack has been deleted, you must specify its unique stack ID"."""
    client = aws.cloudformation
    id_ = client.create_stack(StackName="gone", TemplateBody=template())["StackId"]
    settled(client, id_)
    client.delete_stack(StackName=id_)
    assert settled(client, id_)["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="Stack with id gone does not exist"):
        client.describe_stacks(StackName="gone")
    assert client.describe_stacks()["Stacks"] == []
    client.delete_stack(StackName="gone")  # again is no error


def test_an_id_is_not_that_of_a_later_stack_of_the_same_name(aws: Aws) -> None:
    client = aws.cloudformation
    first = client.create_stack(StackName="again", TemplateBody=template())["StackId"]
    settled(client, first)
    client.delete_stack(StackName="again")
    settled(client, first)
    second = client.create_stack(StackName="again", TemplateBody=template())["StackId"]
    assert settled(client, "again")["StackId"] == second != first
    # AWS still knows the first one; ministack does not, but must not mistake it.
    with suppress(ClientError):
        assert settled(client, first)["StackId"] == first


def test_services_see_their_own_account_and_region(aws: Aws) -> None:
    for region in ("us-east-1", "eu-west-1"):
        aws.client("sns", region=region).create_topic(Name=f"t-{region}")
        aws.client("sqs", region=region).create_queue(QueueName=f"q-{region}")
    for region in ("us-east-1", "eu-west-1"):
        topics = aws.client("sns", region=region).list_topics()["Topics"]
        assert [t["TopicArn"].split(":")[3] for t in topics] == [region]
        queues = aws.client("sqs", region=region).list_queues()["QueueUrls"]
        assert [q.rpartition("/")[2] for q in queues] == [f"q-{region}"]
