"""The workflow that `tapgen pipeline github` writes: its steps run on the embedded AWS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import boto3
import yaml

from tapgen.aws import remembered
from tapgen.blueprints import delivery as pipelines
from tapgen.blueprints.delivery import Environment
from tapgen.emulator.server import lifecycle
from tapgen.report import delivery
from tapgen.report.delivery import Stage
from tapgen.rollout import journal, snapshot
from tests.emulated.documents import clean_environment
from tests.emulated.forks import script

ACCOUNT = "000000000000"  # of the embedded AWS
CONFIG = f"""\
blueprint: custom
suffix: prod
admin: {{account: "{ACCOUNT}", region: us-east-1}}
stack_sets:
  topics:
    template: notes/topics.yaml
    regions: [us-east-1]
    parameters: {{Purpose: first}}
environments:
  staging: {{suffix: stg}}
"""
TEMPLATE = """\
Parameters:
  Purpose: {Type: String}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      KmsMasterKeyId: alias/aws/sns
      DisplayName: !Ref Purpose
  Failed:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: notes-failed
      Namespace: AWS/SNS
      MetricName: NumberOfNotificationsFailed
      Dimensions: [{Name: TopicName, Value: !GetAtt Topic.TopicName}]
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 1
      Threshold: 0
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
Outputs:
  Arn: {Value: !Ref Topic}
"""


@dataclass
class Runner:
    """A runner of GitHub, as far as the scripts of the workflow see it."""

    folder: Path
    outputs: dict[str, str] = field(default_factory=dict)

    def tapgen(self, *arguments: str) -> str:
        return self.shell(" ".join(["tapgen", *arguments]))

    def shell(self, text: str, expect: int = 0, **more: str) -> str:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
            cwd=self.folder,
            env=clean_environment(self.folder)
            | {"TAPGEN_LOCAL": "1", "CI": "true", "ACCOUNT": ACCOUNT}
            | {"GITHUB_OUTPUT": "outputs", "GITHUB_STEP_SUMMARY": "summary"}
            | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert done.returncode == expect, done.stdout
        return done.stdout

    def workflow(self) -> Mapping[str, Any]:
        path = self.folder / ".github" / "workflows" / "tapgen-notes.yml"
        found: Mapping[str, Any] = yaml.safe_load(path.read_text())
        return found

    def step(self, job: str, name: str, expect: int = 0) -> str:
        """Run a step of the workflow, and keep its outputs."""
        (step,) = (
            s for s in self.workflow()["jobs"][job]["steps"] if s.get("name") == name
        )
        (self.folder / "outputs").write_text("")
        said = self.shell(
            step["run"],
            expect,
            CHANGES=self.outputs.get("changes", ""),
            DIGEST=self.outputs.get("digest", ""),
        )
        given = (self.folder / "outputs").read_text().splitlines()
        if given:
            self.outputs = dict(line.split("=", 1) for line in given)
        return said

    def commands(self, project: Mapping[str, Any]) -> str:
        """What a project of CodeBuild runs, after the installation."""
        spec = json.loads(project["Source"]["BuildSpec"])
        return "\n".join(spec["phases"]["build"]["commands"])

    def client(self, service: str) -> Any:
        server = lifecycle.running(self.folder / ".tapgen")
        assert server
        return boto3.client(
            service,
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="local",
        )

    def purpose(self) -> str:
        topics = self.client("sns")
        arns = [topic["TopicArn"] for topic in topics.list_topics()["Topics"]]
        (arn,) = (one for one in arns if "tapgen-notes-delivery" not in one)
        found = topics.get_topic_attributes(TopicArn=arn)
        return str(found["Attributes"]["DisplayName"])


def test_what_was_planned_is_delivered_and_what_is_not_well_is_taken_back(
    tmp_path: Path,
) -> None:
    assert script()
    config = tmp_path / "stacksets" / "notes.yaml"
    (tmp_path / "stacksets" / "notes").mkdir(parents=True)
    config.write_text(CONFIG)
    (config.parent / "notes" / "topics.yaml").write_text(TEMPLATE)
    runner = Runner(tmp_path)
    said = runner.tapgen("pipeline", "github", "notes")
    assert "environment staging" in said and "TAPGEN_DEPLOY_ROLE_PROD" in said
    assert "already exists" in runner.shell("tapgen pipeline github notes", 1)
    try:
        _deliver(runner, config)
        _deliver_by_aws(runner, config)
    finally:
        lifecycle.stop(tmp_path / ".tapgen")


def _deliver(runner: Runner, config: Path) -> None:
    runner.step("comment-prod", "plan")
    assert "topics" in (runner.folder / "comment.md").read_text()
    runner.step("plan-prod", "plan")
    plan = runner.folder / "plan.json"
    agreed = plan.read_text()
    plan.write_text(agreed + "\n")
    assert "FAILED" in runner.step("deploy-prod", "roll out exactly this plan", 1)
    plan.write_text(agreed)
    runner.step("deploy-prod", "roll out exactly this plan")
    runner.step("deploy-prod", "verify")

    config.write_text(CONFIG.replace("first", "second"))
    runner.step("plan-prod", "plan")
    runner.step("deploy-prod", "roll out exactly this plan")
    assert runner.purpose() == "second"
    runner.client("cloudwatch").set_alarm_state(
        AlarmName="notes-failed", StateValue="ALARM", StateReason="by hand"
    )
    verify = "tapgen verify notes --account $ACCOUNT --output json > verified.json"
    assert runner.shell(verify, 2) == ""
    # As the step does, save that it does not wait for a quarter of an hour.
    (step,) = (
        s
        for s in runner.workflow()["jobs"]["deploy-prod"]["steps"]
        if s.get("name") == "verify"
    )
    said = runner.shell(step["run"].replace("--wait 15m", ""), 2)
    assert "fails: us-east-1 topics: alarm notes-failed is in ALARM since" in said
    runner.step("deploy-prod", "go back")
    assert runner.purpose() == "first"


CONNECTION = f"arn:aws:codeconnections:us-east-1:{ACCOUNT}:connection/1234-abcd"
PIPELINE = (
    f"pipeline codepipeline notes --repository acme/notes --connection {CONNECTION}"
)


def _deliver_by_aws(runner: Runner, config: Path) -> None:
    """The pipeline of CodePipeline is rolled out, and the commands of its projects do what
    those of the workflow do."""
    for command in (
        PIPELINE,
        "bootstrap notes_delivery --yes",
        "rollout notes_delivery --yes",
    ):
        runner.shell(f"tapgen {command}")
    (rule,) = runner.client("events").list_rules()["Rules"]
    watched = json.loads(rule["EventPattern"])["detail"]
    assert watched["pipeline"] == ["tapgen-notes"]
    assert {*watched["state"]} == {"SUCCEEDED", "FAILED", "STOPPED"}
    template = resources(runner, "pipeline")
    stages = template["Pipeline"]["Stages"]
    assert [s["Name"] for s in stages] == ["source", "check", "staging", "prod"]
    assert template["Pipeline"]["ExecutionMode"] == "SUPERSEDED"
    names = [(a["Name"], a["RunOrder"]) for a in stages[-1]["Actions"]]
    assert names == [("plan", 1), ("approve", 2), ("deploy", 3)]

    config.write_text(CONFIG.replace("first", "third"))
    plan = runner.commands(template["ProdPlan"]) + '\necho "$CHANGES $DIGEST" > handed'
    runner.shell(plan)
    changes, digest = (runner.folder / "handed").read_text().split()
    given = {
        **{"CHANGES": changes, "DIGEST": digest},
        "CODEBUILD_SRC_DIR_Plan_prod": str(runner.folder),
    }
    deploy = runner.commands(template["ProdDeploy"]).replace("--wait 15m", "")
    assert "FAILED" in runner.shell(deploy, 1, **{**given, "DIGEST": "0" * 64})
    # The alarm that was raised by hand before is still there: it is not well.
    runner.shell(deploy, 1, **given)
    assert runner.purpose() == "first", "taken back"


def resources(runner: Runner, part: str) -> dict[str, Any]:
    """The properties of what a template of the delivery has, by logical id."""
    path = runner.folder / "stacksets" / "notes_delivery" / f"{part}.json"
    found = json.loads(path.read_text())["Resources"]
    return {name: one["Properties"] for name, one in found.items()}


def test_roles_trust_the_jobs_of_one_repository_and_environment(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    (tmp_path / "stacksets" / "notes").mkdir(parents=True)
    (tmp_path / "stacksets" / "notes.yaml").write_text(CONFIG)
    (tmp_path / "stacksets" / "notes" / "topics.yaml").write_text(TEMPLATE)
    runner.shell("tapgen pipeline github notes --repository acme/notes")
    runner.shell("tapgen lint notes_delivery")

    found = resources(runner, "roles")

    trusted = {}
    for name in ("StagingPlan", "StagingDeploy", "ProdPlan", "ProdDeploy"):
        (trust,) = found[name]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Action"] == ["sts:AssumeRoleWithWebIdentity"]
        (condition,) = trust["Condition"].items()
        kind, keys = condition
        assert kind == "StringEquals", "no pattern"
        assert keys["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
        trusted[name] = keys["token.actions.githubusercontent.com:sub"]
    assert trusted["StagingDeploy"] == ["repo:acme/notes:environment:staging"]
    assert trusted["ProdDeploy"] == ["repo:acme/notes:environment:prod"]
    planned = ["repo:acme/notes:pull_request", "repo:acme/notes:ref:refs/heads/main"]
    assert trusted["StagingPlan"] == trusted["ProdPlan"] == planned
    plan, deploy = (
        json.dumps(found[n]["Policies"]) for n in ("ProdPlan", "ProdDeploy")
    )
    assert "UpdateStackSet" in deploy and "UpdateStackSet" not in plan
    assert "notes-prod-" in deploy and "notes-stg-" not in deploy
    assert '"*:' not in deploy and '"Action": "*"' not in deploy
    (policy,) = found["ProdDeploy"]["Policies"]
    (written,) = (
        [one["Fn::Sub"].partition("-*/")[2] for one in statement["Resource"]]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Sid"] == "WriteJournals"
    )
    for key in (
        f"{journal.home('notes-prod')}/objects/1",
        snapshot.key("notes-prod", "notes-prod-topics"),
        remembered.key("notes-prod-topics"),
        snapshot.leftovers("notes-prod"),
    ):
        assert any(fnmatch(key, pattern) for pattern in written), key
    for words, wrong in (
        ("is not a repository", "github notes --force --repository acme"),
        (
            "is not the ARN",
            PIPELINE.replace(CONNECTION, "mine").removeprefix("pipeline "),
        ),
    ):
        assert words in runner.shell(f"tapgen pipeline {wrong}", 64)


def _drills_by_schedule(stages: list[Stage]) -> None:
    """Only what may be drilled is, by a role of its own, and never beside a delivery."""
    text = delivery.github_drill("pay", stages, "0 3 1 * *", "stacksets")
    found = yaml.safe_load(text)
    assert found[True]["schedule"] == [{"cron": "0 3 1 * *"}]
    assert [*found["jobs"]] == ["drill-staging", "tell"] and "<" not in text
    job = found["jobs"]["drill-staging"]
    assert job["concurrency"]["group"] == "tapgen-pay-staging"
    assert job["environment"] == "staging-drill"
    assert "tapgen drill pay -e staging" in str(job) and "DRILL_ROLE_STAGING" in text

    places = [Environment(s.name, f"pay -e {s.name}", "pay", s.drills) for s in stages]
    given = (places, "acme/pay", "main", "", "cron(0 3 1 * ? *)")
    template = json.loads(pipelines.code_pipeline("pay", *given))
    added = {name: one["Properties"] for name, one in template["Resources"].items()}
    assert added["DrillSchedule"]["ScheduleExpression"] == given[-1]
    (start,) = added["ScheduleRole"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert start["Resource"] == [added["DrillSchedule"]["Target"]["Arn"]]
    source, drill = added["DrillPipeline"]["Stages"]
    assert source["Actions"][0]["Configuration"]["DetectChanges"] == "false"
    assert [one["Name"] for one in drill["Actions"]] == ["staging"]
    assert "--assume-role" in added["StagingDrill"]["Source"]["BuildSpec"]
    assert "StagingDriller" in template["Parameters"]
    assert {*template["Parameters"]}.isdisjoint(template["Resources"])


def test_environments_are_delivered_in_turn_each_by_one_run_without_keys(
    tmp_path: Path,
) -> None:
    runner = Runner(tmp_path)
    (tmp_path / "stacksets" / "notes").mkdir(parents=True)
    (tmp_path / "stacksets" / "notes.yaml").write_text(CONFIG)
    (tmp_path / "stacksets" / "notes" / "topics.yaml").write_text(TEMPLATE)
    runner.tapgen("pipeline", "github", "notes", "--branch", "trunk")

    found = runner.workflow()
    jobs = found["jobs"]

    assert found[True]["push"]["branches"] == ["trunk"]  # YAML 1.1 takes `on` for true
    assert found["permissions"] == {}
    assert jobs["test"]["needs"] == "lint" and jobs["comment-prod"]["needs"] == "test"
    assert jobs["plan-prod"]["needs"] == ["test", "deploy-staging"]
    for stage in ("staging", "prod"):
        deploy = jobs[f"deploy-{stage}"]
        assert deploy["environment"] == stage
        group = {"group": f"tapgen-notes-{stage}", "cancel-in-progress": False}
        assert deploy["concurrency"] == group
    text = str(found)
    assert "aws-access-key" not in text
    assert text.count("secrets.") == text.count("secrets.TAPGEN_WEBHOOK") == 1
    tell = jobs["tell"]
    assert tell["if"] == "always() && github.event_name == 'push'"
    assert {*tell["needs"]} == {j for j in jobs if j[:7] not in ("tell", "comment")}
    assert "<" not in str([*jobs])
    wrong = runner.shell("tapgen pipeline github notes --branch 'a b'", 64)
    assert "is not a branch" in wrong
    for words, given in (
        ("no environment says allow_drill: true", "--drill '0 3 1 * *'"),
        ("'daily' is not a schedule", "--drill daily"),
    ):
        code = 64 if "daily" in given else 1
        said = runner.shell(f"tapgen pipeline github notes --force {given}", code)
        assert words in said
    (tmp_path / "stacksets" / "notes.yaml").write_text(CONFIG + "allow_drill: true\n")
    wrong = runner.shell("tapgen pipeline github notes --force", 1)
    assert "notes.yaml: allow_drill: blueprint custom has nothing to rehearse" in wrong
    stages = [
        Stage(n, n, "", "us-east-1", drills=n == "staging") for n in ("staging", "eu")
    ]
    written = yaml.safe_load(delivery.github("pay", stages, "main", "stacksets"))[
        "jobs"
    ]
    _drills_by_schedule(stages)
    steps = {n: str(written[f"deploy-{n}"]["steps"]) for n in ("staging", "eu")}
    assert (
        "tapgen drill pay -e staging" in steps["staging"] and "drill" not in steps["eu"]
    )
