"""Settings of ministack: this machine only, this folder only, nothing of the shell."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def environment(port: int, folder: Path) -> dict[str, str]:
    """Return what must be in `os.environ` before ministack is imported.

    ministack reads its settings while it is imported. By default it binds every
    interface and uses a Docker daemon that it finds. Nothing is written outside
    `folder`.
    """
    return {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "EDGE_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": "000000000000",
        "MINISTACK_REGION": "us-east-1",
        # Further listeners, each on a port of its own.
        "SFTP_ENABLED": "0",
        "SFTP_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "USE_SSL": "0",
        # A socket that is not there: databases, caches and functions stay in-process.
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
        "LAMBDA_EXECUTOR": "local",
        # Files.
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "LOCALSTACK_PERSISTENCE": "0",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        # Settings of the user's shell that would change what it emulates.
        "AUTH": "false",
        "SERVICES": "",
        "CLOUDTRAIL_RECORDING": "0",
        "LOG_LEVEL": "CRITICAL",
        # Functions call back here; inside them the account is the local default one.
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }


def of_the_shell(names: Iterable[str]) -> list[str]:
    """Return the environment variables that must go before ministack is imported.

    The functions that it runs inherit its environment: the shell's AWS credentials and
    profiles are not for them, nor for anything here.
    """
    return [name for name in names if name.upper().startswith("AWS_")]
