"""What every shipped system promises, whatever it builds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tapgen import blueprints, config
from tapgen.model import Output, System
from tapgen.system import templates_out
from tapgen.template import schemas
from tests.systems import look
from tests.systems.look import ROOT, every, statements, texts

# Actions for which IAM supports no resource: Sid -> why.
ANY_RESOURCE = {
    "SendTraces": "traces of X-Ray are no resources",
    "ManageNetworkInterfaces": "Lambda asks for it on all of them",
    "FindLogGroups": "IAM supports no resource for listing log groups",
    "CreateJobWhereNoResourceCanBeNamed": "a batch job has no name before it is made",
    "ReadWhereNoResourceCanBeNamed": "lists of load balancers, groups and metrics",
    "AskForFailover": "metrics are no resources; a condition names their namespace",
    "TurnSwitches": "metrics are no resources; a condition names their namespace",
    "LookInStack": "lists of networks, roles and parameter groups, by CloudFormation",
}
# Stateful by their schemas, but a new stack creates them as they were.
NO_DATA = (
    "AWS::EC2::EIP",
    "AWS::GlobalAccelerator::Accelerator",
    "AWS::Route53::HostedZone",
)


# Shipped systems, and variants of them by a setting.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in blueprints.NAMES},
    "secure_network, minimal": ("secure_network", {"profile": "minimal"}),
    "serverless_api, CloudFront": ("serverless_api", {"website": "cloudfront"}),
}


@pytest.fixture(scope="module", params=VARIANTS)
def system(request: pytest.FixtureRequest) -> System:
    name, settings = VARIANTS[request.param]
    return look.shipped(name, settings=settings)


@pytest.mark.parametrize("name", blueprints.NAMES)
def test_the_committed_templates_are_what_the_shipped_config_gives(name: str) -> None:
    path = ROOT / "stacksets" / f"{name}.yaml"
    default = look.shipped(name)
    files = templates_out.files(default)
    for environment in config.environments(path):
        files |= templates_out.files(look.shipped(name, environment), default)
    assert templates_out.stale(ROOT / "templates_out", files) == []
    assert f"{name}/manifest.staging.json" in files
    # Environments differ only in parameters, so they share the templates.
    shared = {f"{s.part}.json" for s in default.stack_sets}
    assert {Path(f).name for f in files if "manifest" not in f} == shared


def test_the_bytes_do_not_depend_on_the_process() -> None:
    program = (
        "from tests.systems import look; from tapgen import blueprints\n"
        "systems = [look.shipped(name) for name in blueprints.NAMES]\n"
        "print([x.template for s in systems for x in s.stack_sets])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            cwd=ROOT,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


@pytest.mark.parametrize("name", blueprints.NAMES)
def test_cfn_lint_has_nothing_to_say(name: str) -> None:
    both = [look.shipped(name, environment) for environment in (None, "staging")]
    assert look.found_by_lint(*both) == []


# Parts whose templates go by URL, as they hold the code of handlers (in drills, of the
# scripts of its runbooks); no others may.
BY_URL = {"payments_dr": {"app", "drills"}, "serverless_api": {"api"}}


def test_every_template_fits_into_a_call(system: System) -> None:
    for stack_set in system.stack_sets:
        by_url = stack_set.part in BY_URL.get(system.name, ())
        longest = 100_000 if by_url else 51_200
        assert len(stack_set.template.encode()) <= longest, stack_set.part


def test_no_template_names_an_account_a_region_or_a_partition(system: System) -> None:
    # Metrics of health checks are in one region; checks come from three.
    global_services = ("AWS::Route53::HealthCheck",)
    for key, resource in every(system).items():
        if resource["Type"] in global_services:
            continue
        for text in texts({k: v for k, v in resource.items() if k != "Metadata"}):
            assert not re.search(r"\b\d{12}\b", text), (key, text)
            assert "arn:aws:" not in text, (key, text)
            if "def handler" not in text:
                assert not re.search(r"\b(us|eu|ap)-[a-z]+-\d\b", text), (key, text)


def test_stack_sets_are_tagged_with_whose_they_are(system: System) -> None:
    for stack_set in system.stack_sets:
        assert set(stack_set.tags) >= {
            *("Environment", "Project", "Purpose", "ManagedBy", "CostCenter")
        }


def test_a_changed_tag_of_a_stack_set_replaces_nothing(system: System) -> None:
    """CloudFormation passes stack tags on to resources, and changes them in place."""
    for (part, title), resource in every(system).items():
        region = system.part(part).targets[0].region
        found = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, resource["Type"])
        tagging = found.schema.get("tagging", {})
        if tagging.get("taggable"):
            assert tagging.get("tagUpdatable", True), (part, title)
            where = tagging.get("tagProperty", "/properties/Tags")
            fixed = found.schema.get("createOnlyProperties", [])
            assert where not in fixed, (part, title)


def test_no_stack_exports_anything(system: System) -> None:
    for stack_set in system.stack_sets:
        outputs = json.loads(stack_set.template)["Outputs"]
        assert all("Export" not in o and o["Description"] for o in outputs.values())


def test_every_parameter_is_described_constrained_and_in_the_form(
    system: System,
) -> None:
    for stack_set in system.stack_sets:
        template = json.loads(stack_set.template)
        interface = template["Metadata"]["AWS::CloudFormation::Interface"]
        shown = [p for g in interface["ParameterGroups"] for p in g["Parameters"]]
        assert sorted(shown) == sorted(template["Parameters"])
        assert set(interface["ParameterLabels"]) == set(shown)
        for name, parameter in template["Parameters"].items():
            assert parameter["Description"], name
            assert _is_constrained(parameter), (stack_set.part, name)
            if "AllowedPattern" in parameter:
                assert parameter["ConstraintDescription"], name
                re.compile(parameter["AllowedPattern"])


def _is_constrained(parameter: dict[str, Any]) -> bool:
    """Whether CloudFormation refuses what cannot be meant: for AWS's own types it looks
    in the account, of a list it holds each member to the pattern."""
    if "AllowedValues" in parameter or "AWS::" in parameter["Type"]:
        return True
    if parameter["Type"] in ("Number", "List<Number>"):
        return {"MinValue", "MaxValue"} <= set(parameter)
    return "AllowedPattern" in parameter


def _passes(parameter: dict[str, Any], value: str) -> bool:
    allowed = parameter.get("AllowedValues")
    if allowed is not None:
        return value in map(str, allowed)
    if parameter["Type"] == "Number":
        least, most = parameter.get("MinValue", 0), parameter.get("MaxValue", 2**62)
        return bool(least <= float(value) <= most)
    members = value.split(",") if "List" in parameter["Type"] else [value]
    pattern = parameter.get("AllowedPattern", ".*")
    return all(re.fullmatch(pattern, member.strip()) for member in members)


@pytest.mark.parametrize("environment", [None, "staging"])
@pytest.mark.parametrize("name", blueprints.NAMES)
def test_every_value_given_passes_its_own_parameter(
    name: str, environment: str | None
) -> None:
    for stack_set in look.shipped(name, environment).stack_sets:
        parameters = json.loads(stack_set.template)["Parameters"]
        for target in stack_set.targets:
            for parameter, value in stack_set.values(target).items():
                if isinstance(value, str):
                    assert _passes(parameters[parameter], value), (parameter, value)


def test_a_stack_in_the_wrong_region_is_refused_before_it_makes_anything(
    system: System,
) -> None:
    titles = {role: f"RunsIn{role.title()}Region" for role in system.regions}
    first = next(iter(system.regions))
    for stack_set in system.stack_sets:
        rules = json.loads(stack_set.template)["Rules"]
        assert "RegionsDiffer" in rules
        expected = (
            set(titles.values())
            if stack_set.role == "every"
            else {titles.get(stack_set.role, titles[first])}
        )
        assert {r for r in rules if r.startswith("RunsIn")} == expected
        for rule in expected:
            (assertion,) = rules[rule]["Assertions"]
            region = {"Ref": rule.removeprefix("RunsIn")}
            assert assertion["Assert"] == {
                "Fn::Equals": [{"Ref": "AWS::Region"}, region]
            }


def test_nothing_is_allowed_that_is_not_spelled_out(system: System) -> None:
    for key, resource in every(system).items():
        if resource["Type"] == "AWS::EC2::VPCEndpoint":
            continue  # its policy gives nothing, it limits what others give
        for statement in statements(resource):
            if statement["Effect"] == "Deny":
                continue
            assert not any("*" in action for action in statement["Action"]), key
            if "*" in statement.get("Resource", []):
                # "This key": a key policy cannot name its own key.
                a_key = resource["Type"].startswith("AWS::KMS::")
                assert a_key or statement["Sid"] in ANY_RESOURCE, (key, statement)


def test_nobody_else_writes_through_an_endpoint(system: System) -> None:
    ours = {"Ref": "AWS::AccountId"}
    for key, endpoint in every(system, "AWS::EC2::VPCEndpoint").items():
        for statement in statements(endpoint):
            condition = statement.get("Condition", {}).get("StringEquals", {})
            if condition.get("aws:PrincipalAccount") != ours:
                reads = all(a.startswith("s3:Get") for a in statement["Action"])
                answers = statement["Sid"] == "AnswerCloudFormation"
                assert reads or answers, (key, statement)


def test_roles_are_in_one_part_and_trust_one_service_each(system: System) -> None:
    for key, role in every(system, "AWS::IAM::Role").items():
        trust = list(statements(role["Properties"]["AssumeRolePolicyDocument"]))
        assert len(trust) == 1, key
        principals = trust[0]["Principal"]
        assert principals != "*" and principals.get("AWS") != "*", key


def _conditions(condition: Any) -> Iterator[dict[str, Any]]:
    """The conditions that a trust may have, by what parameters say."""
    match condition:
        case {"Fn::If": [_, *sides]}:
            for side in sides:
                yield from _conditions(side)
        case _:
            yield condition or {}


@pytest.mark.parametrize("name", blueprints.NAMES)
def test_no_role_trusts_a_whole_account(name: str) -> None:
    """Of an account only who is named; the operator role of tapgen by admin.callers."""
    made = ROOT / "templates_out" / "bootstrap" / f"{name}.json"
    bootstrap = json.loads(made.read_text())
    shipped = look.shipped(name)
    parts = [look.body(shipped, s.part) for s in shipped.stack_sets]
    whole = []
    for part in (bootstrap, *parts):
        for title, resource in part["Resources"].items():
            if resource["Type"] != "AWS::IAM::Role":
                continue
            for trust in statements(resource["Properties"]["AssumeRolePolicyDocument"]):
                principal = trust["Principal"]
                assert principal != "*" and {*principal} <= {"AWS", "Service"}, title
                root = any(
                    t.endswith(":root") for t in look.texts(principal.get("AWS", ""))
                )
                for condition in _conditions(trust.get("Condition")) if root else ():
                    if "aws:PrincipalArn" not in condition.get("ArnLike", {}):
                        whole.append(title)
    assert [*dict.fromkeys(whole)] == ["OperatorRole"]
    (trust,) = statements(
        bootstrap["Resources"]["OperatorRole"]["Properties"]["AssumeRolePolicyDocument"]
    )
    assert "Condition" not in trust  # no shipped config names callers


@pytest.mark.parametrize("name", blueprints.NAMES)
def test_the_operator_role_may_read_alarms_and_health_checks(name: str) -> None:
    """Gates and `tapgen verify` ask in the target accounts."""
    made = json.loads(
        (ROOT / "templates_out" / "bootstrap" / f"{name}.json").read_text()
    )
    policies = made["Resources"]["OperatorRole"]["Properties"]["Policies"]
    allowed = {
        action
        for policy in policies
        for statement in statements(policy["PolicyDocument"])
        if statement["Effect"] == "Allow" and statement["Resource"] == ["*"]
        for action in statement["Action"]
    }
    assert allowed >= {
        *("cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory"),
        *("cloudwatch:ListMetrics", "route53:GetHealthCheck"),
        "route53:GetHealthCheckStatus",
    }


def test_alarms_leave_nothing_to_defaults_and_notify_their_own_region(
    system: System,
) -> None:
    for key, resource in every(system, "AWS::CloudWatch::Alarm").items():
        alarm = resource["Properties"]
        assert set(alarm) >= {
            *("AlarmName", "AlarmDescription", "ActionsEnabled", "EvaluationPeriods"),
            *("ComparisonOperator", "Threshold", "TreatMissingData"),
            *("AlarmActions", "OKActions"),
        }, key
        if "Metrics" not in alarm:
            assert set(alarm) >= {"Namespace", "MetricName", "Dimensions", "Period"}
            assert ("Statistic" in alarm) != ("ExtendedStatistic" in alarm), key
        assert alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"]
        stack_set = system.part(key[0])
        for target in stack_set.targets:
            topic = stack_set.values(target).get("AlertTopicArn")
            if isinstance(topic, Output):
                assert topic.region in ("same", target.region), key


def test_what_holds_data_outlives_its_stack(system: System) -> None:
    for key, resource in every(system).items():
        if not schemas.is_stateful(resource["Type"]) or resource["Type"] in NO_DATA:
            continue
        if "DBClusterIdentifier" in resource["Properties"] and "Instance" in key[1]:
            continue  # the cluster has the data, and RDS no snapshot of a member
        retained = {"Snapshot", "Retain", "RetainExceptOnCreate"}
        assert resource["DeletionPolicy"] in retained, key
        assert resource["UpdateReplacePolicy"] in retained, key


def test_the_longest_suffix_fits_every_name(system: System, tmp_path: Path) -> None:
    content = (ROOT / "stacksets" / f"{system.name}.yaml").read_text()
    file = tmp_path / f"{system.name}.yaml"
    file.write_text(content.replace("suffix: prod", "suffix: a1234567890b"))
    look.built(config.load(file, blueprints.find))


def test_two_suffixes_share_no_name(tmp_path: Path) -> None:
    """Every name begins with the system's code and the suffix."""
    seen: set[str] = set()
    for name in blueprints.NAMES:
        for environment in (None, "staging"):
            system = look.shipped(name, environment)
            code = blueprints.find(name)
            assert code is not None
            for stack_set in system.stack_sets:
                assert stack_set.name not in seen
                seen.add(stack_set.name)
            roles = every(system, "AWS::IAM::Role").values()
            for role in roles:
                (text,) = texts(role["Properties"]["RoleName"])
                assert text.startswith(f"{code.code}-${{EnvironmentSuffix}}-")


@pytest.mark.parametrize("name", blueprints.NAMES)
def test_the_page_lists_every_setting_and_part(name: str) -> None:
    system = look.shipped(name)
    page = (ROOT / "docs" / f"{system.name}.md").read_text()
    blueprint = blueprints.find(system.name)
    assert blueprint is not None
    table = re.findall(r"^\| `([\w.]+)`", page, re.MULTILINE)
    for setting in blueprint.model().model_fields:
        assert any(row.split(".")[0] == setting for row in table), setting
    waves = {s["part"]: s["wave"] for s in templates_out.manifest(system)["stack_sets"]}
    for part, wave in waves.items():
        row = rf"^\| `{part}`[^|]*\|[^|]*\| {wave} \|"
        assert re.search(row, page, re.MULTILINE), (part, wave)
    assert f"]({name}.svg)" in page


def test_no_server_is_judged_before_its_start_may_have_ended() -> None:
    """Else a group replaces servers that still start, for ever."""
    found = 0
    for path in (ROOT / "templates_out").glob("*/*.json"):
        resources = json.loads(path.read_text()).get("Resources", {})
        scripts = " ".join(
            text
            for resource in resources.values()
            if resource["Type"] == "AWS::EC2::LaunchTemplate"
            for text in look.texts(resource["Properties"])
        )
        waits = [int(seconds) for seconds in re.findall(r"timeout (\d+)", scripts)]
        for title, resource in resources.items():
            if resource["Type"] == "AWS::AutoScaling::AutoScalingGroup":
                found += 1
                grace = resource["Properties"]["HealthCheckGracePeriod"]
                policy = resource["UpdatePolicy"]["AutoScalingRollingUpdate"]
                pause = int(policy["PauseTime"].strip("PTM")) * 60
                assert waits and grace >= max(*waits, pause), (path.name, title)
    assert found
