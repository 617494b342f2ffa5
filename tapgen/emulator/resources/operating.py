"""Runbooks, experiments and cost categories."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tapgen.emulator.resources.calls import CallError, call
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    document,
    dropped_tags,
    tag_list,
)
from tapgen.emulator.services import automations, costs, documents, experiments


def kinds() -> list[Kind]:
    """Return the kinds of this module, and install their services."""
    documents.install()
    automations.install()
    experiments.SERVICE.install()
    costs.SERVICE.install()
    return [
        Kind(
            "AWS::SSM::Document",
            _make_document,
            _delete_document,
            _change_document,
            named_by="Name",
        ),
        Kind(
            "AWS::FIS::ExperimentTemplate",
            _make_experiment,
            _delete_experiment,
            _change_experiment,
            tags=("Tags", "map"),
        ),
        Kind(
            "AWS::CE::CostCategory",
            _make_category,
            _delete_category,
            _change_category,
            named_by="Name",
        ),
    ]


# --- Document ---------------------------------------------------------------------------


def _make_document(request: Request) -> Created:
    properties = request.properties
    name = request.name("Name", longest=128)
    call(
        "ssm",
        "CreateDocument",
        **{
            **properties,
            "Name": name,
            "Content": document(properties["Content"]),
            "Tags": tag_list(properties),
        },
    )
    return name, {}


def _change_document(physical_id: str, old: Properties, new: Properties) -> Attributes:
    before, after = (document(p["Content"]) for p in (old, new))
    if before != after:
        if new.get("UpdateMethod", "Replace") == "Replace" and new.get("Name"):
            raise ValueError(
                "CloudFormation cannot update a stack when a custom-named resource "
                f"requires replacing. Rename {physical_id} and update the stack again."
            )
        _new_version(physical_id, after)
    about = {"ResourceType": "Document", "ResourceId": physical_id}
    dropped = dropped_tags(old, new)
    if dropped:
        call("ssm", "RemoveTagsFromResource", **about, TagKeys=dropped)
    if tag_list(new):
        call("ssm", "AddTagsToResource", **about, Tags=tag_list(new))
    return {}


def _new_version(name: str, content: str) -> None:
    try:
        answer = call(
            "ssm",
            "UpdateDocument",
            Name=name,
            Content=content,
            DocumentVersion="$LATEST",
        )
    except CallError as error:
        # An older content, as in a rollback: that version exists already.
        if error.code != "DuplicateDocumentContent":
            raise
        version = _version_of(name, content)
    else:
        version = answer["DocumentDescription"]["DocumentVersion"]
    call("ssm", "UpdateDocumentDefaultVersion", Name=name, DocumentVersion=version)


def _version_of(name: str, content: str) -> str:
    described = call("ssm", "DescribeDocument", Name=name)["Document"]
    for number in range(int(described["LatestVersion"]), 0, -1):
        found = call("ssm", "GetDocument", Name=name, DocumentVersion=str(number))
        if found["Content"] == content:
            return str(number)
    raise CallError("Ssm", "InvalidDocumentVersion", f"No version of {name}", 400)


def _delete_document(physical_id: str, properties: Properties) -> None:
    call("ssm", "DeleteDocument", Name=physical_id)


# --- Experiment template ----------------------------------------------------------------


def _make_experiment(request: Request) -> Created:
    token = str(uuid.uuid4())
    answer = call(
        "fis", "CreateExperimentTemplate", clientToken=token, **request.properties
    )
    id_ = str(answer["experimentTemplate"]["id"])
    return id_, {"Id": id_}


def _change_experiment(
    physical_id: str, old: Properties, new: Properties
) -> Attributes:
    settings = {name: value for name, value in new.items() if name != "Tags"}
    answer = call("fis", "UpdateExperimentTemplate", id=physical_id, **settings)
    arn = answer["experimentTemplate"]["arn"]
    dropped = dropped_tags(old, new)
    if dropped:
        call("fis", "UntagResource", resourceArn=arn, tagKeys=dropped)
    if tag_list(new):
        tags = {tag["Key"]: tag["Value"] for tag in tag_list(new)}
        call("fis", "TagResource", resourceArn=arn, tags=tags)
    return {"Id": physical_id}


def _delete_experiment(physical_id: str, properties: Properties) -> None:
    call("fis", "DeleteExperimentTemplate", id=physical_id)


# --- Cost category ----------------------------------------------------------------------


def _definition(properties: Properties) -> dict[str, Any]:
    """The API's form of rules that a template has as text."""
    converted = dict(properties)
    for name in ("Rules", "SplitChargeRules"):
        if name in converted:
            converted[name] = json.loads(converted[name])
    converted.pop("Tags", None)
    return converted


def _make_category(request: Request) -> Created:
    answer = call(
        "ce",
        "CreateCostCategoryDefinition",
        **_definition(request.properties),
        ResourceTags=tag_list(request.properties) or None,
    )
    arn = str(answer["CostCategoryArn"])
    return arn, {"Arn": arn, "EffectiveStart": answer["EffectiveStart"]}


def _change_category(physical_id: str, old: Properties, new: Properties) -> Attributes:
    settings = _definition(new)
    settings.pop("Name", None)
    answer = call(
        "ce", "UpdateCostCategoryDefinition", CostCategoryArn=physical_id, **settings
    )
    dropped = dropped_tags(old, new)
    if dropped:
        call("ce", "UntagResource", ResourceArn=physical_id, ResourceTagKeys=dropped)
    if tag_list(new):
        call("ce", "TagResource", ResourceArn=physical_id, ResourceTags=tag_list(new))
    return {"Arn": physical_id, "EffectiveStart": answer["EffectiveStart"]}


def _delete_category(physical_id: str, properties: Properties) -> None:
    call("ce", "DeleteCostCategoryDefinition", CostCategoryArn=physical_id)
