"""AWS Backup: plans that start while a database does not allow it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.model import StackSet
from tapgen.rules.base import DOCS, in_properties
from tapgen.rules.system_view import FoundIn, SystemRule, SystemView
from tapgen.rules.values import absent, get, items, number, text
from tapgen.rules.view import Resource

_DAY = 24 * 60
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# AWS Backup starts a job within the start window, usually within its first hour.
_LATEST = 60
# In minutes: how long before its own windows RDS starts no other backup.
_BEFORE = 60
_CRON = re.compile(r"cron\((\d+) (\d+(?:,\d+)*) (\S+) \S+ (\S+) \S+\)")
_TIME = r"(\d\d):(\d\d)"
_WINDOW = re.compile(rf"(?:([a-z]{{3}}):)?{_TIME}-(?:([a-z]{{3}}):)?{_TIME}", re.I)

_EXAMPLE = """\
backups:
  regions: [us-east-1]
  template:
    Resources:
      Plan:
        Type: AWS::Backup::BackupPlan
        Properties:
          BackupPlan:
            BackupPlanName: daily
            BackupPlanRule:
              - RuleName: daily
                TargetBackupVault: Default
                ScheduleExpression: cron(0 {hour} * * ? *)
                StartWindowMinutes: 60
      Tagged:
        Type: AWS::Backup::BackupSelection
        Properties:
          BackupPlanId: !Ref Plan
          BackupSelection:
            SelectionName: tagged
            IamRoleArn: !Sub arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/backup
            ListOfTags:
              - ConditionType: STRINGEQUALS
                ConditionKey: BackupPlan
                ConditionValue: daily
database:
  regions: [us-east-1]
  template:
    Resources:
      Database:
        Type: AWS::RDS::DBInstance
        DeletionPolicy: Snapshot
        UpdateReplacePolicy: Snapshot
        Properties:
          DBInstanceClass: db.m6g.large
          Engine: postgres
          AllocatedStorage: '50'
          MasterUsername: orders
          ManageMasterUserPassword: true
          PreferredBackupWindow: 02:00-03:00
          PreferredMaintenanceWindow: sun:03:30-sun:04:30
          Tags: [{{Key: BackupPlan, Value: daily}}]
"""


class BackupDuringWindow(SystemRule):
    id = "W9592"
    shortdesc = "AWS Backup starts while a database does not allow it"
    description = (
        "RDS starts no backup for AWS Backup during its own backup and maintenance"
        " windows, or in the hour before them: the job fails every day or every week."
        " Start the plan after both windows. Aurora is exempt."
    )
    source_url = f"{DOCS}aws-backup/latest/devguide/plan-options-and-configuration.html"
    at = (
        "backups: Resources/Plan/Properties/BackupPlan/BackupPlanRule/0/"
        "ScheduleExpression"
    )
    bad = _EXAMPLE.format(hour=3)
    good = _EXAMPLE.format(hour=5)

    def check_system(self, it: SystemView) -> Iterator[FoundIn]:
        for stack_set, selection in it.resources("AWS::Backup::BackupSelection"):
            node = get(selection.properties, "BackupPlanId")
            plan = it.origin(stack_set, selection.place, node)
            if plan is None or plan.resource.type != "AWS::Backup::BackupPlan":
                continue
            for other, database in it.resources("AWS::RDS::DBInstance"):
                if _selected(selection, database):
                    yield from _collisions(
                        plan.stack_set, plan.resource, other, database
                    )


def _selected(selection: Resource, database: Resource) -> bool:
    """Return whether a selection includes a database by one of its tags."""
    here, there = selection.place.target, database.place.target
    properties = database.properties
    engine = text(properties, "Engine") or ""
    aurora = engine.startswith("aurora") or not absent(
        properties, "DBClusterIdentifier"
    )
    if here != there or aurora:
        return False
    wanted = {
        (text(tag, "ConditionKey"), text(tag, "ConditionValue"))
        for tag in items(selection.properties, "BackupSelection", "ListOfTags")
    }
    tags = {(text(t, "Key"), text(t, "Value")) for t in items(properties, "Tags")}
    return any(None not in tag for tag in wanted & tags)


def _collisions(
    stack_set: StackSet, plan: Resource, other: StackSet, database: Resource
) -> Iterator[FoundIn]:
    steps = ("BackupPlan", "BackupPlanRule")
    for index, rule in enumerate(items(plan.properties, *steps)):
        begins = [*_begins(rule)]
        for name in ("PreferredBackupWindow", "PreferredMaintenanceWindow"):
            window = text(database.properties, name) or ""
            closed = [*_closed(window)]
            if any(_meet(one, two) for one in begins for two in closed):
                path = (*steps, index, "ScheduleExpression")
                yield stack_set, in_properties(plan, *path), (
                    f"{other.part}.{database.id} has its {name} at {window} (UTC);"
                    " start the backup after it"
                )


def _meet(one: tuple[int, int], two: tuple[int, int]) -> bool:
    return one[0] < two[1] and two[0] < one[1]


def _begins(rule: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield when backups start, as minutes of the week; nothing if not known."""
    zone = text(rule, "ScheduleExpressionTimezone") or "UTC"
    found = _CRON.fullmatch(text(rule, "ScheduleExpression") or "")
    if not found or zone not in ("UTC", "Etc/UTC"):
        return
    minute, hours, _, weekdays = found.groups()
    window = min(number(rule, "StartWindowMinutes") or _LATEST, _LATEST)
    for day, name in enumerate(_DAYS):
        # Ranges and numbers of weekdays are not evaluated.
        if weekdays in ("*", "?") or name in weekdays.lower().split(","):
            for hour in hours.split(","):
                start = day * _DAY + int(hour) * 60 + int(minute)
                yield start, start + int(window)


def _closed(window: str) -> Iterator[tuple[int, int]]:
    """Yield when a window allows no backup to start, as minutes of this week and of
    the weeks before and after it."""
    found = _WINDOW.fullmatch(window)
    if not found:
        return
    first, hour, minute, last, end_hour, end_minute = found.groups()
    start, end = int(hour) * 60 + int(minute), int(end_hour) * 60 + int(end_minute)
    days = [
        day for day, name in enumerate(_DAYS) if first is None or first.lower() == name
    ]
    length = (end - start) % _DAY
    if first and last and first != last and end > start:
        length += _DAY
    for day in days:
        for week in (-7, 0, 7):
            begin = (day + week) * _DAY + start
            yield begin - _BEFORE, begin + length
