"""Linting a system's templates: real cfn-lint on tiny templates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tapgen import lint
from tapgen.errors import ConfigError
from tapgen.model import Finding, Output, Override, Severity, StackSet, System, Target

FOLDER = Path("templates_out")
TOPIC = {"Type": "AWS::SNS::Topic"}
GOOD = {"Metadata": {"Version": 1.3}, "Resources": {"Topic": TOPIC}}
BAD: dict[str, Any] = {
    "Parameters": {"Unused": {"Type": "String", "Default": ""}},
    "Resources": {"Topic": {**TOPIC, "Properties": {"Nope": 1}}},
}
NOT_EVERYWHERE = {
    "Resources": {
        "App": {
            "Type": "AWS::QBusiness::Application",
            "Properties": {"DisplayName": "app"},
        }
    }
}


def system(*templates: Any, regions: tuple[str, ...] = ("us-east-1",)) -> System:
    """A system whose parts p0, p1, … have these templates."""
    return System(
        name="some_system",
        blueprint="custom",
        suffix="dev",
        regions={"primary": regions[0]},
        admin=Target("self", "us-east-1"),
        stack_sets=tuple(
            StackSet(
                name=f"some-system-dev-p{i}",
                part=f"p{i}",
                template=t if isinstance(t, str) else json.dumps(t, indent=2) + "\n",
                role="every",
                targets=tuple(Target("self", region) for region in regions),
            )
            for i, t in enumerate(templates)
        ),
    )


def test_a_good_template_is_clean() -> None:
    assert lint.check(system(GOOD), FOLDER) == []
    assert lint.exit_code([]) == 0


def test_a_finding_says_what_and_where() -> None:
    unused, nope = lint.check(system(BAD), FOLDER)
    assert (unused.rule, unused.severity) == ("W2001", Severity.WARNING)
    assert unused.logical_id == "Unused"
    assert nope == Finding(
        stack_set="some-system-dev-p0",
        logical_id="Topic",
        rule="E3002",
        severity=Severity.ERROR,
        message="Additional properties are not allowed ('Nope' was unexpected)",
        path=("Resources", "Topic", "Properties", "Nope"),
        file="templates_out/some_system/p0.json",
        line=12,
        column=9,
        url=nope.url,
    )
    assert nope.url.startswith("https://")


def test_loops_are_checked_with_the_items_of_all_targets() -> None:
    wrong = {**TOPIC, "Properties": {"Nope": {"Ref": "Name"}}}
    body = {
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"Names": {"Type": "CommaDelimitedList"}},
        "Resources": {
            "Fn::ForEach::All": ["Name", {"Ref": "Names"}, {"Topic${Name}": wrong}]
        },
    }
    it = system(body, regions=("us-east-1", "eu-west-1"))
    (s,) = it.stack_sets
    s = replace(
        s,
        parameters={"Names": "one,two"},
        overrides=(Override({"Names": "two,three"}, region="eu-west-1"),),
        capabilities=("CAPABILITY_AUTO_EXPAND",),
    )

    found = lint.check(replace(it, stack_sets=(s,)), FOLDER)

    # cfn-lint tells a line once; without items it would make some up.
    (finding,) = found
    assert (finding.rule, finding.logical_id) == ("E3002", "Topicone")
    assert finding.line == 18


def test_rules_see_what_loops_make_at_each_target() -> None:
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {"BucketName": {"Fn::Sub": "${Name}-bucket"}},
    }
    body = {
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"Names": {"Type": "CommaDelimitedList"}},
        "Resources": {
            "Fn::ForEach::All": ["Name", {"Ref": "Names"}, {"Bucket${Name}": bucket}]
        },
    }
    it = system(body, regions=("us-east-1", "eu-west-1"))
    (s,) = it.stack_sets
    s = replace(
        s, parameters={"Names": "one"}, capabilities=("CAPABILITY_AUTO_EXPAND",)
    )
    apart = Override({"Names": "two"}, region="eu-west-1")

    def rules(s: StackSet) -> set[str]:
        return {f.rule for f in lint.check(replace(it, stack_sets=(s,)), FOLDER)}

    # The same bucket in two regions cannot be; another one in each can.
    assert rules(s) - rules(replace(s, overrides=(apart,))) == {"E9501"}


CONDITIONAL: dict[str, Any] = {
    "Conditions": {"IsMain": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}},
    "Resources": {
        "Replica": {**TOPIC, "Condition": "IsMain"},
        "Where": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Ref": "Replica"}},
        },
        "After": {**TOPIC, "DependsOn": "Replica"},
    },
}


def test_a_condition_that_holds_at_every_target_is_no_finding() -> None:
    assert lint.check(system(CONDITIONAL), FOLDER) == []


def test_a_reference_to_what_a_condition_leaves_out_is_an_error() -> None:
    it = system(CONDITIONAL, regions=("us-east-1", "us-west-1"))
    value, depends = lint.check(it, FOLDER)
    assert {depends.rule, value.rule} == {"E9595"}
    assert value.message.startswith(
        "Replica is not created in self/us-west-1: its condition IsMain is false."
    )
    assert (value.logical_id, depends.logical_id) == ("Where", "After")


def test_a_condition_that_only_a_rollout_knows_is_left_to_cfn_lint() -> None:
    later = {"Fn::Equals": [{"Ref": "P"}, "us-east-1"]}
    body = {
        **CONDITIONAL,
        "Parameters": {"P": {"Type": "String"}},
        "Conditions": {"IsMain": later},
    }
    it = system(body)
    (s,) = it.stack_sets
    s = replace(s, parameters={"P": Output("other", "P")})
    findings = lint.check(replace(it, stack_sets=(s,)), FOLDER)
    assert {f.rule for f in findings} >= {"W1001", "E3005"}
    assert "E9595" not in {f.rule for f in findings}


def test_names_are_those_of_the_stacks_of_the_stack_set() -> None:
    name = {"Fn::Sub": "${AWS::StackName}-nightly"}
    group = {
        "Resources": {
            "G": {"Type": "AWS::IAM::Group", "Properties": {"GroupName": name}}
        }
    }
    bucket = {
        "Resources": {
            "B": {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": {"BucketName": {"Fn::Sub": "${AWS::StackName}"}},
            }
        }
    }
    it = system(group, bucket)
    s = [replace(s, capabilities=("CAPABILITY_NAMED_IAM",)) for s in it.stack_sets]
    it = replace(it, stack_sets=tuple(s))
    messages = [f.message for f in lint.check(it, FOLDER) if f.rule != "E9503"]
    assert messages == [
        "'StackSet-some-system-dev-p1-<36 characters>' in us-east-1 does not match"
        " '^([a-z0-9][a-z0-9.-]*[a-z0-9])?$', which AWS::S3::Bucket requires"
    ]


def test_a_file_below_the_working_folder_is_named_relative_to_it() -> None:
    (finding,) = lint.check(system("{"), Path.cwd() / "out")
    assert finding.file == "out/some_system/p0.json"


def test_only_the_target_regions_count() -> None:
    assert lint.check(system(NOT_EVERYWHERE), FOLDER) == []
    (finding,) = lint.check(
        system(NOT_EVERYWHERE, regions=("us-east-1", "ap-southeast-7")), FOLDER
    )
    assert finding.rule == "E3006"
    assert "ap-southeast-7" in finding.message
    assert "us-east-1" not in finding.message


def test_a_template_may_silence_a_rule_for_itself_or_for_one_resource() -> None:
    silence = {"cfn-lint": {"config": {"ignore_checks": ["W2001", "E3002"]}}}
    assert lint.check(system({**BAD, "Metadata": silence}), FOLDER) == []
    bad = BAD["Resources"]["Topic"]
    resources = {"Silent": {**bad, "Metadata": silence}, "Loud": bad}
    findings = lint.check(system({"Resources": resources}), FOLDER)
    assert [f.logical_id for f in findings] == ["Loud"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "3",
        "[]",
        "[" * 100_000,
        '{"Metadata": []}',
        '{"Metadata": {"cfn-lint": []}, "Resources": {}}',
        '{"Resources": {"A": []}}',
        '{"Resources": {"A": {"Type": [], "Metadata": []}}}',
        '{"Resources": {"A": {"Type": "X"}, "A": {"Type": "X"}}}',
        "Resources: {}",
    ],
)
def test_what_is_no_template_is_an_error_and_no_traceback(text: str) -> None:
    findings = lint.check(system(text), FOLDER)
    assert findings
    assert all(f.severity is Severity.ERROR for f in findings)
    assert lint.exit_code(findings) == 2


def test_broken_json_is_located() -> None:
    (finding,) = lint.check(system('{\n  "Resources": {,}\n}'), FOLDER)
    assert (finding.rule, finding.line, finding.column) == ("E0000", 2, 17)
    assert finding.message.startswith("not JSON: ")


def test_processes_find_what_one_process_finds_in_the_same_order() -> None:
    it = system(BAD, GOOD, NOT_EVERYWHERE, "{", regions=("us-east-1", "ap-southeast-7"))
    alone = lint.check(it, FOLDER, processes=1)
    assert [f.rule for f in alone] == ["W2001", "E3002", "E3006", "E0000"]
    assert lint.check(it, FOLDER, processes=2) == alone


def test_stack_sets_with_the_same_template_each_get_its_findings() -> None:
    findings = lint.check(system(BAD, GOOD, BAD), FOLDER)
    assert [f.stack_set[-2:] for f in findings] == ["p0", "p0", "p2", "p2"]
    assert findings[3].file == "templates_out/some_system/p2.json"


@pytest.mark.parametrize("processes", [1, 2])
def test_progress_names_each_stack_set_once(processes: int) -> None:
    done: list[str] = []
    lint.check(system(GOOD, BAD, BAD, "{"), FOLDER, done.append, processes)
    assert sorted(done) == [f"some-system-dev-p{i}" for i in range(4)]


def test_a_broken_cfnlintrc_is_the_users_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".cfnlintrc").write_text("regions: 5\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="cfnlintrc"):
        lint.check(system(GOOD), FOLDER)


def test_exit_codes_are_cfnlints_bit_mask() -> None:
    def of(*severities: Severity) -> int:
        return lint.exit_code(Finding("s", "", "R", each, "m") for each in severities)

    assert of(Severity.ERROR) == 2
    assert of(Severity.WARNING, Severity.WARNING) == 4
    assert of(Severity.INFORMATIONAL) == 8
    assert of(Severity.INFORMATIONAL, Severity.ERROR, Severity.WARNING) == 14


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return lint.check(system(BAD, GOOD), FOLDER)


NAMES = ["some-system-dev-p0", "some-system-dev-p1"]


def test_text_groups_by_stack_set_and_counts(findings: list[Finding]) -> None:
    text = lint.render(findings, "text", NAMES)
    assert text.splitlines()[0] == "some-system-dev-p0: 1 error, 1 warning"
    assert "  E3002 error: Additional properties" in text
    place = "Resources/Topic/Properties/Nope (templates_out/some_system/p0.json:12:9)"
    assert f"    at {place}\n" in text
    last = "1 error, 1 warning in 1 stack set (2 stack sets checked)"
    assert text.splitlines()[-1] == last


def test_text_says_clean_when_clean() -> None:
    assert lint.render([], "text") == "clean: no findings\n"
    assert lint.render([], "text", NAMES) == "clean: 2 stack sets checked\n"


def test_json_is_a_list_of_findings(findings: list[Finding]) -> None:
    data = json.loads(lint.render(findings, "json"))
    assert [d["rule"] for d in data] == ["W2001", "E3002"]
    assert data[1]["path"] == ["Resources", "Topic", "Properties", "Nope"]
    assert data[1]["severity"] == "error"
    assert json.loads(lint.render([], "json")) == []


def test_sarif_has_rules_relative_files_and_logical_places(
    findings: list[Finding],
) -> None:
    log = json.loads(lint.render(findings, "sarif"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert list(rules) == ["E3002", "W2001"]
    text = rules["E3002"]["shortDescription"]["text"]
    assert text == "Resource properties are invalid"
    result = run["results"][1]
    assert (result["ruleId"], result["level"]) == ("E3002", "error")
    (location,) = result["locations"]
    physical = location["physicalLocation"]
    uri = physical["artifactLocation"]["uri"]
    assert uri == "templates_out/some_system/p0.json"
    assert physical["region"] == {"startLine": 12, "startColumn": 9}
    (logical,) = location["logicalLocations"]
    assert logical["fullyQualifiedName"] == "some-system-dev-p0/Topic"


def test_sarif_of_a_clean_system_says_so() -> None:
    (run,) = json.loads(lint.render([], "sarif", NAMES))["runs"]
    # An absent list would mean that nothing was checked (SARIF 2.1.0, 3.14.23).
    assert run["results"] == []


def test_junit_has_one_case_for_each_stack_set(findings: list[Finding]) -> None:
    root = ElementTree.fromstring(lint.render(findings, "junit", NAMES))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert sorted(filter(None, cases)) == NAMES
    bad, good = (cases[name].findall("failure") for name in NAMES)
    assert [f.get("type") for f in bad] == ["warning", "error"]
    assert "E3002" in (bad[1].get("message") or "")
    assert good == []


def test_github_gets_an_annotation_for_each_finding(findings: list[Finding]) -> None:
    first, second = lint.render(findings, "github", NAMES).splitlines()
    place = "file=templates_out/some_system/p0.json,line=12,col=9"
    assert second.startswith(
        f"::error {place},title=E3002 in some-system-dev-p0::Additional properties"
    )
    assert first.startswith("::warning file=")
    odd = Finding("s,1:2", "", "E1", Severity.INFORMATIONAL, "100%\nsure", file="a:b")
    assert lint.render([odd], "github") == (
        "::notice file=a%3Ab,line=1,col=1,title=E1 in s%2C1%3A2::100%25%0Asure\n"
    )
    assert lint.render([], "github", NAMES) == ""


def role(name: Any) -> dict[str, Any]:
    """A template with a named IAM group."""
    return {
        "Resources": {
            "Group": {"Type": "AWS::IAM::Group", "Properties": {"GroupName": name}}
        }
    }


def capable(it: System) -> System:
    sets = [replace(s, capabilities=("CAPABILITY_NAMED_IAM",)) for s in it.stack_sets]
    return replace(it, stack_sets=tuple(sets))


def test_our_rules_know_where_each_stack_set_goes() -> None:
    everywhere = system(role("g"), regions=("us-east-1", "eu-west-1"))
    (finding,) = lint.check(capable(everywhere), FOLDER)
    assert (finding.rule, finding.line) == ("E9500", 6)
    assert lint.check(capable(system(role("g"))), FOLDER) == []


def test_what_stack_sets_do_to_each_other_has_a_line_and_can_be_silenced() -> None:
    def found(second: dict[str, Any]) -> list[Finding]:
        return lint.check(capable(system(role("g"), second)), FOLDER)

    (finding,) = found(role("g"))
    assert (finding.rule, finding.stack_set) == ("E9582", "some-system-dev-p1")
    assert (finding.file, finding.line) == ("templates_out/some_system/p1.json", 3)

    why = {"config": {"ignore_checks": ["E9582"]}, "reasons": {"E9582": "moved"}}
    silenced = role("g")
    silenced["Resources"]["Group"]["Metadata"] = {"cfn-lint": why}
    assert found(silenced) == []
    assert found({**role("g"), "Metadata": {"cfn-lint": why}}) == []


def test_the_system_is_judged_as_a_whole_when_only_a_part_is_checked() -> None:
    it = system(role("g"), BAD, role("g"))
    names = [s.name for s in it.stack_sets]
    found = lint.check(capable(it), FOLDER, only=names[2:])
    assert [f.rule for f in found] == ["E9582"]
    assert lint.check(capable(it), FOLDER, only=names[:1]) == []


def test_two_resources_of_one_template_may_not_have_one_name() -> None:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "orders"}}

    (finding,) = lint.check(
        system({"Resources": {"Topic": topic, "Other": topic}}), FOLDER
    )

    assert (finding.rule, finding.logical_id) == ("E9582", "Other")
    assert "p0.Topic" in finding.message


def test_several_systems_are_checked_together() -> None:
    other = replace(system(BAD), name="other")
    both = lint.check_all([system(GOOD), other], FOLDER)
    assert {f.file for f in both} == {"templates_out/other/p0.json"}


def test_findings_point_to_the_file_that_a_user_wrote(tmp_path: Path) -> None:
    source = tmp_path / "p0.yaml"
    source.write_text(
        "\ufeff# why\nResources:\n  Topic:\n    Type: AWS::SNS::Topic\n"
        "    Properties: {Nope: 1}\n"
    )
    it = system({"Resources": {"Topic": {**TOPIC, "Properties": {"Nope": 1}}}})
    own = tuple(replace(s, source=source) for s in it.stack_sets)

    (found,) = lint.check(replace(it, stack_sets=own), FOLDER)
    assert (found.file, found.line, found.column) == (source.as_posix(), 5, 18)

    source.unlink()  # what is gone cannot be pointed to
    (found,) = lint.check(replace(it, stack_sets=own), FOLDER)
    assert found.file == "templates_out/some_system/p0.json"


def test_a_key_given_twice_is_a_warning_with_both_lines(tmp_path: Path) -> None:
    source = tmp_path / "p0.yaml"
    source.write_text(
        "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n    Properties:\n"
        "      DisplayName: a\n      DisplayName: b\n"
    )
    it = system(GOOD)
    own = tuple(replace(s, source=source) for s in it.stack_sets)

    (found,) = lint.check(replace(it, stack_sets=own), FOLDER)
    assert (found.rule, found.severity) == ("W0000", Severity.WARNING)
    assert (found.file, found.line) == (source.as_posix(), 6)
    assert found.logical_id == "Topic"
    assert found.message == (
        "the key 'DisplayName' is given on line 5 and on line 6; CloudFormation takes "
        "the value on line 6; keep one"
    )
    assert "A key is given twice" in lint.render([found], "sarif")
