"""Tags on all resources that support them, in the form of each type."""

from __future__ import annotations

from troposphere import Ref, Tags, Template, backup, budgets, ec2, fis, route53, sns

from tapgen.blocks import tagging

TAGS = {"Region": Ref("AWS::Region"), "DR-Role": "global"}


def test_tags_take_the_form_of_their_type_and_keep_what_was_there() -> None:
    t = Template()
    t.add_resource(sns.Topic("Topic", Tags=Tags(Name="x", Region="kept")))
    t.add_resource(sns.Topic("Bare"))
    t.add_resource(backup.BackupVault("Vault", BackupVaultName="v"))
    t.add_resource(
        route53.HealthCheck(
            "Check", HealthCheckConfig=route53.HealthCheckConfig(Type="HTTPS")
        )
    )
    t.add_resource(
        fis.ExperimentTemplate(
            "Experiment",
            Description="d",
            RoleArn="r",
            StopConditions=[],
            Targets={},
            Tags={"Name": "x"},
        )
    )
    t.add_resource(
        budgets.Budget(
            "Budget",
            Budget=budgets.BudgetData(BudgetType="COST", TimeUnit="MONTHLY"),
        )
    )
    tagging.everything(t, TAGS)
    resources = {
        k: r.get("Properties", {}) for k, r in t.to_dict()["Resources"].items()
    }
    both = [
        {"Key": "Region", "Value": {"Ref": "AWS::Region"}},
        {"Key": "DR-Role", "Value": "global"},
    ]
    assert resources["Bare"]["Tags"] == both
    assert resources["Topic"]["Tags"] == [
        {"Key": "Name", "Value": "x"},
        {"Key": "Region", "Value": "kept"},
        {"Key": "DR-Role", "Value": "global"},
    ]
    assert resources["Check"]["HealthCheckTags"] == both
    assert resources["Vault"]["BackupVaultTags"]["DR-Role"] == "global"
    assert resources["Experiment"]["Tags"] == {
        "Name": "x",
        "Region": {"Ref": "AWS::Region"},
        "DR-Role": "global",
    }
    assert resources["Budget"]["ResourceTags"] == both


def test_what_takes_no_tags_is_left_alone() -> None:
    t = Template()
    t.add_resource(ec2.VPCGatewayAttachment("Attachment", VpcId="vpc"))
    tagging.everything(t, TAGS)
    resources = t.to_dict()["Resources"]["Attachment"]["Properties"]
    assert resources == {"VpcId": "vpc"}
