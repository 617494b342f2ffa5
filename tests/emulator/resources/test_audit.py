"""Trails, recorders, backups and budgets are made, changed and deleted as templates say."""

from __future__ import annotations

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import EAST, TAG, absent


def test_a_trail_logs_and_config_records(place: Place) -> None:
    trail = of(
        "CloudTrail::Trail",
        TrailName="audit",
        S3BucketName="logs",
        IsLogging=True,
        IsMultiRegionTrail=True,
        EnableLogFileValidation=True,
        KMSKeyId="key",
        Tags=TAG,
    )
    recorder = of(
        "Config::ConfigurationRecorder",
        Name="recorder",
        RoleARN="arn:aws:iam::1:role/config",
        RecordingGroup={"AllSupported": "true", "IncludeGlobalResourceTypes": True},
    )
    channel = of(
        "Config::DeliveryChannel",
        S3BucketName="logs",
        ConfigSnapshotDeliveryProperties={"DeliveryFrequency": "Six_Hours"},
    )
    rule = of(
        "Config::ConfigRule",
        ConfigRuleName="encrypted",
        Source={"Owner": "AWS", "SourceIdentifier": "S3_BUCKET_SSE_ENABLED"},
        Scope={"ComplianceResourceTypes": ["AWS::S3::Bucket"]},
    )
    resources = {
        "T": trail,
        "R": recorder,
        "C": {**channel, "DependsOn": "R"},
        "Rule": {**rule, "DependsOn": "C"},
    }
    outputs = {
        "Trail": {"Value": {"Fn::GetAtt": ["T", "Arn"]}},
        "Rule": {"Value": {"Fn::GetAtt": ["Rule", "Arn"]}},
    }
    created = place.create("audit", resources, Outputs=outputs)
    cloudtrail, config = place.client("cloudtrail"), place.client("config")
    assert created["Trail"] == f"arn:aws:cloudtrail:{EAST}:{place.account}:trail/audit"
    [found] = cloudtrail.describe_trails()["trailList"]
    assert found["IsMultiRegionTrail"] and found["LogFileValidationEnabled"]
    assert found["KmsKeyId"].endswith("key")
    assert cloudtrail.get_trail_status(Name="audit")["IsLogging"] is True
    listed = cloudtrail.list_tags(ResourceIdList=[created["Trail"]])["ResourceTagList"]
    assert tags(listed[0]["TagsList"]) == {"Project": "one"}

    [recorder] = config.describe_configuration_recorders()["ConfigurationRecorders"]
    assert (recorder["name"], recorder["roleARN"]) == (
        "recorder",
        "arn:aws:iam::1:role/config",
    )
    assert recorder["recordingGroup"]["allSupported"] is True
    status = config.describe_configuration_recorder_status()
    assert status["ConfigurationRecordersStatus"][0]["recording"] is True
    [sent] = config.describe_delivery_channels()["DeliveryChannels"]
    assert sent["configSnapshotDeliveryProperties"] == {
        "deliveryFrequency": "Six_Hours"
    }
    [ruled] = config.describe_config_rules()["ConfigRules"]
    assert ruled["ConfigRuleArn"] == created["Rule"]

    trail["Properties"] |= {"IsLogging": False, "IncludeGlobalServiceEvents": False}
    place.update("audit", resources)
    assert cloudtrail.get_trail_status(Name="audit")["IsLogging"] is False
    place.delete("audit")
    assert cloudtrail.describe_trails()["trailList"] == []
    assert config.describe_configuration_recorders()["ConfigurationRecorders"] == []
    assert config.describe_delivery_channels()["DeliveryChannels"] == []
    assert config.describe_config_rules()["ConfigRules"] == []


def test_a_region_has_one_configuration_recorder(place: Place) -> None:
    recorder = of("Config::ConfigurationRecorder", RoleARN="arn:aws:iam::1:role/c")
    place.create("first", {"R": recorder})
    assert "maximum number of configuration recorders: 1 is reached" in place.failed(
        "second", {"R": recorder}
    )


def test_a_selection_is_in_its_backup_plan(place: Place) -> None:
    plan = of(
        "Backup::BackupPlan",
        BackupPlan={
            "BackupPlanName": "daily",
            "BackupPlanRule": [{"RuleName": "r", "TargetBackupVault": {"Ref": "V"}}],
        },
    )
    selection = of(
        "Backup::BackupSelection",
        BackupPlanId={"Ref": "P"},
        BackupSelection={
            "SelectionName": "tagged",
            "IamRoleArn": "arn:aws:iam::1:role/backup",
            "ListOfTags": [
                {
                    "ConditionType": "STRINGEQUALS",
                    "ConditionKey": "Backup",
                    "ConditionValue": "daily",
                }
            ],
        },
    )
    vault = of("Backup::BackupVault", BackupVaultName="vault")
    resources = {"V": vault, "P": plan, "R": selection}
    outputs = get("R", "SelectionId", "BackupPlanId")
    created = place.create("backup", resources, Outputs=outputs)
    backup = place.client("backup")
    found = backup.get_backup_selection(
        BackupPlanId=created["BackupPlanId"], SelectionId=created["SelectionId"]
    )
    assert found["BackupSelection"]["SelectionName"] == "tagged"
    place.update("backup", {"V": vault, "P": plan})
    listed = backup.list_backup_selections(BackupPlanId=created["BackupPlanId"])
    assert listed["BackupSelectionsList"] == []


def test_a_budget_notifies(place: Place) -> None:
    budget = of(
        "Budgets::Budget",
        Budget={
            "BudgetName": "monthly",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": 100, "Unit": "USD"},
        },
        NotificationsWithSubscribers=[
            {
                "Notification": {
                    "NotificationType": "ACTUAL",
                    "ComparisonOperator": "GREATER_THAN",
                    "Threshold": "80",
                },
                "Subscribers": [
                    {"SubscriptionType": "EMAIL", "Address": "ops@example.com"}
                ],
            }
        ],
    )
    place.create("budget", {"R": budget})
    budgets = place.client("budgets")
    where = {"AccountId": place.account, "BudgetName": "monthly"}
    limit = budgets.describe_budget(**where)["Budget"]["BudgetLimit"]
    assert limit == {"Amount": "100", "Unit": "USD"}
    [notified] = budgets.describe_notifications_for_budget(**where)["Notifications"]
    assert notified["Threshold"] == 80.0
    budget["Properties"]["Budget"]["BudgetLimit"]["Amount"] = 200
    place.update("budget", {"R": budget})
    limit = budgets.describe_budget(**where)["Budget"]["BudgetLimit"]
    assert limit["Amount"] == "200"
    place.delete("budget")
    assert absent(budgets.describe_budget, **where) == "NotFoundException"


def test_a_web_acl_protects_what_it_is_associated_with(place: Place) -> None:
    visible = {
        "SampledRequestsEnabled": True,
        "CloudWatchMetricsEnabled": True,
        "MetricName": "m",
    }
    balancer = f"arn:aws:elasticloadbalancing:{EAST}:{place.account}:loadbalancer/app/x"
    resources = {
        "Acl": of(
            "WAFv2::WebACL",
            Name="acl",
            Scope="REGIONAL",
            DefaultAction={"Allow": {}},
            VisibilityConfig=visible,
            Rules=[],
        ),
        "R": of(
            "WAFv2::WebACLAssociation",
            ResourceArn=balancer,
            WebACLArn={"Fn::GetAtt": ["Acl", "Arn"]},
        ),
    }
    place.create("waf", resources)
    waf = place.client("wafv2")
    found = waf.get_web_acl_for_resource(ResourceArn=balancer)["WebACL"]
    assert found["Name"] == "acl"
    place.update("waf", {"Acl": resources["Acl"]})
    assert absent(waf.get_web_acl_for_resource, ResourceArn=balancer)
