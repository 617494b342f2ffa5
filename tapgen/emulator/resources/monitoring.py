"""CloudWatch alarms of forms that ministack's own handler does not create, and queries."""

from __future__ import annotations

import importlib
from typing import Any

from tapgen.emulator.resources.calls import call, fitted_to
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    exists,
    original,
    tag_list,
)


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind(
            "AWS::CloudWatch::CompositeAlarm",
            _make_composite,
            _delete_composite,
            _change_composite,
            named_by="AlarmName",
        ),
        Kind(
            "AWS::CloudWatch::Alarm",
            _make_alarm,
            _delete_alarm,
            _change_alarm,
            named_by="AlarmName",
        ),
        Kind(
            "AWS::Logs::QueryDefinition",
            lambda request: _put_query(request.properties),
            lambda physical_id, _: _delete_query(physical_id),
            lambda physical_id, _, new: _put_query(new, physical_id)[1],
            tags=None,
        ),
    ]


def _cloudwatch() -> Any:
    return importlib.import_module("ministack.services.cloudwatch")


# --- Composite alarm ------------------------------------------------------------------


def _make_composite(request: Request) -> Created:
    name = request.name("AlarmName")
    if name in _cloudwatch()._composite_alarms:
        raise exists("AWS::CloudWatch::CompositeAlarm", name)
    return name, _put_composite(name, request.properties)


def _put_composite(name: str, properties: Properties) -> Attributes:
    wanted = {key: value for key, value in properties.items() if key != "Tags"}
    call("cloudwatch", "PutCompositeAlarm", **{**wanted, "AlarmName": name})
    # CloudFormation may set tags of the aws: prefix, which callers may not.
    _cloudwatch().cloudformation_set_metric_alarm_tags(name, tag_list(properties))
    return {"Arn": _cloudwatch()._composite_alarms[name]["AlarmArn"]}


def _change_composite(physical_id: str, old: Properties, new: Properties) -> Attributes:
    return _put_composite(physical_id, new)


def _put_query(properties: Properties, physical_id: str = "") -> Created:
    given = {f"{name[0].lower()}{name[1:]}": v for name, v in properties.items()}
    if physical_id:
        given["queryDefinitionId"] = physical_id
    stored = str(call("logs", "PutQueryDefinition", **given)["queryDefinitionId"])
    return stored, {"QueryDefinitionId": stored}


def _delete_query(physical_id: str) -> None:
    call("logs", "DeleteQueryDefinition", queryDefinitionId=physical_id)


def _delete_composite(physical_id: str, properties: Properties) -> None:
    call("cloudwatch", "DeleteAlarms", AlarmNames=[physical_id])


# --- Alarm: ministack refuses metric math ----------------------------------------------


def _make_alarm(request: Request) -> Created:
    name = request.name("AlarmName")
    if name in _cloudwatch()._alarms:
        raise exists("AWS::CloudWatch::Alarm", name)
    return name, _put_alarm(name, request.properties)


def _put_alarm(name: str, properties: Properties) -> Attributes:
    """Put an alarm; one on metric math is stored and returned, but never evaluated."""
    given: dict[str, Any] = {**properties, "AlarmName": name}
    metrics = given.pop("Metrics", None)
    if metrics is not None:
        given |= {"MetricName": "-", "Namespace": "-"}
        given.setdefault("Threshold", 0)
    _, attributes = original("AWS::CloudWatch::Alarm")["create"](name, given, "")
    if metrics is not None:
        alarm = _cloudwatch()._alarms[name]
        single = ("MetricName", "Namespace", "Statistic", "Period", "Dimensions")
        for key in single:
            alarm[key] = None
        if "Threshold" not in properties:
            alarm["Threshold"] = None
        alarm["ThresholdMetricId"] = properties.get("ThresholdMetricId")
        shown = {"Metrics": metrics}
        alarm["Metrics"] = fitted_to("cloudwatch", "PutMetricAlarm", shown)["Metrics"]
    return dict(attributes)


def _change_alarm(physical_id: str, old: Properties, new: Properties) -> Attributes:
    return _put_alarm(physical_id, new)


def _delete_alarm(physical_id: str, properties: Properties) -> None:
    original("AWS::CloudWatch::Alarm")["delete"](physical_id, properties)
