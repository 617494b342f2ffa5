"""ACM certificates that wait for the records that prove their domains.

With the real time, ministack issues a certificate at once. While the clock stands, one that
is requested by a call is PENDING_VALIDATION until the records are in a public zone of the
account and the clock goes forward; after 72 hours without them it has VALIDATION_TIMED_OUT.
CloudFormation waits for its certificates, so these are issued when a stack has them.
https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html
https://docs.aws.amazon.com/acm/latest/userguide/troubleshooting-timed-out.html
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.acm": {
        "_certificates": None,
        "_request_certificate": ("data",),
    },
    "ministack.services.route53": {"_records": None, "_zones": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

PATIENCE = 72 * 3600.0
"""How long ACM waits for the records, in seconds."""

PENDING, ISSUED = "PENDING_VALIDATION", "ISSUED"
_SINCE = "_pending_since"


def apply() -> None:
    """Let certificates wait while the clock stands."""
    acm: Any = import_module("ministack.services.acm")
    request = acm._request_certificate

    def requesting(data: Any) -> Any:
        answer = request(data)
        if answer[0] == 200 and clock.stands():
            arn = json.loads(answer[2])["CertificateArn"]
            _show(acm._certificates[arn], PENDING)
            acm._certificates[arn][_SINCE] = clock.now()
        return answer

    requesting.__signature__ = inspect.signature(request)  # type: ignore[attr-defined]
    acm._request_certificate = requesting
    clock.watch(_happen)


def _happen() -> None:
    acm: Any = import_module("ministack.services.acm")
    for _, certificate in clock.everywhere(acm._certificates):
        if certificate.get("Status") != PENDING:
            continue
        if not clock.stands() or _is_proven(certificate):
            _show(certificate, ISSUED)
        elif clock.now() - certificate.get(_SINCE, 0.0) >= PATIENCE:
            _show(certificate, "VALIDATION_TIMED_OUT")


def _show(certificate: dict[str, Any], status: str) -> None:
    certificate["Status"] = status
    shown = {PENDING: PENDING, ISSUED: "SUCCESS"}.get(status, "FAILED")
    for option in certificate["DomainValidationOptions"]:
        option["ValidationStatus"] = shown


def _is_proven(certificate: Mapping[str, Any]) -> bool:
    route53: Any = import_module("ministack.services.route53")
    there = {
        (record["Name"], value.rstrip("."))
        for zone, records in route53._records.items()
        if not (route53._zones.get(zone) or {}).get("private")
        for record in records
        if record["Type"] == "CNAME"
        for value in record.get("ResourceRecords") or []
    }
    wanted = [one["ResourceRecord"] for one in certificate["DomainValidationOptions"]]
    return all((one["Name"], one["Value"].rstrip(".")) in there for one in wanted)
