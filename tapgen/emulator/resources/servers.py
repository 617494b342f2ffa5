"""Global Accelerator; and load balancers that forward by weight, as AWS's do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.emulator.resources.calls import call
from tapgen.emulator.resources.corrections import Correction
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    dropped_tags,
    tag_list,
)
from tapgen.emulator.services import accelerators


def prepare() -> None:
    """Register the service that the kinds here use; a second call changes nothing."""
    accelerators.SERVICE.install()


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind(
            "AWS::GlobalAccelerator::Accelerator",
            _make_accelerator,
            _delete_accelerator,
            _change_accelerator,
        ),
        Kind(
            "AWS::GlobalAccelerator::Listener",
            _make_listener,
            _delete_listener,
            _change_listener,
            tags=None,
        ),
        Kind(
            "AWS::GlobalAccelerator::EndpointGroup",
            _make_group,
            _delete_group,
            _change_group,
            tags=None,
        ),
    ]


def corrections() -> list[Correction]:
    """What ministack's own handlers of load balancers leave out."""
    return [
        Correction(
            *("AWS::ElasticLoadBalancingV2::LoadBalancer", "Name", ("alb", "_lbs")),
            field="LoadBalancerName",
        ),
        Correction(
            *("AWS::ElasticLoadBalancingV2::TargetGroup", "Name", ("alb", "_tgs")),
            field="TargetGroupName",
            attributes=_target_group,
        ),
        Correction("AWS::ElasticLoadBalancingV2::Listener", settle=_settle_listener),
    ]


# --- Global Accelerator ----------------------------------------------------------------


def _accelerate(operation: str, **given: Any) -> dict[str, Any]:
    return call("globalaccelerator", operation, **given)


def _make_accelerator(request: Request) -> Created:
    given = {**request.properties, "Name": request.name("Name", longest=64)}
    given["Tags"] = tag_list(request.properties)
    created = _accelerate("CreateAccelerator", **given)["Accelerator"]
    return created["AcceleratorArn"], _accelerator(created)


def _accelerator(record: Mapping[str, Any]) -> Attributes:
    addresses = record["IpSets"][0]["IpAddresses"]
    return {
        "AcceleratorArn": record["AcceleratorArn"],
        "DnsName": record["DnsName"],
        "DualStackDnsName": "",
        "Ipv4Addresses": addresses,
        "Ipv6Addresses": [],
    }


def _change_accelerator(arn: str, old: Properties, new: Properties) -> Attributes:
    wanted = {
        key: new.get(key) for key in ("Name", "IpAddressType", "Enabled") if key in new
    }
    changed = _accelerate("UpdateAccelerator", AcceleratorArn=arn, **wanted)
    dropped = dropped_tags(old, new)
    if dropped:
        _accelerate("UntagResource", ResourceArn=arn, TagKeys=dropped)
    _accelerate("TagResource", ResourceArn=arn, Tags=tag_list(new))
    return _accelerator(changed["Accelerator"])


def _delete_accelerator(arn: str, properties: Properties) -> None:
    # CloudFormation does this by itself: only a disabled one can be deleted.
    _accelerate("UpdateAccelerator", AcceleratorArn=arn, Enabled=False)
    _accelerate("DeleteAccelerator", AcceleratorArn=arn)


def _make_listener(request: Request) -> Created:
    created = _accelerate("CreateListener", **request.properties)["Listener"]
    return created["ListenerArn"], {"ListenerArn": created["ListenerArn"]}


def _change_listener(arn: str, old: Properties, new: Properties) -> Attributes:
    _accelerate("UpdateListener", **{**new, "ListenerArn": arn})
    return {"ListenerArn": arn}


def _delete_listener(arn: str, properties: Properties) -> None:
    _accelerate("DeleteListener", ListenerArn=arn)


def _make_group(request: Request) -> Created:
    created = _accelerate("CreateEndpointGroup", **request.properties)["EndpointGroup"]
    return created["EndpointGroupArn"], {
        "EndpointGroupArn": created["EndpointGroupArn"]
    }


def _change_group(arn: str, old: Properties, new: Properties) -> Attributes:
    _accelerate("UpdateEndpointGroup", **{**new, "EndpointGroupArn": arn})
    return {"EndpointGroupArn": arn}


def _delete_group(arn: str, properties: Properties) -> None:
    _accelerate("DeleteEndpointGroup", EndpointGroupArn=arn)


# --- Load balancers --------------------------------------------------------------------


def _target_group(arn: str, properties: Properties) -> Attributes:
    # As CloudWatch names it; ministack leaves out the kind.
    return {"TargetGroupFullName": arn.rpartition(":")[2]}


def _settle_listener(arn: str, old: Properties, new: Properties) -> None:
    """Let the service itself read the actions, with the weights of a forward."""
    call("elbv2", "ModifyListener", ListenerArn=arn, DefaultActions=_actions(new))


def _actions(properties: Properties) -> list[Any]:
    return list(properties.get("DefaultActions") or [])
