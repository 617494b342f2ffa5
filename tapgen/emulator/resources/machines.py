"""EC2 instances with their volumes, interfaces and addresses; nothing runs on them.

References: "Return values" of each type in the CloudFormation template reference
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_EC2.html).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.resources.calls import CallError, call
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
)
from tapgen.emulator.resources.network import retag


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind("AWS::EC2::Instance", _launch, _terminate, _change_instance),
        Kind("AWS::EC2::Volume", _make_volume, _delete_volume, _change_volume),
        Kind("AWS::EC2::VolumeAttachment", _attach, _detach, tags=None),
        Kind(
            "AWS::EC2::NetworkInterface",
            _make_interface,
            _delete_interface,
            _change_interface,
        ),
        Kind("AWS::EC2::NetworkInterfaceAttachment", _plug, _unplug, tags=None),
        Kind("AWS::EC2::EIPAssociation", _associate, _dissociate, tags=None),
    ]


def _ec2() -> Any:
    """ministack's module, whose records have what its API has no operation for."""
    return importlib.import_module("ministack.services.ec2")


def _record(kind: str, id_: str) -> Any:
    """What is stored of an instance or interface; CallError when it is gone."""
    stores = {
        "instance": _ec2()._instances,
        "networkInterface": _ec2()._network_interfaces,
    }
    found = stores[kind].get(id_)
    if found is None:
        code = f"Invalid{kind[0].upper()}{kind[1:]}ID.NotFound"
        raise CallError("Ec2", code, f"The {kind} ID '{id_}' does not exist", 400)
    return found


# --- Instances ----------------------------------------------------------------------------


def _launch(request: Request) -> Created:
    properties = {**_launch_template(request.properties), **request.properties}
    interface: Mapping[str, Any]
    interface = next(iter(properties.get("NetworkInterfaces") or ()), {})
    subnet = properties.get("SubnetId") or interface.get("SubnetId")
    profile = properties.get("IamInstanceProfile")
    answer = call(
        "ec2",
        "RunInstances",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        SecurityGroupIds=properties.get("SecurityGroupIds")
        or interface.get("GroupSet"),
        IamInstanceProfile={"Name": profile} if isinstance(profile, str) else profile,
        **{
            name: properties.get(name)
            for name in (
                *("ImageId", "InstanceType", "KeyName", "UserData"),
                "PrivateIpAddress",
            )
        },
    )
    instance = str(answer["Instances"][0]["InstanceId"])
    record = _record("instance", instance)
    zone = (_ec2()._subnets.get(subnet) or properties).get("AvailabilityZone")
    if zone:
        record["Placement"]["AvailabilityZone"] = zone
    retag(instance, {}, properties)
    for volume in properties.get("Volumes") or []:
        call("ec2", "AttachVolume", InstanceId=instance, **volume)
    return instance, _instance(instance)


def _launch_template(properties: Properties) -> Mapping[str, Any]:
    """What the launch template of an instance says; nothing without one."""
    given = properties.get("LaunchTemplate")
    if not given:
        return {}
    named = {k: v for k, v in given.items() if k != "Version"}
    versions = [str(given.get("Version") or "$Default")]
    found = call("ec2", "DescribeLaunchTemplateVersions", **named, Versions=versions)
    version: Mapping[str, Any] = next(iter(found["LaunchTemplateVersions"]), {})
    data = version.get("LaunchTemplateData", {})
    return {k: v for k, v in data.items() if k != "TagSpecifications"}


def _instance(instance: str) -> Attributes:
    record = _record("instance", instance)
    return {
        "AvailabilityZone": record["Placement"]["AvailabilityZone"],
        "InstanceId": instance,
        "PrivateDnsName": record["PrivateDnsName"],
        "PrivateIp": record["PrivateIpAddress"],
        "PublicDnsName": record["PublicDnsName"],
        "PublicIp": record["PublicIpAddress"],
        "VpcId": record["VpcId"],
    }


def _change_instance(physical_id: str, old: Properties, new: Properties) -> Attributes:
    record = _record("instance", physical_id)
    retag(physical_id, old, new)
    if new.get("InstanceType"):
        record["InstanceType"] = new["InstanceType"]
    if new.get("SecurityGroupIds"):
        record["SecurityGroups"] = _groups(new["SecurityGroupIds"])
    return _instance(physical_id)


def _groups(given: Any) -> list[dict[str, str]]:
    known = _ec2()._security_groups
    return [
        {"GroupId": id_, "GroupName": (known.get(id_) or {}).get("GroupName", id_)}
        for id_ in given
    ]


def _terminate(physical_id: str, properties: Properties) -> None:
    call("ec2", "TerminateInstances", InstanceIds=[physical_id])
    record = _ec2()._instances.get(physical_id) or {}
    for mapping in record.get("BlockDeviceMappings", ()):
        _ec2()._volumes.pop(mapping["Ebs"]["VolumeId"], None)
    for volume in properties.get("Volumes") or []:
        call("ec2", "DetachVolume", VolumeId=volume["VolumeId"])


# --- Volumes ------------------------------------------------------------------------------


def _make_volume(request: Request) -> Created:
    given = {k: v for k, v in request.properties.items() if k != "Tags"}
    volume = str(call("ec2", "CreateVolume", **given)["VolumeId"])
    retag(volume, {}, request.properties)
    return volume, {"VolumeId": volume}


def _change_volume(physical_id: str, old: Properties, new: Properties) -> Attributes:
    retag(physical_id, old, new)
    settings = ("Size", "VolumeType", "Iops", "Throughput")
    changed = {n: new[n] for n in settings if n in new and new[n] != old.get(n)}
    if changed:
        call("ec2", "ModifyVolume", VolumeId=physical_id, **changed)
    return {"VolumeId": physical_id}


def _delete_volume(physical_id: str, properties: Properties) -> None:
    call("ec2", "DeleteVolume", VolumeId=physical_id)


def _attach(request: Request) -> Created:
    call("ec2", "AttachVolume", **request.properties)
    return f"{request.properties['VolumeId']}|{request.properties['InstanceId']}", {}


def _detach(physical_id: str, properties: Properties) -> None:
    call("ec2", "DetachVolume", VolumeId=properties["VolumeId"])


# --- Interfaces and addresses ---------------------------------------------------------------


def _make_interface(request: Request) -> Created:
    properties = request.properties
    answer = call(
        "ec2",
        "CreateNetworkInterface",
        SubnetId=properties.get("SubnetId"),
        Description=properties.get("Description"),
        Groups=properties.get("GroupSet"),
    )
    interface = str(answer["NetworkInterface"]["NetworkInterfaceId"])
    if properties.get("PrivateIpAddress"):
        record = _record("networkInterface", interface)
        record["PrivateIpAddress"] = properties["PrivateIpAddress"]
    retag(interface, {}, properties)
    return interface, _interface(interface)


def _interface(interface: str) -> Attributes:
    record = _record("networkInterface", interface)
    return {
        "Id": interface,
        "PrimaryPrivateIpAddress": record["PrivateIpAddress"],
        "VpcId": record["VpcId"],
    }


def _change_interface(physical_id: str, old: Properties, new: Properties) -> Attributes:
    record = _record("networkInterface", physical_id)
    retag(physical_id, old, new)
    record["Description"] = new.get("Description", "")
    if new.get("GroupSet"):
        record["Groups"] = _groups(new["GroupSet"])
    return _interface(physical_id)


def _delete_interface(physical_id: str, properties: Properties) -> None:
    call("ec2", "DeleteNetworkInterface", NetworkInterfaceId=physical_id)


def _plug(request: Request) -> Created:
    answer = call("ec2", "AttachNetworkInterface", **request.properties)
    attachment = str(answer["AttachmentId"])
    return attachment, {"AttachmentId": attachment}


def _unplug(physical_id: str, properties: Properties) -> None:
    call("ec2", "DetachNetworkInterface", AttachmentId=physical_id)


def _associate(request: Request) -> Created:
    properties = request.properties
    allocation = properties.get("AllocationId") or _allocation(properties.get("EIP"))
    answer = call(
        "ec2",
        "AssociateAddress",
        AllocationId=allocation,
        InstanceId=properties.get("InstanceId"),
        NetworkInterfaceId=properties.get("NetworkInterfaceId"),
    )
    association = str(answer["AssociationId"])
    return association, {"Id": association}


def _allocation(address: Any) -> str:
    for found in call("ec2", "DescribeAddresses").get("Addresses", []):
        if found["PublicIp"] == address:
            return str(found["AllocationId"])
    raise CallError(
        "Ec2", "InvalidAddress.NotFound", f"Address '{address}' not found.", 400
    )


def _dissociate(physical_id: str, properties: Properties) -> None:
    call("ec2", "DisassociateAddress", AssociationId=physical_id)
