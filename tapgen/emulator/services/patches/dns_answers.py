"""TestDNSAnswer: which record of a public zone Route 53 answers with, by health and weight.

ministack does not know the call. Of weighted records, the answers come in turn, with the
shares of the weights. Nothing here has an address, so an alias leads to one that belongs
to nobody (RFC 2544), always the same one for a name.
https://docs.aws.amazon.com/Route53/latest/APIReference/API_TestDNSAnswer.html
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from xml.etree.ElementTree import SubElement

from tapgen.emulator.services import serving
from tapgen.emulator.services.patches import health_checks
from tapgen.emulator.state.tracked import Tracked

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.core.responses": {"get_account_id": (), "get_region": ()},
    "ministack.services.alb": {"_lbs": None},
    "ministack.services.route53": {
        "_DEFAULT_NS": None,
        "_error_response": ("code", "message", "status"),
        "_normalise_name": ("name",),
        "_records": None,
        "_xml_response": ("root_tag", "builder_fn", "status"),
        "_zones": None,
        "handle_request": ("method", "path", "headers", "body", "query_params"),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

Record = Mapping[str, Any]

RESOLVER = "us-east-1"
"""The region of the resolver that is asked from where none is given, as at AWS."""

_IPV4, _IPV6 = int(IPv4Address("198.18.0.1")), int(IPv6Address("2001:db8::1"))
_MANY = 8  # answers of multivalue records
# The number of each name that has an address.
_addresses = Tracked()
# How often each record of a weighted group has been the answer.
_answered = Tracked()


def apply() -> None:
    """Answer TestDNSAnswer."""
    route53 = _route53()
    original = route53.handle_request

    async def handle(
        method: str, path: str, headers: Any, body: Any, query_params: Any
    ) -> Any:
        if path.removeprefix(f"/{route53.API_VERSION}") != "/testdnsanswer":
            return await original(method, path, headers, body, query_params)
        given = {
            name: value[0] if isinstance(value, list) else value
            for name, value in query_params.items()
        }
        zone = str(given.get("hostedzoneid", "")).rpartition("/")[2]
        found = route53._zones.get(zone)
        if found is None:
            words = f"No hosted zone found with ID: {zone}"
            return route53._error_response("NoSuchHostedZone", words, 404)
        if found.get("private"):
            words = "This operation only supports public hosted zones."
            return route53._error_response("InvalidInput", words, 400)
        name = route53._normalise_name(str(given.get("recordname", "")))
        kind = str(given.get("recordtype", ""))
        code, values = await answer(zone, name, kind)

        def build(root: Any) -> None:
            for tag, text in {
                "Nameserver": route53._DEFAULT_NS[0].rstrip("."),
                "RecordName": name.rstrip("."),
                "RecordType": kind,
            }.items():
                SubElement(root, tag).text = text
            data = SubElement(root, "RecordData")
            for value in values:
                SubElement(data, "RecordDataEntry").text = value
            SubElement(root, "ResponseCode").text = code
            SubElement(root, "Protocol").text = "UDP"

        return route53._xml_response("TestDNSAnswerResponse", build)

    route53.handle_request = handle


async def answer(zone: str, name: str, kind: str) -> tuple[str, list[str]]:
    """The response code and the values for a question to a zone of the current account."""
    records = [*_named(_route53()._records.get(zone) or [], name)]
    if not records:
        return "NXDOMAIN", []
    group = [record for record in records if record["Type"] in (kind, "CNAME")]
    chosen = await _chosen(zone, group) if group else []
    values: list[str] = []
    for record in chosen:
        alias = record.get("AliasTarget")
        if alias is None:
            values += record.get("ResourceRecords") or []
        elif _is_in(zone, alias):
            values += (await answer(zone, alias["DNSName"], kind))[1]
        else:
            values.append(_address(alias["DNSName"], kind))
    return "NOERROR", values


def _named(records: Iterable[Record], name: str) -> Iterable[Record]:
    """The records of a name, or those of the wildcard that covers it."""
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(record["Name"].replace("\\052", "*"), []).append(record)
    labels = name.split(".")
    wildcards = (".".join(["*", *labels[n:]]) for n in range(1, len(labels)))
    return next((by_name[n] for n in (name, *wildcards) if n in by_name), [])


async def _chosen(zone: str, group: Sequence[Record]) -> Sequence[Record]:
    """The records of a group that are the answer, by the policy of the group."""
    healthy = [record for record in group if await _is_healthy(zone, record)]
    # "If no record is healthy, all records are healthy"
    able = healthy or group
    first = group[0]
    if first.get("Weight") is not None:
        return [_next([r for r in able if r["Weight"]] or able)]
    if first.get("Failover"):
        able = sorted(able, key=lambda record: record["Failover"] != "PRIMARY")
        return able[:1]
    if first.get("MultiValueAnswer"):
        return able[:_MANY]
    if first.get("Region"):
        return sorted(able, key=lambda r: (r["Region"] != RESOLVER, r["Region"]))[:1]
    if first.get("GeoLocation"):
        default = [r for r in able if r["GeoLocation"].get("CountryCode") == "*"]
        return (default or able)[:1]
    return able[:1]


def _next(group: Sequence[Record]) -> Record:
    """The record whose share of the answers so far is the smallest for its weight."""
    account = import_module("ministack.core.responses").get_account_id()
    place = (account, *(_key(record) for record in group))
    counts = _answered.setdefault(place, [0] * len(group))
    turn, total = sum(counts) + 1, sum(r["Weight"] or 1 for r in group)
    due = [
        turn * (record["Weight"] or 1) / total - count
        for record, count in zip(group, counts, strict=True)
    ]
    number = due.index(max(due))
    counts[number] += 1
    return group[number]


def _key(record: Record) -> tuple[str, ...]:
    names = ("Name", "Type", "SetIdentifier", "Weight")
    return tuple(str(record.get(name, "")) for name in names)


# --- Health -----------------------------------------------------------------------------


async def _is_healthy(zone: str, record: Record) -> bool:
    """A record without a health check is always healthy; an alias as what it leads to."""
    check = record.get("HealthCheckId")
    if check and not await health_checks.is_healthy(check):
        return False
    alias = record.get("AliasTarget")
    if not (alias and alias.get("EvaluateTargetHealth")):
        return True
    if _is_in(zone, alias):
        found = _named(_route53()._records.get(zone) or [], alias["DNSName"])
        group = [one for one in found if one["Type"] == record["Type"]]
        return not group or any([await _is_healthy(zone, one) for one in group])
    return _is_serving(alias["DNSName"])


def _is_serving(name: str) -> bool:
    """Whether a load balancer, if it is one, has targets that answer.
    https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html
    """
    balancers: Any = import_module("ministack.services.alb")
    account = import_module("ministack.core.responses").get_account_id()
    host = name.rstrip(".").removeprefix("dualstack.").lower()
    for owner, region, arn in [*balancers._lbs._data]:
        found = balancers._lbs.get_scoped(owner, region, arn) or {}
        if owner != account or str(found.get("DNSName", "")).lower() != host:
            continue
        return serving.is_serving(owner, region, arn)
    return True


# --- Values -----------------------------------------------------------------------------


def _is_in(zone: str, alias: Record) -> bool:
    return str(alias.get("HostedZoneId", "")).rpartition("/")[2] == zone


def _address(name: str, kind: str) -> str:
    """The address of a name that is not in the zone."""
    number = _addresses.setdefault(name.rstrip(".").lower(), len(_addresses))
    return str(
        IPv6Address(_IPV6 + number) if kind == "AAAA" else IPv4Address(_IPV4 + number)
    )


def _route53() -> Any:
    return import_module("ministack.services.route53")
