"""Runbooks, experiments and cost categories are stored as given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import RETAGGED, TAG, WEST, absent


def content(*steps: str) -> dict[str, Any]:
    return {
        "schemaVersion": "0.3",
        "description": "A runbook",
        "mainSteps": [
            {"name": s, "action": "aws:sleep", "inputs": {"Duration": "PT1M"}}
            for s in steps
        ],
    }


def runbook(*steps: str, **more: Any) -> dict[str, Any]:
    given = {
        "Name": "runbook",
        "DocumentType": "Automation",
        "UpdateMethod": "NewVersion",
        "Content": content(*steps),
        **more,
    }
    return of("SSM::Document", **given)


def test_a_runbook_changes_by_new_versions_and_keeps_the_old(place: Place) -> None:
    ssm = place.client("ssm")
    created = place.create("s", {"R": runbook("one", Tags=TAG)}, Outputs=get("R"))
    assert created["Ref"] == "runbook"
    found = ssm.get_document(Name="runbook")
    assert json.loads(found["Content"]) == content("one")
    listed = ssm.list_tags_for_resource(ResourceType="Document", ResourceId="runbook")
    assert tags(listed["TagList"]) == {"Project": "one"}

    place.update("s", {"R": runbook("one", "two", Tags=RETAGGED)})
    described = ssm.describe_document(Name="runbook")["Document"]
    assert (described["DefaultVersion"], described["LatestVersion"]) == ("2", "2")
    old = ssm.get_document(Name="runbook", DocumentVersion="1")
    assert json.loads(old["Content"]) == content("one")
    # The way back is the version that is there.
    place.update("s", {"R": runbook("one")})
    described = ssm.describe_document(Name="runbook")["Document"]
    assert (described["DefaultVersion"], described["LatestVersion"]) == ("1", "2")

    assert place.at(WEST).client("ssm").list_documents()["DocumentIdentifiers"] == []
    place.delete("s")
    assert absent(ssm.describe_document, Name="runbook") == "InvalidDocument"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"Content": {**content("x"), "schemaVersion": "2.2"}}, "schema version 2.2"),
        ({"Content": content()}, "mainSteps"),
    ],
)
def test_what_is_no_runbook_is_refused(
    place: Place, more: dict[str, Any], reason: str
) -> None:
    assert reason in place.failed("s", {"R": runbook(**more)})


def test_a_name_is_taken_once_and_a_replacement_would_take_it_twice(
    place: Place,
) -> None:
    place.create("s", {"R": runbook("one", UpdateMethod="Replace")})
    assert "already exists" in place.failed("t", {"R": runbook("one")})
    place.cloudformation.update_stack(
        StackName="s",
        TemplateBody=json.dumps(
            {"Resources": {"R": runbook("two", UpdateMethod="Replace")}}
        ),
    )
    assert place.settled("s")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "custom-named resource" in place.reasons("s")["R"]


def test_parameters_are_still_those_of_ministack(place: Place) -> None:
    ssm = place.client("ssm")
    ssm.put_parameter(
        Name="/a", Value="1", Type="String", Tags=[{"Key": "k", "Value": "v"}]
    )
    assert ssm.get_parameter(Name="/a")["Parameter"]["Value"] == "1"
    listed = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/a")
    assert tags(listed["TagList"]) == {"k": "v"}


def experiment(**more: Any) -> dict[str, Any]:
    given = {
        "Description": "fails over",
        "RoleArn": "arn:aws:iam::111111111111:role/x",
        "StopConditions": [{"Source": "aws:cloudwatch:alarm", "Value": "arn:x"}],
        "Targets": {
            "c": {
                "ResourceType": "aws:rds:cluster",
                "ResourceArns": ["arn:aws:rds:us-east-1:111111111111:cluster:x"],
                "SelectionMode": "ALL",
            }
        },
        "Actions": {
            "f": {
                "ActionId": "aws:rds:failover-db-cluster",
                "Targets": {"Clusters": "c"},
            }
        },
        "Tags": {"Name": "x"},
        **more,
    }
    return of("FIS::ExperimentTemplate", **given)


def test_an_experiment_template_is_created_changed_and_deleted(place: Place) -> None:
    fis = place.client("fis")
    created = place.create("s", {"R": experiment()}, Outputs=get("R", "Id"))
    assert created["Ref"] == created["Id"]
    found = fis.get_experiment_template(id=created["Id"])["experimentTemplate"]
    assert found["actions"]["f"]["targets"] == {"Clusters": "c"}
    assert found["targets"]["c"]["selectionMode"] == "ALL"
    assert found["tags"]["Name"] == "x"

    changed = experiment(Description="still", Tags={"Name": "y"})
    again = place.update("s", {"R": changed}, Outputs=get("R", "Id"))
    assert again == created
    found = fis.get_experiment_template(id=created["Id"])["experimentTemplate"]
    assert (found["description"], found["tags"]["Name"]) == ("still", "y")
    elsewhere = place.at(WEST).client("fis").list_experiment_templates()
    assert elsewhere["experimentTemplates"] == []

    place.delete("s")
    assert fis.list_experiment_templates()["experimentTemplates"] == []
    with pytest.raises(fis.exceptions.ResourceNotFoundException):
        fis.get_experiment_template(id=created["Id"])


def test_an_experiment_without_its_target_is_refused(place: Place) -> None:
    assert "not defined" in place.failed("s", {"R": experiment(Targets={})})


RULES = [
    {
        "Type": "INHERITED_VALUE",
        "InheritedValue": {"DimensionName": "TAG", "DimensionKey": "Project"},
    }
]


def category(**more: Any) -> dict[str, Any]:
    given = {
        "Name": "by-project",
        "RuleVersion": "CostCategoryExpression.v1",
        "Rules": json.dumps(RULES),
        **more,
    }
    return of("CE::CostCategory", **given)


def test_a_cost_category_is_created_changed_and_deleted(place: Place) -> None:
    costs = place.client("ce")
    created = place.create(
        "s", {"R": category(Tags=TAG)}, Outputs=get("R", "Arn", "EffectiveStart")
    )
    assert created["Ref"] == created["Arn"]
    assert created["Arn"].startswith(f"arn:aws:ce::{place.account}:costcategory/")
    arn = {"CostCategoryArn": created["Arn"]}
    found = costs.describe_cost_category_definition(**arn)["CostCategory"]
    assert found["Rules"] == RULES
    place.update("s", {"R": category(DefaultValue="other", Tags=RETAGGED)})
    found = costs.describe_cost_category_definition(**arn)["CostCategory"]
    assert found["DefaultValue"] == "other"
    place.delete("s")
    gone = absent(costs.describe_cost_category_definition, **arn)
    assert gone == "ResourceNotFoundException"


def test_tags_are_activated_for_cost_allocation(place: Place) -> None:
    costs = place.client("ce")
    costs.update_cost_allocation_tags_status(
        CostAllocationTagsStatus=[{"TagKey": "Project", "Status": "Active"}]
    )
    (found,) = costs.list_cost_allocation_tags(Status="Active")["CostAllocationTags"]
    assert found["TagKey"] == "Project"
    assert (
        costs.list_cost_allocation_tags(Status="Inactive")["CostAllocationTags"] == []
    )
