"""Sessions, clients and the calls made with them.

Credentials, profile, region and endpoint follow boto3's own rules (`AWS_PROFILE`,
`AWS_REGION`, `AWS_ENDPOINT_URL`, …); nothing is stored.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from tapgen.aws.clients import AT_ONCE, Caller, Client, Clients
from tapgen.errors import (
    AwsError,
    Busy,
    Conflict,
    Denied,
    Expired,
    NotFound,
    Unreachable,
)
from tapgen.model import Target

if TYPE_CHECKING:  # boto3 takes 0.2 s to import: only once AWS is really called
    import boto3
    import botocore.config
    from botocore.exceptions import ClientError

_INSTANCE = "x-tapgen-instance"  # header of tapgen.emulator.server.proof
_PLACE = "tapgen_place"  # attribute of a client: who calls with it, and where
ATTEMPTS = 10
"""How often a call is tried before it fails."""
HASTY = 2
"""How often, where it is to be seen soon whether a region answers."""
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
    "NoSuchHealthCheck",
    "404",
}
NOBODY = ("AccessDenied", "NoRole", "NoSuchEntity")
"""Error codes of missing access to an account, as before bootstrap."""
_BUSY = {"OperationInProgressException"}
# AccessDenied and its siblings (API references, "Common Errors"); a HEAD request has no
# body, so S3 answers with the status alone.
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "NotAuthorized",
    "UnauthorizedOperation",
    "403",
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
# A region that gives no answer: botocore's exceptions of a connection, and a server's
# errors (API references, "Common Errors").
_AWAY = {
    *("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError"),
    *("ConnectionClosedError", "ConnectionError", "HTTPClientError"),
    *("ServiceUnavailable", "ServiceUnavailableException", "InternalFailure"),
    *("InternalError", "InternalServerError", "500", "502", "503", "504"),
}
# botocore's exceptions for a sign-in that has ended; those of AWS login are newer.
_SIGNED_OUT = {
    "CredentialRetrievalError",
    "LoginRefreshRequired",
    "LoginTokenLoadError",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
}
# Calls that botocore itself makes for credentials, and whose service that is.
_SIGNING_IN = {
    "AssumeRole": "sts",
    "AssumeRoleWithSAML": "sts",
    "AssumeRoleWithWebIdentity": "sts",
    "CreateToken": "sso-oidc",
    "GetRoleCredentials": "sso",
    "GetSessionToken": "sts",
}
_SIGN_IN = (
    "the AWS credentials have expired; sign in again (aws sso login, aws login, or as "
    "your profile does it)"
)
_FILES = ("shared-credentials-file", "config-file")  # botocore's names of methods
_REREAD = 60  # seconds after which keys in a file are read again
_STILL_EXPIRED = "still expired"  # botocore's RuntimeError, after a refresh
# S3 user guide, "Conditional write behavior": 412 where the condition does not hold, 409
# where another write of the object was under way.
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict"}


@dataclass
class Aws:
    """AWS for one caller: clients for any account and region.

    In accounts other than the caller's, `role` is assumed. On the embedded AWS without a
    role, the account number is the access key. There `instance` returns what the embedded
    AWS of the project identifies itself by: any other listener on its port is refused.
    `others` are regions whose STS is asked who calls where that of `region` is away.
    """

    session: boto3.session.Session
    region: str
    endpoint: str | None = None
    role: str | None = None
    local: bool = False
    instance: Callable[[], str] | None = field(default=None, repr=False)
    others: tuple[str, ...] = ()
    _account: str | None = field(default=None, repr=False)
    _signing: str | None = field(default=None, repr=False)  # whose STS answers
    _handles: dict[tuple[Any, ...], Client] = field(default_factory=dict, repr=False)
    _keys: dict[str, Any] = field(default_factory=dict, repr=False)
    _clients: Clients = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._clients = Clients(self._client)

    @property
    def account(self) -> str:
        """The caller's own account id (`sts:GetCallerIdentity`)."""
        with self._clients.lock:
            if self._account is None:
                self._account = self._identity()
        return self._account

    def _identity(self) -> str:
        """Ask who calls; the first region that answers assumes roles, too."""
        away: AwsError | None = None
        for region in dict.fromkeys((self.region, *self.others)):
            try:
                found = self._identity_in(region)
            except AwsError as error:
                if not is_away(error):
                    raise
                away = away or error
                continue
            self._signing = region
            return found
        assert away
        raise away

    def _identity_in(self, region: str) -> str:
        """Ask a region who calls, as the first call of every command: it fails quickly
        when nothing answers.
        """
        sts = self._clients.get("sts", region, HASTY, Caller())
        return str(ask(sts, "get_caller_identity")["Account"])

    @property
    def home(self) -> Target:
        """The caller's account and default region."""
        return Target(self.account, self.region)

    def assuming(self, role: str | None) -> Aws:
        """Return the same caller, with the same clients, and another role to assume in
        other accounts."""
        other = replace(self, role=role, _account=self.account, _handles={}, _keys={})
        other._clients = self._clients
        return other

    def client(
        self, service: str, target: Target | None = None, attempts: int = ATTEMPTS
    ) -> Client:
        """Return a client for `service` in a target, the caller's account by default.
        A call fails after `attempts`. Safe in several threads.

        Raises AwsError where the account is another and no role is to be assumed.
        """
        account = target.account if target else self.account
        region = target.region if target else self.region
        key = (service, account, region, attempts)
        known = self._handles.get(key)
        if known is None:
            caller = Caller(self._credentials(account), self._place(account, region))
            # Two threads may both get here: the first handle is everybody's.
            known = self._handles.setdefault(
                key, self._clients.get(service, region, attempts, caller)
            )
        return known

    def keys(self, account: str) -> Any:
        """Return the credentials for an account, to sign a request with."""
        found = self._credentials(account)
        return found or self.session.get_credentials()

    def send(self, request: Any, seconds: float) -> tuple[int, str]:
        """Send a prepared request that is no call of a service; return the status and the
        text of the answer. Raises Unreachable without one."""
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        with _translated(f"{request.method} {request.url}"):
            proxies = get_environ_proxies(request.url)
            answer = URLLib3Session(timeout=seconds, proxies=proxies).send(request)
            return answer.status_code, answer.content.decode(errors="replace")

    def throttled(self) -> dict[str, int]:
        """Return how many calls were throttled so far, by service, caller and place."""
        found: dict[str, int] = {}
        for (service, *_), client in [*self._handles.items()]:
            if client.throttled:
                key = f"{service}, {client.tapgen_place}"
                found[key] = found.get(key, 0) + client.throttled
        return found

    def _place(self, account: str, region: str) -> str:
        """Who calls, and where, for messages."""
        own = account == self.account or self.role is None
        who = "the caller" if own else f"role {self.role}"
        return f"{who} in {account}/{region}"

    def _credentials(self, account: str) -> Any:
        """Return the credentials for an account, the same ones every time; None for those
        of the session. They assume the role when they are first needed, and again before
        they expire."""
        if account == self.account:
            return None
        if account not in self._keys:
            self._keys.setdefault(account, self._new_credentials(account))
        return self._keys[account]

    def _new_credentials(self, account: str) -> Any:
        import botocore.credentials

        if self.role is None and self.local:
            return botocore.credentials.Credentials(account, _ONLY_ENDPOINT_SECRET)
        if self.role is None:
            raise AwsError(
                "sts:AssumeRole",
                "NoRole",
                f"account {account} is not the caller's account {self.account}; pass the "
                "role to assume there with --assume-role",
            )
        partition = self.session.get_partition_for_region(self.region)
        arn = f"arn:{partition}:iam::{account}:role/{self.role}"
        place = f"the caller in {self.account}, to assume {arn}"
        region = self._signing or self.region
        sts = self._clients.get("sts", region, ATTEMPTS, Caller(place=place))

        def refresh() -> dict[str, str]:
            answer = ask(sts, "assume_role", RoleArn=arn, RoleSessionName="tapgen")
            keys = answer["Credentials"]
            return {
                "access_key": keys["AccessKeyId"],
                "secret_key": keys["SecretAccessKey"],
                "token": keys["SessionToken"],
                "expiry_time": keys["Expiration"].isoformat(),
            }

        # They hold a lock of their own: several threads assume the role once.
        return botocore.credentials.DeferredRefreshableCredentials(
            refresh, "sts-assume-role"
        )

    def _client(self, service: str, region: str, attempts: int) -> Any:
        with _translated(f"{service}: creating a client"):
            client = self.session.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                config=_config(service, self.local, attempts),
            )
        if self.instance:
            _recognize(client, self.instance, str(self.endpoint))
        return client


def connect(profile: str | None = None, region: str | None = None) -> Aws:
    """Return the AWS that boto3 is configured for; us-east-1 where no region is set.

    Raises Unreachable when the configuration cannot be read.
    """
    import boto3

    with _translated("reading the AWS configuration"):
        session = boto3.session.Session(profile_name=profile, region_name=region)
        session = _rereading(session, profile)
    # botocore reads AWS_DEFAULT_REGION only; the other SDKs read AWS_REGION first.
    found = region or os.environ.get("AWS_REGION") or session.region_name
    return Aws(session, found or "us-east-1")


def connect_local(
    endpoint: str,
    region: str,
    account: str = "000000000000",
    instance: Callable[[], str] | None = None,
) -> Aws:
    """Return the embedded AWS at `endpoint`, as `account`, without real credentials.

    With `instance` every call is only for the embedded AWS that identifies itself by it.
    """
    keys = _keys(account, _ONLY_ENDPOINT_SECRET, None)
    return Aws(keys, region, endpoint, local=True, instance=instance)


def _recognize(client: Any, instance: Callable[[], str], endpoint: str) -> None:
    """Let a client say with each call which embedded AWS it is for, and refuse the answer
    of any other listener: a port passes on to other programs and projects."""

    def before_send(request: Any, **_: Any) -> None:
        request.headers[_INSTANCE] = instance() or "none"

    def before_parse(operation_model: Any, response_dict: Any, **_: Any) -> None:
        shown = response_dict["headers"].get(_INSTANCE)
        if not shown or shown != instance():
            service = operation_model.service_model.service_name
            raise Unreachable(
                f"{service}:{operation_model.name}",
                "OtherListener",
                f"{endpoint} is no longer answered by the embedded AWS of this project; "
                "nothing was changed there; run tapgen local stop, then tapgen local start",
            )

    client.meta.events.register("before-send", before_send)
    client.meta.events.register("before-parse", before_parse)


def ask(client: Any, operation: str, **parameters: Any) -> dict[str, Any]:
    """Make one call; return its response. Parameters of None are left out.

    Raises NotFound, Busy, Denied, Expired, Unreachable or AwsError.
    """
    given = {k: v for k, v in parameters.items() if v is not None}
    service = client.meta.service_model.service_name
    name = client.meta.method_to_api_mapping[operation]
    try:
        with _translated(f"{service}:{name}", getattr(client, _PLACE, "")):
            answer: dict[str, Any] = getattr(client, operation)(**given)
            return answer
    except AwsError as error:
        error.region = client.meta.region_name
        raise


def is_away(error: AwsError) -> bool:
    """Whether an error says that a region gives no answer: not that it says no, nor that
    the credentials or this machine are the trouble."""
    return error.code in _AWAY


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
    bare = botocore.session.Session(session_vars={"profile": nowhere})
    bare.register_component("data_loader", _descriptions())
    return bare


@cache
def _descriptions() -> Any:
    """AWS's descriptions of its services, which all such sessions share: reading them takes
    most of the time of making clients."""
    import botocore.loaders

    return botocore.loaders.create_loader(os.environ.get("AWS_DATA_PATH"))


def _rereading(
    session: boto3.session.Session, profile: str | None
) -> boto3.session.Session:
    """Return a session that reads temporary keys in the credentials file again, every
    minute: whoever signs in while a rollout runs writes new ones there.

    botocore refreshes all other temporary credentials by itself (SSO, roles, processes).
    """
    import boto3

    found = session.get_credentials()
    if found is None or found.method not in _FILES or not found.token:
        return session

    def refresh() -> dict[str, str]:
        again = boto3.session.Session(profile_name=profile).get_credentials()
        keys = (again or found).get_frozen_credentials()
        until = datetime.now(UTC) + timedelta(seconds=_REREAD)
        return {
            "access_key": str(keys.access_key),
            "secret_key": str(keys.secret_key),
            "token": str(keys.token),
            "expiry_time": until.isoformat(),
        }

    session._session._credentials = _refreshing(refresh, found.method)
    return session


def _refreshing(refresh: Callable[[], dict[str, str]], method: str) -> Any:
    """Credentials that refresh themselves when they expire, not before."""
    import botocore.credentials

    return botocore.credentials.RefreshableCredentials.create_from_metadata(
        metadata=refresh(),
        refresh_using=refresh,
        method=method,
        advisory_timeout=0,
        mandatory_timeout=0,
    )


def _config(service: str, local: bool, attempts: int) -> botocore.config.Config:
    import botocore.config

    # botocore signs links to S3 objects with a version that newer regions refuse.
    signing = "s3v4" if service == "s3" else None
    if local:
        return botocore.config.Config(
            signature_version=signing,
            retries={"mode": "standard", "total_max_attempts": min(attempts, 4)},
            connect_timeout=2,
            read_timeout=60,
            max_pool_connections=AT_ONCE,
            s3={"addressing_style": "path"},
        )
    return botocore.config.Config(
        signature_version=signing,
        # "adaptive" would slow all accounts down for one: see tapgen.aws.clients.
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=10,
        max_pool_connections=AT_ONCE,
        user_agent_extra="tapgen",
    )


@contextmanager
def _translated(call: str, place: str = "") -> Iterator[None]:
    """Turn botocore's exceptions into ours; `place` says who calls, and where."""
    import botocore.exceptions

    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _refused(call, place, error) from error
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
        name = type(error).__name__
        if name in _SIGNED_OUT:
            raise Expired(call, name, f"{_SIGN_IN}: {error}") from error
        raise Unreachable(call, name, str(error)) from error
    except RuntimeError as error:
        if _STILL_EXPIRED not in str(error):
            raise
        raise Expired(call, "ExpiredToken", f"{_SIGN_IN}: {error}") from error


def _refused(call: str, place: str, error: ClientError) -> AwsError:
    """Return our exception for AWS's answer.

    The call that was refused may be one that botocore has made for credentials, as for a
    profile with a role: then that hop is named, not the call that needed it.
    """
    code = str(error.response.get("Error", {}).get("Code", "Unknown"))
    message = one_line(error.response.get("Error", {}).get("Message", error))
    service = _SIGNING_IN.get(error.operation_name)
    hop = f"{service}:{error.operation_name}"
    if service and hop != call:
        call, place = f"{hop} (for {call})", "the credentials of your profile"
    kind = _kind(code, message)
    if kind is Denied and place:
        message = f"refused for {place}: {message}"
    elif kind is Expired:
        message = f"{_SIGN_IN}: {message}"
    return kind(call, code, message)


def one_line(text: object) -> str:
    """Return what AWS says on one line: reasons of services may have several, which
    would look like lines of a plan."""
    return " ".join(str(text).split())


def _kind(code: str, message: str) -> type[AwsError]:
    if code in _BUSY:
        return Busy
    if code in _DENIED:
        return Denied
    if code in _EXPIRED:
        return Expired
    if code in _CONFLICT:
        return Conflict
    missing_stack = code == "ValidationError" and "does not exist" in message
    return NotFound if code in _NOT_FOUND or missing_stack else AwsError
