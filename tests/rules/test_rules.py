"""Each rule finds its mistake, and only that, where plain cfn-lint finds none."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cfnlint.config import ConfigMixIn
from cfnlint.rules import Rules
from cfnlint.runner import Runner
from cfnlint.runner.template import run_template_by_file_path

from tapgen import rules
from tapgen.rules.base import Rule, deployed_to
from tapgen.rules.system_view import SystemRule
from tests.rules import examples

ROOT = Path(__file__).parents[2]
CFN_LINT = str(Path(sys.executable).with_name("cfn-lint"))
GOOD = sorted((Path(__file__).parent / "good").iterdir())
SHIPPED = [
    path
    for path in sorted((ROOT / "templates_out").rglob("*.json"))
    if not path.name.startswith("manifest")
]
ONE_TEMPLATE = [r for r in rules.ALL if not issubclass(r, SystemRule)]

every_rule = pytest.mark.parametrize("rule", ONE_TEMPLATE, ids=lambda rule: rule.id)


@cache
def ours() -> Any:
    return Rules.create_from_module("tapgen.rules")


@cache
def plain() -> Any:
    return Runner(ConfigMixIn()).rules


def found(path: Path, which: Any, regions: Any = (), **config: Any) -> list[Any]:
    """Rule and path of each match in a file."""
    options = ConfigMixIn(regions=list(regions) or ["us-east-1"], **config)
    matches = run_template_by_file_path(str(path), options, which, False)
    return [(m.rule.id, "/".join(map(str, getattr(m, "path", [])))) for m in matches]


def regions(rule: type[Rule]) -> set[str]:
    return {target["region"] for target in rule.deployment.get("targets", ())}


def included(rule: type[Rule]) -> dict[str, Any]:
    return {"include_checks": ["I"]} if rule.id.startswith("I") else {}


def fixture(rule: type[Rule], name: str) -> Path:
    return examples.FIXTURES / rule.id / name


@every_rule
def test_a_rule_finds_its_mistake_where_it_is(rule: type[Rule]) -> None:
    bad = found(fixture(rule, "bad.yaml"), ours(), regions(rule), **included(rule))

    assert (rule.id, rule.at) in bad
    assert {name for name, _ in bad} == {rule.id}


@every_rule
def test_nothing_is_found_once_it_is_corrected(rule: type[Rule]) -> None:
    good = fixture(rule, "good.yaml")

    assert found(good, ours(), regions(rule), **included(rule)) == []
    matches = found(good, plain(), regions(rule))
    assert [match for match in matches if match[0] not in rule.replaces] == []


@every_rule
def test_plain_cfn_lint_does_not_find_it(rule: type[Rule]) -> None:
    matches = found(fixture(rule, "bad.yaml"), plain(), regions(rule))

    assert [match for match in matches if match[0] not in rule.replaces] == []


@every_rule
def test_the_documented_examples_are_the_fixtures(rule: type[Rule]) -> None:
    for name, text in examples.files(rule).items():
        assert fixture(rule, name).read_text() == text, "python -m tests.rules.examples"


@pytest.mark.parametrize(
    "rule", [r for r in ONE_TEMPLATE if r.needs_targets], ids=lambda rule: rule.id
)
def test_a_rule_that_needs_targets_is_silent_without_a_manifest(
    rule: type[Rule], tmp_path: Path
) -> None:
    alone = tmp_path / "bad.yaml"
    alone.write_text(rule.bad)

    assert found(alone, ours(), regions(rule)) == []


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_templates_are_clean(path: Path) -> None:
    assert found(path, ours(), ["us-east-1", "us-west-2"]) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_no_false_alarm_in_what_is_shipped(path: Path) -> None:
    assert found(path, ours()) == []


def test_every_rule_says_what_breaks_and_where_aws_says_so() -> None:
    for rule in rules.ALL:
        assert rule.id[0] in "EWI" and int(rule.id[1:]) >= 9500, rule
        assert rule.shortdesc and not rule.shortdesc.endswith("."), rule
        assert len(rule.description) > 60 and rule.description.endswith("."), rule
        assert rule.source_url.startswith("https://"), rule
    numbers = [rule.id[1:] for rule in rules.ALL]
    assert len(set(numbers)) == len(numbers)


def cfn_lint(*arguments: str) -> str:
    command = [CFN_LINT, "--append-rules", "tapgen.rules"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_the_pack_runs_under_plain_cfn_lint_and_is_silenced_there() -> None:
    bad = str(examples.FIXTURES / "E9500" / "bad.yaml")

    assert "E9500 'app-role' is created in 111122223333/eu-west-1" in cfn_lint(
        "-t", bad
    )
    assert cfn_lint("--ignore-checks", "E9500", "-t", bad) == ""


TABLE = """\
{top}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    {metadata}
    Properties:
      WebsiteConfiguration: {{IndexDocument: index.html}}
      BucketEncryption:
        ServerSideEncryptionConfiguration:
          - ServerSideEncryptionByDefault: {{SSEAlgorithm: 'aws:kms'}}
"""
SILENCE = (
    "Metadata: {cfn-lint: {config: {ignore_checks: [E9529]}, reasons: {E9529: x}}}"
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"top": "", "metadata": ""}, ["E9529"]),
        ({"top": "", "metadata": SILENCE}, []),
        ({"top": SILENCE, "metadata": ""}, []),
        ({"top": "", "metadata": SILENCE.replace("reasons", "other")}, ["W9563"]),
    ],
)
def test_a_rule_is_silenced_in_metadata_with_a_reason(
    changes: dict[str, str], expected: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "bucket.yaml"
    path.write_text(TABLE.format(**changes))

    assert [rule for rule, _ in found(path, ours())] == expected


def test_a_rule_is_configured_as_cfn_lints_are() -> None:
    bad = examples.FIXTURES / "W9565" / "bad.yaml"
    leave_out = {"W9565": {"except": ["AWS::S3::Bucket"]}}

    assert found(bad, ours(), configure_rules=leave_out) == []
    assert found(bad, ours()) == [("W9565", "Resources/Bucket")]


def test_environments_are_not_taken_for_targets_of_one_stack_set(
    tmp_path: Path,
) -> None:
    (tmp_path / "role.yaml").write_text(rules.ALL[0].bad)
    for name, region in (("manifest", "us-east-1"), ("manifest.dev", "eu-west-1")):
        entry = {"account": "self", "region": region}
        text = f'{{"stack_sets": [{{"template": "role.yaml", "targets": [{entry}]}}]}}'
        (tmp_path / f"{name}.json").write_text(text.replace("'", '"'))

    assert found(tmp_path / "role.yaml", ours()) == []


@pytest.mark.parametrize(
    "manifest",
    ["", "[]", "null", "[" * 5000, '{"stack_sets": 5}', '{"stack_sets": [{}]}'],
)
def test_a_file_that_is_no_manifest_is_passed_over(
    manifest: str, tmp_path: Path
) -> None:
    (tmp_path / "role.yaml").write_text(rules.ALL[0].bad)
    (tmp_path / "manifest.json").write_text(manifest)

    assert found(tmp_path / "role.yaml", ours()) == []


def test_a_template_that_a_macro_may_change_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    bad = TABLE.format(top="Transform: OurOwnMacro", metadata="")
    path.write_text(bad)

    assert found(path, ours()) == []


EDGE = {
    "AcmCertificateArn: !Ref Certificate": """\
  Site:
    Type: AWS::CloudFront::Distribution
    Properties:
      DistributionConfig:
        Enabled: true
        ViewerCertificate:
          AcmCertificateArn: !Ref Certificate
          SslSupportMethod: sni-only
        DefaultCacheBehavior:
          TargetOriginId: site
          ViewerProtocolPolicy: https-only
          CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6
          LambdaFunctionAssociations:
            - EventType: viewer-request
              LambdaFunctionARN: !Ref Version
        Origins:
          - Id: site
            DomainName: origin.example.com
            CustomOriginConfig: {OriginProtocolPolicy: https-only}
""",
    "api": """\
  Domain:
    Type: AWS::ApiGateway::DomainName
    Properties: {DomainName: a.example.com, CertificateArn: !Ref Certificate}
""",
    "cognito": """\
  Login:
    Type: AWS::Cognito::UserPoolDomain
    Properties:
      UserPoolId: us-east-1_abcdefghi
      Domain: login.example.com
      CustomDomainConfig: {CertificateArn: !Ref Certificate}
""",
}


@pytest.mark.parametrize(
    ("body", "times"), [(EDGE[k], n) for k, n in zip(EDGE, (2, 1, 1), strict=True)]
)
def test_what_the_edge_uses_is_created_in_us_east_1(
    body: str, times: int, tmp_path: Path
) -> None:
    for region, expected in (("eu-west-1", times), ("us-east-1", 0)):
        path = tmp_path / "edge.yaml"
        path.write_text(
            "Resources:\n  Certificate:\n    Type: AWS::CertificateManager::Certificate\n"
            "    Properties: {DomainName: example.com}\n"
            "  Version:\n    Type: AWS::Lambda::Version\n"
            "    Properties: {FunctionName: edge}\n" + body
        )
        entry = {"template": path.name, **deployed_to(region)}
        (tmp_path / "manifest.json").write_text(json.dumps({"stack_sets": [entry]}))
        assert [r for r, _ in found(path, ours()) if r == "E9524"] == (
            ["E9524"] * expected
        )


def test_addresses_of_an_accelerator_are_no_data(tmp_path: Path) -> None:
    path = tmp_path / "front.yaml"
    path.write_text(
        "Resources:\n  Front:\n    Type: AWS::GlobalAccelerator::Accelerator\n"
        "    Properties: {Name: front}\n"
    )
    entry = {"template": path.name, **deployed_to("us-west-2")}
    (tmp_path / "manifest.json").write_text(json.dumps({"stack_sets": [entry]}))

    assert found(path, ours(), ["us-west-2"]) == []


STATES = """\
Resources:
  Machine:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      RoleArn: !Sub arn:aws:iam::${{AWS::AccountId}}:role/orders
      {definition}
"""
TASK = (
    '{"StartAt": "A", "States": {"A": {"Type": "Task", "End": true, "Resource":'
    ' "arn:aws:lambda:us-east-1:111122223333:function:pay"}}}'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (STATES.format(definition=f"DefinitionString: '{TASK}'"), ["E9550"]),
        (STATES.format(definition=f"Definition: {TASK}"), ["E9550"]),
        (
            STATES.format(definition=f"DefinitionString: !Sub '{TASK}'").replace(
                "us-east-1", "${AWS::Region}"
            ),
            [],
        ),
        (
            "Resources:\n  Listener:\n"
            "    Type: AWS::ElasticLoadBalancingV2::Listener\n    Properties:\n"
            "      LoadBalancerArn: arn:aws:elasticloadbalancing:us-east-1:111122223333:"
            "loadbalancer/app/front/50dc6c495c0c9188\n"
            "      Port: 80\n      Protocol: HTTP\n      DefaultActions:\n"
            "        - {Type: fixed-response, FixedResponseConfig: {StatusCode: '404'}}\n",
            ["E9507"],
        ),
        (
            "Resources:\n  Pay:\n    Type: AWS::Lambda::Function\n    Properties:\n"
            "      Role: !Sub arn:aws:iam::${AWS::AccountId}:role/pay\n"
            "      PackageType: Image\n      Code:\n        ImageUri:"
            " 111122223333.dkr.ecr.us-east-1.amazonaws.com/pay:1\n",
            ["E9550"],
        ),
    ],
)
def test_what_is_named_in_another_region_is_reported(
    text: str, expected: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(text)
    entry = {"template": path.name, **deployed_to("eu-west-1")}
    (tmp_path / "manifest.json").write_text(json.dumps({"stack_sets": [entry]}))

    assert [rule for rule, _ in found(path, ours(), ["eu-west-1"])] == expected


def test_both_regions_principals_or_accounts_in_one_policy_are_right(
    tmp_path: Path,
) -> None:
    for name, old, new in (
        (
            "E9513",
            "logs.us-east-1.amazonaws.com",
            "[logs.us-east-1.amazonaws.com, logs.eu-west-1.amazonaws.com]",
        ),
        (
            "E9514",
            "'arn:aws:iam::127311923021:root'",
            "['arn:aws:iam::127311923021:root', '156460612806']",
        ),
    ):
        source = examples.FIXTURES / name
        (tmp_path / "bad.yaml").write_text(
            (source / "bad.yaml").read_text().replace(old, new)
        )
        (tmp_path / "manifest.json").write_text((source / "manifest.json").read_text())
        assert found(tmp_path / "bad.yaml", ours(), ["eu-west-1"]) == []
