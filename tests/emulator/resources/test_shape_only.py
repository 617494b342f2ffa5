"""Types without a handler are shape only, and listed as such."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tapgen.emulator.resources import SHAPE_ONLY_ALLOWED
from tapgen.emulator.server import lifecycle
from tapgen.template import schemas
from tests.emulator.places import Place, get, of
from tests.emulator.resources.samples import EAST


def test_types_without_a_handler_are_shape_only_and_listed(
    place: Place, server: lifecycle.Server
) -> None:
    resources = {
        "R": of("GlobalAccelerator::CrossAccountAttachment", Name="edge"),
        "Files": of("FSx::FileSystem", FileSystemType="LUSTRE", SubnetIds=["subnet-1"]),
        "Topic": of("SNS::Topic"),
    }
    outputs = {
        **get("R", "AttachmentArn"),
        "DnsName": {"Value": {"Fn::GetAtt": ["Files", "DNSName"]}},
    }
    created = place.create("shapes", resources, Outputs=outputs)
    assert created["Ref"] == created["AttachmentArn"]
    assert created["Ref"].startswith(f"arn:aws:globalaccelerator::{place.account}:")
    assert created["DnsName"].endswith(".amazonaws.com")
    listed = [
        one
        for one in lifecycle.status(server.folder)["shape_only"]
        if one["account"] == place.account
    ]
    assert [one["logical_id"] for one in listed] == ["Files", "R"]
    assert listed[1] == {
        "account": place.account,
        "region": EAST,
        "stack": "shapes",
        "logical_id": "R",
        "type": "AWS::GlobalAccelerator::CrossAccountAttachment",
        "physical_id": created["Ref"],
    }
    resources["R"]["Properties"]["Principals"] = [place.account]
    again = place.update("shapes", resources, Outputs=outputs)
    assert again == created
    place.delete("shapes")
    left = lifecycle.status(server.folder)["shape_only"]
    assert place.account not in {one["account"] for one in left}


def test_no_type_that_our_systems_use_is_shape_only() -> None:
    assert SHAPE_ONLY_ALLOWED == frozenset()


def test_a_type_that_a_region_lacks_is_refused_there(place: Place) -> None:
    lacking = "AWS::GlobalAccelerator::Accelerator"
    region = next(
        r for r in sorted(schemas.regions()) if lacking not in schemas.types(r)
    )
    resources = {"R": {"Type": lacking, "Properties": {"Name": "x"}}}
    place.create("x", resources)  # a good template, where the type exists
    with pytest.raises(ClientError) as error:
        place.at(region).begin("x", resources)
    assert error.value.response["Error"] == {
        "Type": "Sender",
        "Code": "ValidationError",
        "Message": f"Template format error: Unrecognized resource types: [{lacking}]",
    }
