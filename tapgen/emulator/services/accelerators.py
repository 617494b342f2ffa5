"""Global Accelerator, which ministack lacks: accelerators, listeners, endpoint groups.

It stores what it is given and refuses what AWS refuses; no traffic goes through it.
https://docs.aws.amazon.com/global-accelerator/latest/api/Welcome.html
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping

from tapgen.emulator.services import serving
from tapgen.emulator.services.registry import Record, Refusal, Service, place, unknown
from tapgen.emulator.state.tracked import Tracked

# By ARN, which has the account in it.
_accelerators: dict[str, Record] = Tracked()
_listeners: dict[str, Record] = Tracked()
_groups: dict[str, Record] = Tracked()
_tags: dict[str, Record] = Tracked()


def _own(arn: str) -> bool:
    account, _ = place()
    return arn.startswith(f"arn:aws:globalaccelerator::{account}:")


def _found(store: Mapping[str, Record], arn: str, what: str) -> Record:
    record = store.get(arn)
    if record is None or not _own(arn):
        raise Refusal(f"{what}NotFoundException", f"{what} {arn} does not exist")
    return record


def _changed(record: Record, given: Record, *names: str) -> Record:
    record.update({name: given[name] for name in names if name in given})
    return record


# --- Accelerators ----------------------------------------------------------------------


def _create_accelerator(given: Record) -> Record:
    account, _ = place()
    id_ = str(uuid.uuid4())
    arn = f"arn:aws:globalaccelerator::{account}:accelerator/{id_}"
    number = int(id_[:4], 16)
    record = {
        "AcceleratorArn": arn,
        "Name": given["Name"],
        "IpAddressType": given.get("IpAddressType", "IPV4"),
        "Enabled": given.get("Enabled", True),
        "IpSets": [
            {
                "IpFamily": "IPv4",
                "IpAddressFamily": "IPv4",
                # AWS's accelerators have addresses of these two ranges.
                "IpAddresses": [
                    f"75.2.{number >> 8}.{number & 255}",
                    f"99.83.{number >> 8}.{number & 255}",
                ],
            }
        ],
        "DnsName": f"a{id_.replace('-', '')[:16]}.awsglobalaccelerator.com",
        "Status": "DEPLOYED",
        "CreatedTime": time.time(),
        "LastModifiedTime": time.time(),
    }
    _accelerators[arn] = record
    _tags[arn] = {tag["Key"]: tag["Value"] for tag in given.get("Tags") or []}
    return {"Accelerator": record}


def _update_accelerator(given: Record) -> Record:
    record = _found(_accelerators, given["AcceleratorArn"], "Accelerator")
    _changed(record, given, "Name", "IpAddressType", "Enabled")
    record["LastModifiedTime"] = time.time()
    return {"Accelerator": record}


def _delete_accelerator(given: Record) -> Record:
    arn = given["AcceleratorArn"]
    record = _found(_accelerators, arn, "Accelerator")
    if record["Enabled"]:
        raise Refusal("AcceleratorNotDisabledException", f"{arn} is not disabled")
    if any(one.startswith(f"{arn}/") for one in _listeners):
        raise Refusal("AssociatedListenerFoundException", f"{arn} has listeners")
    del _accelerators[arn]
    _tags.pop(arn, None)
    return {}


# --- Listeners -------------------------------------------------------------------------


def _create_listener(given: Record) -> Record:
    above = given["AcceleratorArn"]
    _found(_accelerators, above, "Accelerator")
    arn = f"{above}/listener/{uuid.uuid4().hex[:8]}"
    _listeners[arn] = {
        "ListenerArn": arn,
        "PortRanges": given["PortRanges"],
        "Protocol": given.get("Protocol", "TCP"),
        "ClientAffinity": given.get("ClientAffinity", "NONE"),
    }
    return {"Listener": _listeners[arn]}


def _update_listener(given: Record) -> Record:
    record = _found(_listeners, given["ListenerArn"], "Listener")
    return {
        "Listener": _changed(record, given, "PortRanges", "Protocol", "ClientAffinity")
    }


def _delete_listener(given: Record) -> Record:
    arn = given["ListenerArn"]
    _found(_listeners, arn, "Listener")
    if any(one.startswith(f"{arn}/") for one in _groups):
        raise Refusal("AssociatedEndpointGroupFoundException", f"{arn} has groups")
    del _listeners[arn]
    return {}


# --- Endpoint groups -------------------------------------------------------------------

_GROUP = "EndpointGroup"
_HEALTH: Record = {
    "HealthCheckPort": 443,
    "HealthCheckProtocol": "TCP",
    "HealthCheckPath": "/",
    "HealthCheckIntervalSeconds": 30,
    "ThresholdCount": 3,
    "PortOverrides": [],
}


def _endpoints(given: Record) -> list[Record]:
    return [
        {
            "EndpointId": one["EndpointId"],
            "Weight": one.get("Weight", 128),
            "ClientIPPreservationEnabled": one.get("ClientIPPreservationEnabled", True),
            "HealthState": "INITIAL",
        }
        for one in given.get("EndpointConfigurations") or []
    ]


def preserving() -> frozenset[str]:
    """The ARNs of all endpoints that see the addresses of their clients."""
    return frozenset(
        one["EndpointId"]
        for group in _groups.values()
        for one in group["EndpointDescriptions"]
        if one["ClientIPPreservationEnabled"]
    )


def _create_group(given: Record) -> Record:
    above, region = given["ListenerArn"], given["EndpointGroupRegion"]
    _found(_listeners, above, "Listener")
    for arn, record in _groups.items():
        if arn.startswith(f"{above}/") and record["EndpointGroupRegion"] == region:
            raise Refusal(
                "EndpointGroupAlreadyExistsException", f"{above} has one for {region}"
            )
    arn = f"{above}/endpoint-group/{uuid.uuid4().hex[:12]}"
    _groups[arn] = {
        "EndpointGroupArn": arn,
        "EndpointGroupRegion": region,
        "EndpointDescriptions": _endpoints(given),
        "TrafficDialPercentage": float(given.get("TrafficDialPercentage", 100)),
        **{name: given.get(name, value) for name, value in _HEALTH.items()},
    }
    return {"EndpointGroup": _groups[arn]}


def _describe_group(given: Record) -> Record:
    return {"EndpointGroup": _seen(_found(_groups, given["EndpointGroupArn"], _GROUP))}


def _list_groups(given: Record) -> Record:
    found = _listed(_groups, _GROUP, "ListenerArn")(given)
    return {f"{_GROUP}s": [_seen(group) for group in found[f"{_GROUP}s"]]}


def _seen(group: Record) -> Record:
    """A group with the health of its endpoints at this moment.
    https://docs.aws.amazon.com/global-accelerator/latest/api/API_EndpointDescription.html
    """
    endpoints = [
        {**one, "HealthState": _health(one["EndpointId"])}
        for one in group["EndpointDescriptions"]
    ]
    return {**group, "EndpointDescriptions": endpoints}


def _health(endpoint: str) -> str:
    if ":loadbalancer/" not in endpoint:
        return "HEALTHY"
    _, _, _, region, account, _ = endpoint.split(":", 5)
    answers = serving.is_serving(account, region, endpoint)
    return "HEALTHY" if answers else "UNHEALTHY"


def _update_group(given: Record) -> Record:
    record = _found(_groups, given["EndpointGroupArn"], "EndpointGroup")
    _changed(record, given, "TrafficDialPercentage", *_HEALTH)
    if "EndpointConfigurations" in given:
        record["EndpointDescriptions"] = _endpoints(given)
    return {"EndpointGroup": record}


def _delete_group(given: Record) -> Record:
    _found(_groups, given["EndpointGroupArn"], "EndpointGroup")
    del _groups[given["EndpointGroupArn"]]
    return {}


# --- All of them -----------------------------------------------------------------------


def _described(store: Mapping[str, Record], what: str) -> Callable[[Record], Record]:
    def describe(given: Record) -> Record:
        return {what: _found(store, given[f"{what}Arn"], what)}

    return describe


def _listed(
    store: Mapping[str, Record], what: str, above: str = ""
) -> Callable[[Record], Record]:
    def list_(given: Record) -> Record:
        prefix = f"{given[above]}/" if above else ""
        return {
            f"{what}s": [
                record
                for arn, record in store.items()
                if arn.startswith(prefix) and _own(arn)
            ]
        }

    return list_


def _tag(given: Record) -> Record:
    _found(_accelerators, given["ResourceArn"], "Accelerator")
    _tags[given["ResourceArn"]].update({t["Key"]: t["Value"] for t in given["Tags"]})
    return {}


def _untag(given: Record) -> Record:
    _found(_accelerators, given["ResourceArn"], "Accelerator")
    for key in given["TagKeys"]:
        _tags[given["ResourceArn"]].pop(key, None)
    return {}


def _list_tags(given: Record) -> Record:
    _found(_accelerators, given["ResourceArn"], "Accelerator")
    tags = _tags[given["ResourceArn"]]
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


_OPERATIONS: Mapping[str, Callable[[Record], Record]] = {
    "CreateAccelerator": _create_accelerator,
    "DescribeAccelerator": _described(_accelerators, "Accelerator"),
    "ListAccelerators": _listed(_accelerators, "Accelerator"),
    "UpdateAccelerator": _update_accelerator,
    "DeleteAccelerator": _delete_accelerator,
    "CreateListener": _create_listener,
    "DescribeListener": _described(_listeners, "Listener"),
    "ListListeners": _listed(_listeners, "Listener", "AcceleratorArn"),
    "UpdateListener": _update_listener,
    "DeleteListener": _delete_listener,
    "CreateEndpointGroup": _create_group,
    "DescribeEndpointGroup": _describe_group,
    "ListEndpointGroups": _list_groups,
    "UpdateEndpointGroup": _update_group,
    "DeleteEndpointGroup": _delete_group,
    "TagResource": _tag,
    "UntagResource": _untag,
    "ListTagsForResource": _list_tags,
}


def _answer(operation: str, given: Record) -> Record:
    if operation not in _OPERATIONS:
        raise unknown(operation)
    return _OPERATIONS[operation](given)


SERVICE = Service(
    name="globalaccelerator",
    answer=_answer,
    target_prefix="GlobalAccelerator_V20180706",
)
