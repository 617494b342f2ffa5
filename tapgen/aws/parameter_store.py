"""Values in Systems Manager's Parameter Store."""

from __future__ import annotations

from collections.abc import Iterable

from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError
from tapgen.model import Target

_AT_ONCE = 10  # names in one call (API reference, GetParameters)


def values(
    aws: Aws, target: Target, names: Iterable[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return name -> current value, and name -> why it is not known, in a few words.

    A name may be an ARN, and end in a version or label. Secure values are not read.
    """
    wanted = sorted({*names})
    found: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        try:
            client = aws.client("ssm", target)
            answer = ask(client, "get_parameters", Names=some)
        except AwsError as error:
            unknown |= dict.fromkeys(some, f"cannot be read ({error.code})")
            continue
        for one in answer.get("Parameters", ()):
            end = one.get("Selector", "")
            known = {f"{one[key]}{end}" for key in ("Name", "ARN") if key in one}
            for name in known.intersection(some):
                if one.get("Type") == "SecureString":
                    unknown[name] = "is secure"
                else:
                    found[name] = one.get("Value", "")
    missing = {*wanted} - {*found, *unknown}
    return found, unknown | dict.fromkeys(missing, "does not exist")


def write(
    aws: Aws, target: Target, name: str, value: str, *, kind: str = "String"
) -> None:
    """Create a parameter, or give it another value; `kind` is its type. Raises AwsError."""
    client = aws.client("ssm", target)
    ask(client, "put_parameter", Name=name, Value=value, Type=kind, Overwrite=True)
