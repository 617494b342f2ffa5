"""What functions in the embedded AWS see of the shell that started it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.emulator.places import Place, of, served

_CODE = "import os\ndef handler(event, context): return dict(os.environ)\n"
_TRUST = {"Version": "2012-10-17", "Statement": []}


def test_a_function_does_not_get_the_credentials_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-shell")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-shell")
    monkeypatch.setenv("AWS_PROFILE", "of-the-shell")
    for server in served(tmp_path):
        monkeypatch.delenv("AWS_PROFILE")  # this process has no such profile
        place = Place(server.url, "500000000001")
        function = of(
            "Lambda::Function",
            FunctionName="shows",
            Handler="index.handler",
            Runtime="python3.12",
            Role={"Fn::GetAtt": ["Role", "Arn"]},
            Code={"ZipFile": _CODE},
        )
        role = of("IAM::Role", AssumeRolePolicyDocument=_TRUST)
        place.create("s", {"F": function, "Role": role})

        answer = place.client("lambda").invoke(FunctionName="shows")
        seen = json.loads(answer["Payload"].read())

        assert seen["AWS_REGION"] == "us-east-1"
        assert "of-the-shell" not in seen.values()
