"""Settings of ministack."""

from __future__ import annotations

from pathlib import Path

from tapgen.emulator.server import settings


def test_ministack_stays_on_this_machine_and_in_its_folder(
    tmp_path: Path,
) -> None:
    found = settings.environment(4599, tmp_path)
    assert found["BIND_HOST"] == found["MINISTACK_HOST"] == "127.0.0.1"
    assert found["GATEWAY_PORT"] == "4599"
    assert (found["SFTP_ENABLED"], found["IOT_MTLS_ENABLED"]) == ("0", "0")
    for name in ("STATE_DIR", "S3_DATA_DIR"):
        assert Path(found[name]).is_relative_to(tmp_path)


def test_credentials_of_the_shell_go() -> None:
    shell = [
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "aws_secret_access_key"),
        *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_BEARER_TOKEN_BEDROCK"),
    ]

    assert settings.of_the_shell([*shell, "PATH", "HOME"]) == shell
