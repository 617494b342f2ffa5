"""Types without a handler are shape only, and listed as such."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import ministack
import pytest
from botocore.exceptions import ClientError
from ministack.app import SERVICE_REGISTRY

from tapgen.emulator.resources import SHAPE_ONLY_ALLOWED, all_kinds
from tapgen.emulator.resources.kinds import provisioners
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


# ministack's service has the call that creates these types, and nothing here uses it. No
# template that we ship uses one of them, nor do most public ones; may only shrink.
LEFT = frozenset(f"AWS::{name}" for name in """
    Athena::DataCatalog Athena::PreparedStatement CUR::ReportDefinition
    CloudFormation::ChangeSet DocDB::GlobalCluster EC2::PlacementGroup
    EC2::VerifiedAccessEndpoint EC2::VerifiedAccessGroup EC2::VerifiedAccessInstance
    EC2::VerifiedAccessTrustProvider ECS::CapacityProvider ElastiCache::ServerlessCache
    ElastiCache::Snapshot ElasticLoadBalancing::LoadBalancer Events::Endpoint
    EventsV2::EventBus Glue::Classifier Glue::SecurityConfiguration
    Glue::UserDefinedFunction Glue::Workflow IAM::VirtualMFADevice
    Kinesis::ResourcePolicy Logs::Delivery Logs::DeliveryDestination
    Logs::DeliverySource Logs::Destination MediaLive::Cluster Neptune::DBCluster
    Neptune::DBClusterParameterGroup Neptune::DBInstance Neptune::DBParameterGroup
    Neptune::DBSubnetGroup Neptune::GlobalCluster OpenSearchServerless::VpcEndpoint
    Organizations::Account Organizations::OrganizationalUnit Organizations::Policy
    RDS::ClusterSnapshot RDS::DBProxy RDS::DBProxyEndpoint RDS::DBSnapshot
    RDS::OptionGroup S3::MultiRegionAccessPointPolicy SES::ReceiptRule
    SES::ReceiptRuleSet SES::Template Transfer::Server Transfer::User
    WAFv2::RuleGroup WorkspacesInstances::Volume
    """.split())
_VERBS = "create|put|register|run|associate|attach|publish"


@pytest.mark.skipif("TAPGEN_SOAK" not in os.environ, reason="reads all schemas")
def test_what_a_service_could_make_is_made_or_listed() -> None:
    ours = {kind.type for kind in all_kinds()}
    made = ours.union(provisioners()._RESOURCE_HANDLERS)

    found = {
        kind
        for kind in schemas.types(EAST)
        if kind not in made
        and any(
            _creates(kind, action)
            for action in schemas.handlers(kind)
            .get("create", {})
            .get("permissions", ())
        )
    }

    assert found == LEFT


def _creates(kind: str, action: str) -> bool:
    """Whether an action creates resources of a type, and ministack's service has it."""
    service, _, verb = action.partition(":")
    noun = re.escape(kind.rpartition("::")[2].lower())
    named = re.fullmatch(f"({_VERBS})(db)?{noun}s?", verb.lower())
    return bool(named) and f'"{verb}"' in _source(service)


@cache
def _source(service: str) -> str:
    about = SERVICE_REGISTRY.get(service, {})
    services = Path(ministack.__file__).parent / "services"
    modules = [about["module"], *about.get("sub_modules", ())] if about else []
    return "".join(
        file.read_text()
        for module in modules
        for file in (*services.glob(f"{module}.py"), *services.glob(f"{module}/*.py"))
    )
