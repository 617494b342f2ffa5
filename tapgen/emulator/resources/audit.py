"""CloudTrail, Config, Backup, Budgets and WAF resources without handlers of ministack."""

from __future__ import annotations

import importlib
import uuid
from typing import Any

from tapgen.emulator.resources.calls import CallError, call, truth
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    dropped_tags,
    exists,
    tag_list,
)


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind(
            "AWS::CloudTrail::Trail",
            _make_trail,
            _delete_trail,
            _change_trail,
            named_by="TrailName",
        ),
        Kind(
            "AWS::Config::ConfigurationRecorder",
            _make_recorder,
            _delete_recorder,
            _change_recorder,
            tags=None,
        ),
        Kind(
            "AWS::Config::DeliveryChannel",
            _make_channel,
            _delete_channel,
            _change_channel,
            tags=None,
        ),
        Kind(
            "AWS::Config::ConfigRule",
            _make_rule,
            _delete_rule,
            _change_rule,
            named_by="ConfigRuleName",
            tags=None,
        ),
        Kind(
            "AWS::Backup::BackupSelection",
            _make_selection,
            _delete_selection,
            tags=None,
        ),
        Kind(
            "AWS::Budgets::Budget",
            _make_budget,
            _delete_budget,
            _change_budget,
            tags=None,
        ),
        Kind("AWS::WAFv2::WebACLAssociation", _associate, _disassociate, tags=None),
    ]


# --- Trail ----------------------------------------------------------------------------


def _make_trail(request: Request) -> Created:
    properties = request.properties
    name = request.name("TrailName", longest=128)
    answer = call(
        "cloudtrail",
        "CreateTrail",
        **{**_trail_settings(properties), "Name": name},
        TagsList=tag_list(properties),
    )
    arn = answer["TrailARN"]
    if tag_list(properties):
        call("cloudtrail", "AddTags", ResourceId=arn, TagsList=tag_list(properties))
    _select(name, properties)
    _set_logging(name, properties)
    return name, {"Arn": arn}


def _trail_settings(properties: Properties) -> dict[str, Any]:
    names = {"KMSKeyId": "KmsKeyId"}
    return {
        names.get(key, key): value
        for key, value in properties.items()
        if key not in ("Tags", "IsLogging", "EventSelectors", "TrailName")
    }


def _select(name: str, properties: Properties) -> None:
    if properties.get("EventSelectors") or properties.get("AdvancedEventSelectors"):
        call(
            "cloudtrail",
            "PutEventSelectors",
            TrailName=name,
            EventSelectors=properties.get("EventSelectors"),
            AdvancedEventSelectors=properties.get("AdvancedEventSelectors"),
        )


def _set_logging(name: str, properties: Properties) -> None:
    wanted = truth(properties.get("IsLogging", True))
    call("cloudtrail", "StartLogging" if wanted else "StopLogging", Name=name)


def _change_trail(physical_id: str, old: Properties, new: Properties) -> Attributes:
    settings = {**_trail_settings(new), "Name": physical_id}
    answer = call("cloudtrail", "UpdateTrail", **settings)
    arn = answer["TrailARN"]
    dropped = dropped_tags(old, new)
    if dropped:
        keys = [{"Key": key} for key in dropped]
        call("cloudtrail", "RemoveTags", ResourceId=arn, TagsList=keys)
    if tag_list(new):
        call("cloudtrail", "AddTags", ResourceId=arn, TagsList=tag_list(new))
    _select(physical_id, new)
    _set_logging(physical_id, new)
    return {"Arn": arn}


def _delete_trail(physical_id: str, properties: Properties) -> None:
    call("cloudtrail", "DeleteTrail", Name=physical_id)


# --- Config: one recorder and one delivery channel in a region -------------------------


def _make_recorder(request: Request) -> Created:
    name = str(request.properties.get("Name") or "default")
    _refuse_second(
        "DescribeConfigurationRecorders",
        "ConfigurationRecorders",
        "MaxNumberOfConfigurationRecordersExceededException",
        f"Failed to put configuration recorder '{name}' because the maximum number of "
        "configuration recorders: 1 is reached.",
    )
    _put_recorder(name, request.properties)
    return name, {}


def _refuse_second(operation: str, member: str, code: str, message: str) -> None:
    # ministack takes any number, and puts over one of the same name.
    if call("config", operation).get(member):
        raise CallError("ConfigService", code, message, 400)


def _put_recorder(name: str, properties: Properties) -> None:
    recorder = {**properties, "Name": name}
    call("config", "PutConfigurationRecorder", ConfigurationRecorder=recorder)
    channels = call("config", "DescribeDeliveryChannels").get("DeliveryChannels")
    if channels:
        call("config", "StartConfigurationRecorder", ConfigurationRecorderName=name)


def _change_recorder(physical_id: str, old: Properties, new: Properties) -> Attributes:
    _put_recorder(physical_id, new)
    return {}


def _delete_recorder(physical_id: str, properties: Properties) -> None:
    _forget("_recorders", physical_id)


def _forget(store: str, name: str) -> None:
    # ministack has no call that deletes these.
    getattr(importlib.import_module("ministack.services.config"), store).pop(name, None)


def _make_channel(request: Request) -> Created:
    name = str(request.properties.get("Name") or "default")
    recorders = call("config", "DescribeConfigurationRecorders").get(
        "ConfigurationRecorders"
    )
    if not recorders:
        raise CallError(
            "ConfigService",
            "NoAvailableConfigurationRecorderException",
            "Configuration recorder is not available to put delivery channel.",
            400,
        )
    _refuse_second(
        "DescribeDeliveryChannels",
        "DeliveryChannels",
        "MaxNumberOfDeliveryChannelsExceededException",
        f"Failed to put delivery channel '{name}' because the maximum number of "
        "delivery channels: 1 is reached.",
    )
    _put_channel(name, request.properties)
    # CloudFormation starts the recorder as soon as there is somewhere to deliver to.
    for recorder in recorders:
        call(
            "config",
            "StartConfigurationRecorder",
            ConfigurationRecorderName=recorder["name"],
        )
    return name, {}


def _put_channel(name: str, properties: Properties) -> None:
    call("config", "PutDeliveryChannel", DeliveryChannel={**properties, "Name": name})


def _change_channel(physical_id: str, old: Properties, new: Properties) -> Attributes:
    _put_channel(physical_id, new)
    return {}


def _delete_channel(physical_id: str, properties: Properties) -> None:
    recorders = call("config", "DescribeConfigurationRecorders")
    for recorder in recorders.get("ConfigurationRecorders", []):
        call(
            "config",
            "StopConfigurationRecorder",
            ConfigurationRecorderName=recorder["name"],
        )
    _forget("_delivery_channels", physical_id)


def _make_rule(request: Request) -> Created:
    name = request.name("ConfigRuleName", longest=128)
    rules = call("config", "DescribeConfigRules").get("ConfigRules", [])
    if name in {rule["ConfigRuleName"] for rule in rules}:
        raise exists("AWS::Config::ConfigRule", name)
    return name, _put_rule(name, request.properties)


def _put_rule(name: str, properties: Properties) -> Attributes:
    rule = {**properties, "ConfigRuleName": name}
    call("config", "PutConfigRule", ConfigRule=rule)
    answer = call("config", "DescribeConfigRules", ConfigRuleNames=[name])
    found = answer["ConfigRules"][0]
    return {
        "Arn": found["ConfigRuleArn"],
        "ConfigRuleId": found["ConfigRuleId"],
        "Compliance.Type": "INSUFFICIENT_DATA",
    }


def _change_rule(physical_id: str, old: Properties, new: Properties) -> Attributes:
    return _put_rule(physical_id, new)


def _delete_rule(physical_id: str, properties: Properties) -> None:
    call("config", "DeleteConfigRule", ConfigRuleName=physical_id)


# --- Backup selection: Ref is the plan's id and its own --------------------------------


def _make_selection(request: Request) -> Created:
    plan = str(request.properties["BackupPlanId"])
    answer = call(
        "backup",
        "CreateBackupSelection",
        BackupPlanId=plan,
        BackupSelection=request.properties["BackupSelection"],
        CreatorRequestId=str(uuid.uuid4()),
    )
    selection = answer["SelectionId"]
    physical_id = f"{selection}_{plan}"
    return physical_id, {
        "Id": physical_id,
        "BackupPlanId": plan,
        "SelectionId": selection,
    }


def _delete_selection(physical_id: str, properties: Properties) -> None:
    selection, _, plan = physical_id.partition("_")
    call("backup", "DeleteBackupSelection", BackupPlanId=plan, SelectionId=selection)


# --- Budget ---------------------------------------------------------------------------


def _account() -> str:
    responses = importlib.import_module("ministack.core.responses")
    return str(responses.get_account_id())


def _budget(properties: Properties, name: str) -> dict[str, Any]:
    budget = {**properties["Budget"], "BudgetName": name}
    for amount in ("BudgetLimit",):
        if amount in budget:
            budget[amount] = {k: str(v) for k, v in budget[amount].items()}
    return budget


def _make_budget(request: Request) -> Created:
    given = request.properties["Budget"].get("BudgetName")
    name = str(given or request.name("", longest=100))
    call(
        "budgets",
        "CreateBudget",
        AccountId=_account(),
        Budget=_budget(request.properties, name),
        NotificationsWithSubscribers=request.properties.get(
            "NotificationsWithSubscribers"
        ),
        ResourceTags=request.properties.get("ResourceTags"),
    )
    return name, {}


def _change_budget(physical_id: str, old: Properties, new: Properties) -> Attributes:
    call(
        "budgets",
        "UpdateBudget",
        AccountId=_account(),
        NewBudget=_budget(new, physical_id),
    )
    return {}


def _delete_budget(physical_id: str, properties: Properties) -> None:
    call("budgets", "DeleteBudget", AccountId=_account(), BudgetName=physical_id)


# --- WAF association ------------------------------------------------------------------


def _associate(request: Request) -> Created:
    web_acl = str(request.properties["WebACLArn"])
    resource = str(request.properties["ResourceArn"])
    call("wafv2", "AssociateWebACL", WebACLArn=web_acl, ResourceArn=resource)
    return f"{resource}|{web_acl}", {}


def _disassociate(physical_id: str, properties: Properties) -> None:
    call("wafv2", "DisassociateWebACL", ResourceArn=physical_id.partition("|")[0])
