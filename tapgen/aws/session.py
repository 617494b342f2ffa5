"""Sessions, clients and the calls made with them.

Credentials, profile, region and endpoint follow boto3's own rules (`AWS_PROFILE`,
`AWS_REGION`, `AWS_ENDPOINT_URL`, …); nothing is stored.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tapgen.errors import AwsError, Busy, NotFound, Unreachable
from tapgen.model import Target

if TYPE_CHECKING:  # boto3 takes 0.2 s to import: only once AWS is really called
    import boto3
    import botocore.config

_ONLY_ENDPOINT_SECRET = "local"  # the embedded AWS accepts any signature

_NOT_FOUND = {
    "StackSetNotFoundException",
    "StackInstanceNotFoundException",
    "OperationNotFoundException",
    "ChangeSetNotFound",
    "ChangeSetNotFoundException",
    "StackNotFoundException",
    "NoSuchKey",
    "NoSuchBucket",
    "NoSuchEntity",
    "404",
}
NOBODY = ("AccessDenied", "NoRole", "NoSuchEntity")
"""Error codes of missing access to an account, as before bootstrap."""
_BUSY = {"OperationInProgressException"}


@dataclass
class Aws:
    """AWS for one caller: clients for any account and region.

    In accounts other than the caller's, `role` is assumed. On the embedded AWS without a
    role, the account number is the access key.
    """

    session: boto3.session.Session
    region: str
    endpoint: str | None = None
    role: str | None = None
    local: bool = False
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict, repr=False)
    _sessions: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.RLock, repr=False)
    _account: str | None = field(default=None, repr=False)

    @property
    def account(self) -> str:
        """The caller's own account id (`sts:GetCallerIdentity`)."""
        if self._account is None:
            # The first call of every command: fail quickly when nothing answers.
            sts = self._client(self.session, "sts", self.region, attempts=2)
            self._account = str(ask(sts, "get_caller_identity")["Account"])
        return self._account

    @property
    def home(self) -> Target:
        """The caller's account and default region."""
        return Target(self.account, self.region)

    def assuming(self, role: str | None) -> Aws:
        """Return the same caller with another role to assume in other accounts."""
        return replace(self, role=role, _clients={}, _sessions={})

    def client(
        self, service: str, target: Target | None = None, attempts: int | None = None
    ) -> Any:
        """Return a client for `service` in a target, the caller's account by default.
        A call fails after `attempts`.

        Clients are created one at a time (creating them from one session is not
        thread-safe) and cached; using them from several threads is safe.
        """
        account = target.account if target else self.account
        region = target.region if target else self.region
        key = (service, account, region)
        if key not in self._clients:
            session = self._session_for(account)
            with self._lock:
                if key not in self._clients:
                    client = self._client(session, service, region, attempts)
                    self._clients[key] = client
        return self._clients[key]

    def _session_for(self, account: str) -> boto3.session.Session:
        if account == self.account:
            return self.session
        if account not in self._sessions:
            self._sessions[account] = self._new_session(account)
        return self._sessions[account]

    def _new_session(self, account: str) -> boto3.session.Session:
        if self.role is None and self.local:
            return _keys(account, _ONLY_ENDPOINT_SECRET, None)
        if self.role is None:
            raise AwsError(
                "sts:AssumeRole",
                "NoRole",
                f"account {account} is not the caller's account {self.account}; pass the "
                "role to assume there with --assume-role",
            )
        sts = self._client(self.session, "sts", self.region)
        partition = self.session.get_partition_for_region(self.region)
        arn = f"arn:{partition}:iam::{account}:role/{self.role}"

        def refresh() -> dict[str, str]:
            answer = ask(sts, "assume_role", RoleArn=arn, RoleSessionName="tapgen")
            keys = answer["Credentials"]
            return {
                "access_key": keys["AccessKeyId"],
                "secret_key": keys["SecretAccessKey"],
                "token": keys["SessionToken"],
                "expiry_time": keys["Expiration"].isoformat(),
            }

        return _assumed(refresh)

    def _client(
        self,
        session: boto3.session.Session,
        service: str,
        region: str,
        attempts: int | None = None,
    ) -> Any:
        with _translated(f"{service}: creating a client"):
            return session.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                config=_config(service, self.local, attempts),
            )


def connect(profile: str | None = None, region: str | None = None) -> Aws:
    """Return the AWS that boto3 is configured for; us-east-1 where no region is set.

    Raises Unreachable when the configuration cannot be read.
    """
    import boto3

    with _translated("reading the AWS configuration"):
        session = boto3.session.Session(profile_name=profile, region_name=region)
    # botocore reads AWS_DEFAULT_REGION only; the other SDKs read AWS_REGION first.
    found = region or os.environ.get("AWS_REGION") or session.region_name
    return Aws(session, found or "us-east-1")


def connect_local(endpoint: str, region: str, account: str = "000000000000") -> Aws:
    """Return the embedded AWS at `endpoint`, as `account`, without real credentials."""
    return Aws(
        _keys(account, _ONLY_ENDPOINT_SECRET, None), region, endpoint, local=True
    )


def ask(client: Any, operation: str, **parameters: Any) -> dict[str, Any]:
    """Make one call; return its response. Parameters of None are left out.

    Raises NotFound, Busy, Unreachable or AwsError.
    """
    given = {k: v for k, v in parameters.items() if v is not None}
    service = client.meta.service_model.service_name
    name = client.meta.method_to_api_mapping[operation]
    with _translated(f"{service}:{name}"):
        answer: dict[str, Any] = getattr(client, operation)(**given)
        return answer


def role_exists(aws: Aws, target: Target, name: str) -> bool:
    """Return whether an account has an IAM role of this name."""
    try:
        ask(aws.client("iam", target), "get_role", RoleName=name)
    except NotFound:
        return False
    return True


def pages(client: Any, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
    """Yield every item under `key` of all pages of a list call."""
    token: str | None = None
    while True:
        answer = ask(client, operation, NextToken=token, **parameters)
        yield from answer.get(key, [])
        token = answer.get("NextToken")
        if not token:
            return


def _keys(key: str, secret: str, token: str | None) -> boto3.session.Session:
    """A session with exactly these keys, without the user's profiles and region."""
    import boto3

    bare = _bare()
    bare.set_credentials(key, secret, token)
    return boto3.session.Session(botocore_session=bare)


def _bare() -> Any:
    """A botocore session without a profile, also where AWS_PROFILE names one."""
    import botocore.session

    nowhere = (None, None, None, None)  # no config key, no variable, no default
    return botocore.session.Session(session_vars={"profile": nowhere})


def _assumed(refresh: Callable[[], dict[str, str]]) -> boto3.session.Session:
    """A session whose temporary credentials are refreshed before they expire."""
    import boto3
    import botocore.credentials

    bare = _bare()
    # botocore has no public way to hand it credentials that refresh themselves.
    bare._credentials = (
        botocore.credentials.RefreshableCredentials.create_from_metadata(
            metadata=refresh(), refresh_using=refresh, method="sts-assume-role"
        )
    )
    return boto3.session.Session(botocore_session=bare)


def _config(service: str, local: bool, attempts: int | None) -> botocore.config.Config:
    import botocore.config

    # botocore signs links to S3 objects with a version that newer regions refuse.
    signing = "s3v4" if service == "s3" else None
    if local:
        return botocore.config.Config(
            signature_version=signing,
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=2,
            read_timeout=60,
            s3={"addressing_style": "path"},
        )
    return botocore.config.Config(
        signature_version=signing,
        retries={"mode": "adaptive", "total_max_attempts": attempts or 10},
        connect_timeout=10,
        user_agent_extra="tapgen",
    )


@contextmanager
def _translated(call: str) -> Iterator[None]:
    """Turn botocore's exceptions into ours."""
    import botocore.exceptions

    try:
        yield
    except botocore.exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "Unknown"))
        message = str(error.response.get("Error", {}).get("Message", error))
        raise _kind(code, message)(call, code, message) from error
    except botocore.exceptions.ParamValidationError as error:
        raise AwsError(call, "ParamValidation", str(error)) from error
    except (
        botocore.exceptions.NoCredentialsError,
        botocore.exceptions.PartialCredentialsError,
    ) as error:
        advice = (
            "no AWS credentials; set AWS_PROFILE, sign in, or rehearse with --local"
        )
        raise Unreachable(call, "NoCredentials", advice) from error
    except botocore.exceptions.BotoCoreError as error:
        raise Unreachable(call, type(error).__name__, str(error)) from error


def _kind(code: str, message: str) -> type[AwsError]:
    if code in _BUSY:
        return Busy
    missing_stack = code == "ValidationError" and "does not exist" in message
    return NotFound if code in _NOT_FOUND or missing_stack else AwsError
