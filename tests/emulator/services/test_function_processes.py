"""What the process of a function gets: nothing of the shell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tapgen.emulator.services import node_sdk
from tapgen.emulator.services.patches.function_processes import (
    environment,
    of_the_living,
)

_CONFIG = {
    "FunctionName": "f",
    "Handler": "index.handler",
    "Runtime": "python3.13",
    "Environment": {"Variables": {"MINE": "1", "SAME": "as in the shell"}},
}


def test_the_environment_of_a_function_has_nothing_of_the_shell() -> None:
    shell = {"TOKEN": "secret", "HOME": "/home/me", "SAME": "as in the shell"}
    given = {
        **shell,
        "AWS_REGION": "eu-west-1",
        "LAMBDA_TASK_ROOT": "/code",
        "MINE": "1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }

    found = environment(given, _CONFIG, {**shell, "AWS_ENDPOINT_URL": "http://x"})

    assert "TOKEN" not in found
    assert (found["HOME"], found["TZ"]) == ("/code", ":UTC")
    assert (found["MINE"], found["SAME"]) == ("1", "as in the shell")
    assert found["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert found["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/f"


def test_a_function_that_was_deleted_while_it_ran_leaves_no_logs() -> None:
    found: list[str] = []
    emit = of_the_living(lambda func, text: found.append(text), {"f"})
    emit({"config": _CONFIG}, "one")
    emit({"config": {**_CONFIG, "FunctionName": "gone"}}, "two")
    emit(_CONFIG, "three")
    assert found == ["one", "three"]


def test_packages_of_the_sdk_are_linked_from_the_project(tmp_path: Path) -> None:
    code, folder = tmp_path / "code", tmp_path / "project"
    installed = folder / "node" / "node_modules" / "@aws-sdk" / "client-s3"
    installed.mkdir(parents=True)
    (installed / "package.json").write_text("{}")
    own = code / "node_modules" / "@aws-sdk" / "client-sqs"
    own.mkdir(parents=True)
    (own / "index.js").write_text('require("@aws-sdk/client-of-a-dependency")')
    (code / "index.js").write_text(
        'require("@aws-sdk/client-s3"); require("@aws-sdk/client-sqs/x");'
    )

    node_sdk.provide(code, folder)

    linked = code / "node_modules" / "@aws-sdk" / "client-s3"
    assert linked.resolve() == installed.resolve()
    assert not own.is_symlink()


def test_the_failure_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.mjs").write_text("import {X} from '@aws-sdk/client-s3'")
    monkeypatch.setenv("PATH", os.devnull)

    with pytest.raises(RuntimeError) as error:
        node_sdk.provide(tmp_path, tmp_path / "project")

    message = "npm is not installed on this machine; run npm install --prefix"
    assert message in str(error.value)
