"""What botocore's exceptions become, and whom a message names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import botocore.exceptions as botocore
import pytest

from tapgen.aws import session, stacks, stacksets
from tapgen.aws.session import Aws
from tapgen.errors import AwsError, Busy, Denied, Expired, NotFound, Unreachable
from tapgen.model import Target

HERE = Target("222222222222", "eu-west-1")
KEYS = ("AKIAIOSFODNN7EXAMPLE", "secret")


class FakeClient:
    """A service whose every call fails in one way."""

    method_names = {
        "describe_stacks": "DescribeStacks",
        "get_template": "GetTemplate",
        "assume_role": "AssumeRole",
    }

    def __init__(self, error: Exception, service: str = "cloudformation") -> None:
        self.error = error
        self.meta = SimpleNamespace(
            region_name="us-east-1",
            service_model=SimpleNamespace(service_name=service),
            method_to_api_mapping=self.method_names,
        )

    def describe_stacks(self, **_: Any) -> Any:
        raise self.error

    assume_role = get_template = describe_stacks


def refused(
    code: str, message: str = "no", operation: str = "DescribeStacks"
) -> botocore.ClientError:
    return botocore.ClientError(
        {"Error": {"Code": code, "Message": message}}, operation
    )


def asked(error: Exception, place: str = "") -> AwsError:
    client = FakeClient(error)
    if place:
        setattr(client, "tapgen_place", place)
    with pytest.raises(AwsError) as raised:
        session.ask(client, "describe_stacks")
    return raised.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", Denied),
        ("AccessDeniedException", Denied),
        ("UnauthorizedOperation", Denied),
        ("403", Denied),
        ("ExpiredToken", Expired),
        ("ExpiredTokenException", Expired),
        ("StackSetNotFoundException", NotFound),
        ("OperationInProgressException", Busy),
        ("Throttling", AwsError),
    ],
)
def test_a_code_decides_the_kind_of_error(code: str, kind: type[AwsError]) -> None:
    assert type(asked(refused(code))) is kind


def test_line_feeds_in_what_aws_says_are_spaces() -> None:
    error = botocore.ClientError(
        {"Error": {"Code": "ValidationError", "Message": "one\n  two\r\nthree"}}, "Any"
    )

    assert asked(error).message == "one two three"
    assert session.one_line(None or "") == ""


def test_a_refusal_says_which_call_for_whom_and_where() -> None:
    found = asked(refused("AccessDenied"), "role reader in 222222222222/eu-west-1")

    assert str(found) == (
        "cloudformation:DescribeStacks: refused for role reader in "
        "222222222222/eu-west-1: no (AccessDenied)"
    )


def test_the_call_that_a_profile_makes_for_its_role_is_the_one_that_failed() -> None:
    """botocore assumes the role of a profile inside the first call."""
    text = "User: arn:aws:iam::1:user/ada is not authorized to perform: sts:AssumeRole"
    found = asked(refused("AccessDenied", text, "AssumeRole"), "the caller in 1/a")

    assert found.call == "sts:AssumeRole (for cloudformation:DescribeStacks)"
    assert str(found).endswith(
        f"refused for the credentials of your profile: {text} (AccessDenied)"
    )


def test_assuming_a_role_that_is_refused_names_both_ends() -> None:
    client = FakeClient(refused("AccessDenied", "no", "AssumeRole"), "sts")
    setattr(client, "tapgen_place", "the caller in 1, to assume arn:aws:iam::2:role/r")

    with pytest.raises(Denied) as raised:
        session.ask(client, "assume_role")

    assert str(raised.value) == (
        "sts:AssumeRole: refused for the caller in 1, to assume arn:aws:iam::2:role/r: "
        "no (AccessDenied)"
    )


@pytest.mark.parametrize(
    "error",
    [
        refused("ExpiredToken"),
        botocore.UnauthorizedSSOTokenError(),
        botocore.SSOTokenLoadError(profile_name="p", error_msg="gone"),
        botocore.TokenRetrievalError(provider="sso", error_msg="expired"),
        botocore.CredentialRetrievalError(provider="process", error_msg="exit 1"),
        RuntimeError("Credentials were refreshed, but the ... are still expired."),
    ],
)
def test_expired_credentials_say_to_sign_in_again(error: Exception) -> None:
    found = asked(error)

    assert isinstance(found, Expired)
    assert "sign in again" in found.message
    assert "sign in again" in found.message


def test_no_answer_is_not_expired() -> None:
    found = asked(botocore.EndpointConnectionError(endpoint_url="https://x"))

    assert type(found) is Unreachable


def test_another_runtime_error_is_a_bug_and_stays_one() -> None:
    with pytest.raises(RuntimeError, match="other"):
        session.ask(FakeClient(RuntimeError("other")), "describe_stacks")


def test_clients_know_who_calls_and_where() -> None:
    import boto3

    aws = Aws(
        boto3.session.Session(*KEYS, region_name="us-east-1"),
        "us-east-1",
        _account="111111111111",
    )
    own = aws.client("cloudformation", Target("111111111111", "eu-west-1"))

    assert getattr(own, "tapgen_place") == "the caller in 111111111111/eu-west-1"


def write_keys(path: Path, name: str) -> None:
    path.write_text(
        f"[prod]\naws_access_key_id = {name}\naws_secret_access_key = s\n"
        "aws_session_token = t\n"
    )


def test_temporary_keys_in_a_file_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    write_keys(file, "OLD")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    keys = session.connect("prod", "eu-west-1").session.get_credentials()
    assert keys is not None
    assert keys.get_frozen_credentials().access_key == "OLD"

    write_keys(file, "NEW")

    assert keys.get_frozen_credentials().access_key == "OLD"
    cast(Any, keys)._expiry_time = datetime.now(UTC)  # a minute later
    assert keys.get_frozen_credentials().access_key == "NEW"


# No answer is no empty answer -----------------------------------------------------------


def aws(error: Exception) -> Aws:
    return cast(Aws, SimpleNamespace(client=lambda *_: FakeClient(error)))


def test_outputs_that_may_not_be_read_are_not_empty() -> None:
    sets = stacksets.StackSets(aws(refused("AccessDenied")), HERE)

    with pytest.raises(Denied):
        sets.outputs(HERE, "arn:it")
    assert sets.outputs(HERE, None) is None


@pytest.mark.parametrize(
    "code", ["AccessDenied", "UnauthorizedOperation", "Throttling"]
)
def test_a_stack_that_may_not_be_read_is_not_gone(code: str) -> None:
    for read in (stacks.outputs, stacks.template, stacks.deployed):
        with pytest.raises(AwsError):
            read(aws(refused(code)), HERE, "arn:it")
