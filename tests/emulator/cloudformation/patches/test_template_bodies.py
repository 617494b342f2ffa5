"""Where templates come from, and how large they may be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen.emulator.cloudformation.template_checks import path_style
from tests.emulator.cloudformation.patches.templates import TOPIC
from tests.emulator.places import Place


def big(size: int) -> str:
    body: dict[str, Any] = {"Resources": TOPIC, "Metadata": {"Pad": ""}}
    body["Metadata"]["Pad"] = "x" * (size - len(json.dumps(body)))
    assert len(json.dumps(body)) == size
    return json.dumps(body)


@pytest.mark.parametrize(
    "url",
    [
        "https://{bucket}.s3.amazonaws.com/a/net.json",
        "https://{bucket}.s3.us-east-1.amazonaws.com/a/net.json",
        "https://{bucket}.s3-us-east-1.amazonaws.com/a/net.json",
        "https://s3.amazonaws.com/{bucket}/a/net.json",
        "https://s3.us-east-1.amazonaws.com/{bucket}/a/net.json",
    ],
)
def test_a_template_is_found_under_every_form_of_its_address(
    place: Place, url: str
) -> None:
    bucket, s3 = f"templates.{place.account}", place.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/net.json", Body=big(200_000).encode())
    place.cloudformation.create_stack(
        StackName="large", TemplateURL=url.format(bucket=bucket)
    )
    assert place.settled("large")["StackStatus"] == "CREATE_COMPLETE"


def test_a_template_may_be_51200_bytes_inline_and_a_megabyte_by_address(
    place: Place,
) -> None:
    cloudformation, s3 = place.cloudformation, place.client("s3")
    cloudformation.create_stack(StackName="inline", TemplateBody=big(51_200))
    with pytest.raises(ClientError, match="less than or equal to 51200"):
        cloudformation.create_stack(StackName="over", TemplateBody=big(51_201))
    bucket = f"templates-{place.account}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=big(1_000_001).encode())
    with pytest.raises(ClientError, match="may not exceed 1000000 bytes"):
        cloudformation.create_stack(
            StackName="over", TemplateURL=f"https://{bucket}.s3.amazonaws.com/k"
        )
    with pytest.raises(ClientError, match="not found"):
        cloudformation.create_stack(
            StackName="none", TemplateURL=f"https://{bucket}.s3.amazonaws.com/none"
        )


def test_only_addresses_of_s3_are_rewritten() -> None:
    assert path_style("https://b.c.s3.eu-west-1.amazonaws.com/a%20b") == (
        "https://s3.amazonaws.com/b.c/a b"
    )
    for url in ("http://127.0.0.1:4599/b/k", "https://s3.example.com/b/k"):
        assert path_style(url) == url
