"""The exceptions that tapgen raises.

* TapgenError
  - ConfigError      the config file is invalid; has every mistake found
  - BlueprintError   the config is valid, but the blueprint cannot build it
  - TemplateError    templates cannot be written, or exceed one of AWS's limits
  - PlanError        no valid plan exists
  - RolloutError     a rollout cannot start or continue
  - AwsError         AWS refused a call
    + NotFound       the stack set, stack or object does not exist
    + Busy           another operation runs on the stack set; try again later
    + Denied         the caller, or the role it assumed, may not make the call
    + Conflict       a conditional write found another object, or none
    + Unreachable    no answer: endpoint down, no network, or no credentials
      + Expired      the credentials have expired: sign in again, then go on
  - LocalError       the embedded AWS cannot start, stop or answer
                     (raised by the command line, on behalf of the emulator)

A finding, a failed stack instance and drift are results, not exceptions.
A message has four parts: where, what is wrong, what was given, what to do. It starts in
lower case and has no final period.
"""

from __future__ import annotations

from collections.abc import Iterable


class TapgenError(Exception):
    """Base of the tree above; the command line prints it without a traceback."""


class ConfigError(TapgenError):
    """The config file is invalid; `problems` has one line for each mistake."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class BlueprintError(TapgenError):
    """The config is valid, but the blueprint cannot build it."""


class TemplateError(TapgenError):
    """Templates cannot be written, or exceed one of AWS's limits."""


class PlanError(TapgenError):
    """No valid plan exists."""


class RolloutError(TapgenError):
    """A rollout cannot start or continue."""


class AwsError(TapgenError):
    """AWS refused a call: the call, the error code, and AWS's own message. `region` is
    where it was made, as far as that is known."""

    region = ""

    def __init__(self, call: str, code: str, message: str) -> None:
        super().__init__(f"{call}: {message} ({code})")
        self.call = call
        self.code = code
        self.message = message


class NotFound(AwsError):
    """The stack set, stack instance, operation, stack or object does not exist."""


class Busy(AwsError):
    """Another operation runs on the stack set."""


class Denied(AwsError):
    """The caller, or the role that it assumed, may not make the call; the message names
    both the caller and the place."""


class Conflict(AwsError):
    """A conditional write found another object than it expected, or none."""


class Unreachable(AwsError):
    """No answer: endpoint down, no network, or no credentials."""


class Expired(Unreachable):
    """The credentials have expired, and could not be refreshed: sign in again."""


class LocalError(TapgenError):
    """The embedded AWS cannot start, stop or answer."""
