"""Every exception tapgen raises on purpose.

* TapgenError
  - ConfigError      the config file is wrong; carries every mistake found
  - BlueprintError   the config is valid, but the blueprint cannot build it
  - TemplateError    templates cannot be written, or break one of AWS's limits
  - PlanError        no valid plan exists
  - RolloutError     a rollout cannot start or go on
  - AwsError         AWS refused a call
    + NotFound       the thing named does not exist
    + Busy           another operation holds the stack set; worth waiting for
    + Unreachable    no answer: endpoint down, no network, no credentials
  - LocalError       the embedded AWS cannot start, stop or answer
                     (raised by the command line, on behalf of the emulator)

A finding, a failed stack instance and drift are results, not exceptions.
A message says where, what was given, what is allowed and what to do; it starts in
lower case and has no final period.
"""

from __future__ import annotations

from collections.abc import Iterable


class TapgenError(Exception):
    """Base of the tree above; the command line prints it without a traceback."""


class ConfigError(TapgenError):
    """The config file is wrong; `problems` holds one line for each mistake."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class BlueprintError(TapgenError):
    """The config is valid, but the blueprint cannot build it."""


class TemplateError(TapgenError):
    """Templates cannot be written, or break one of AWS's limits."""


class PlanError(TapgenError):
    """No valid plan exists."""


class RolloutError(TapgenError):
    """A rollout cannot start or go on."""


class AwsError(TapgenError):
    """AWS refused a call: which call, with which error code, and AWS's own words."""

    def __init__(self, call: str, code: str, message: str) -> None:
        super().__init__(f"{call}: {message} ({code})")
        self.call = call
        self.code = code
        self.message = message


class NotFound(AwsError):
    """The stack set, stack instance, operation, stack or object does not exist."""


class Busy(AwsError):
    """Another operation holds the stack set."""


class Unreachable(AwsError):
    """No answer: endpoint down, no network, or no credentials."""


class LocalError(TapgenError):
    """The embedded AWS cannot start, stop or answer."""
