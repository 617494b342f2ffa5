"""The config file: what a valid one gives, and how every mistake is mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Literal

import pytest
from cfnlint.jsonschema import StandardValidator
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tapgen import config
from tapgen.config import Blueprint, Config
from tapgen.errors import ConfigError
from tapgen.model import (
    PREFERENCES,
    AlarmGate,
    ApprovalGate,
    CommandGate,
    Preferences,
    ProbeGate,
    Strategy,
    System,
    Target,
    VerifyGate,
)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Database(Strict):
    engine_version: str = "17"
    instances: int = Field(default=1, ge=1, le=3, description="How many instances.")


class Settings(Strict):
    profile: Literal["minimal", "ideal"] = "ideal"
    cidr: IPv4Network = IPv4Network("10.0.0.0/16")
    database: Database | None = None
    databases: list[Database] = []
    flow_logs: bool = True
    days: int = 30
    labels: dict[str, str] = {}

    @field_validator("days")
    @classmethod
    def weeks(cls, days: int) -> int:
        if days % 7 and days % 30:
            raise ValueError(f"{days} days; give whole weeks or months")
        return days

    @model_validator(mode="after")
    def together(self) -> Settings:
        if self.profile == "minimal" and self.database:
            raise ValueError("a database needs profile ideal")
        return self


class Needy(Strict):
    team: str = Field(description="Who owns the system.")


def build(_: Config) -> System:
    raise AssertionError("loading a config builds nothing")


NETWORK = Blueprint("secure_network", "sn", ("primary", "dr"), Settings, build)
THREE = Blueprint("three_regions", "tr", ("primary", "dr", "audit"), Settings, build)
NEEDY = Blueprint("needy", "nd", ("primary",), Needy, build)
BLUEPRINTS = {b.name: b for b in (NETWORK, THREE, NEEDY)}

BASE = """\
blueprint: secure_network
suffix: prod
regions: {primary: us-east-1, dr: us-east-2}
"""

Load = Callable[..., Config]
Mistakes = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str | bytes, environment: str | None = None) -> Config:
        path = tmp_path / "payments.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return config.load(path, BLUEPRINTS.get, environment, BLUEPRINTS)

    return load_text


@pytest.fixture
def mistakes(load: Load, tmp_path: Path) -> Mistakes:
    """The problems of a text, without the folder they are in."""

    def problems(text: str | bytes, environment: str | None = None) -> list[str]:
        with pytest.raises(ConfigError) as error:
            load(text, environment)
        assert str(error.value) == "\n".join(error.value.problems)
        return [p.removeprefix(f"{tmp_path}/") for p in error.value.problems]

    return problems


# What a valid file gives


def test_three_lines_are_a_config_and_the_rest_has_defaults(
    load: Load, tmp_path: Path
) -> None:
    found = load(BASE)
    assert found.system == "payments"
    assert found.blueprint == "secure_network"
    assert found.suffix == "prod"
    assert found.regions == {"primary": "us-east-1", "dr": "us-east-2"}
    assert found.accounts == ("self",)
    assert found.admin == Target("self", "us-east-1")
    assert found.settings == Settings()
    assert found.tags == {}
    assert found.account_baseline == "create"
    assert found.rollout.strategy is Strategy.SAFE
    assert found.rollout.preferences == PREFERENCES[Strategy.SAFE]
    assert found.rollout.on_failure == "rollback"
    assert found.environment is None
    assert found.path == tmp_path / "payments.yaml"


def test_everything_can_be_said(load: Load) -> None:
    found = load("""\
# yaml-language-server: $schema=tapgen.schema.json
blueprint: secure_network
suffix: eu1
regions:
  dr: eu-west-1
  primary: eu-central-1
accounts: ["012345678901", self]
permission_model: SELF_MANAGED
admin: {account: "111111111111", region: eu-north-1}
settings:
  profile: ideal
  cidr: 10.1.0.0/16
  database: {engine_version: "16", instances: 2}
  flow_logs: no
tags: {CostCenter: payments, "owner e-mail": a@b.c}
account_baseline: existing
rollout: {strategy: fast, order: [primary, dr], on_failure: stop}
""")
    assert list(found.regions) == ["primary", "dr"]  # the blueprint's order
    assert found.accounts == ("012345678901", "self")
    assert found.admin == Target("111111111111", "eu-north-1")
    assert found.settings == Settings(
        cidr=IPv4Network("10.1.0.0/16"),
        database=Database(engine_version="16", instances=2),
        flow_logs=False,
    )
    assert found.tags == {"CostCenter": "payments", "owner e-mail": "a@b.c"}
    assert found.account_baseline == "existing"
    assert found.rollout.strategy is Strategy.FAST
    assert found.rollout.preferences == PREFERENCES[Strategy.FAST]
    assert found.rollout.order == ("eu-central-1", "eu-west-1")
    assert found.rollout.on_failure == "stop"


@pytest.mark.parametrize(
    ("order", "regions"),
    [
        (None, ["eu-west-1", "eu-west-2", "us-east-1"]),
        ("[]", ["eu-west-1", "eu-west-2", "us-east-1"]),
        ("[audit]", ["eu-west-2", "eu-west-1", "us-east-1"]),
        ("[primary]", ["us-east-1", "eu-west-1", "eu-west-2"]),
        ("[eu-west-2, primary, dr]", ["eu-west-2", "us-east-1", "eu-west-1"]),
    ],
)
def test_the_primary_region_comes_last_unless_the_order_says_otherwise(
    load: Load, order: str | None, regions: list[str]
) -> None:
    text = """\
blueprint: three_regions
suffix: prod
regions: {primary: us-east-1, dr: eu-west-1, audit: eu-west-2}
"""
    if order is not None:
        text += f"rollout: {{order: {order}}}\n"
    assert list(load(text).rollout.order) == regions


@pytest.mark.parametrize(
    ("given", "preferences"),
    [
        ("{}", Preferences()),
        ("{max_concurrent_count: 3}", Preferences(max_concurrent_count=3)),
        (
            "{max_concurrent_percentage: 50, failure_tolerance_percentage: 0}",
            Preferences(
                max_concurrent_count=None,
                max_concurrent_percentage=50,
                failure_tolerance_count=None,
                failure_tolerance_percentage=0,
            ),
        ),
        (
            "{region_concurrency: PARALLEL, concurrency_mode: SOFT_FAILURE_TOLERANCE}",
            Preferences("PARALLEL", "SOFT_FAILURE_TOLERANCE"),
        ),
    ],
)
def test_preferences_of_ones_own_start_from_what_aws_defaults_to(
    load: Load, given: str, preferences: Preferences
) -> None:
    rollout = load(BASE + f"rollout: {{preferences: {given}}}\n").rollout
    assert rollout.preferences == preferences
    assert rollout.strategy is None


@pytest.mark.parametrize("region", ["me-south-1", "ap-southeast-7", "mx-central-1"])
def test_regions_that_have_to_be_enabled_are_regions(load: Load, region: str) -> None:
    assert load(BASE.replace("us-east-2", region)).regions["dr"] == region


def test_gates_are_read_with_their_defaults(load: Load) -> None:
    rollout = load(BASE + """\
rollout:
  patience: 90s
  engine: local
  gates:
    - {alarms: true}
    - {alarms: [errors, "5xx"], bake: 30s, after: wave}
    - {probe: "https://example.com/health"}
    - {probe: "http://localhost:8080/", status: 204, body: ok, under: 500ms}
    - {command: [./test.sh, prod]}
    - {command: [make, "-s", smoke], timeout: 1h, after: network}
    - {approve: true}
    - {approve: true, timeout: 30m}
    - {verify: true}
""").rollout
    assert rollout.patience == 90
    assert rollout.gates == (
        AlarmGate(bake=600),
        AlarmGate(names=("errors", "5xx"), bake=30, after="wave"),
        ProbeGate(url="https://example.com/health"),
        ProbeGate(url="http://localhost:8080/", status=204, body="ok", under=0.5),
        CommandGate(command=("./test.sh", "prod"), timeout=300),
        CommandGate(command=("make", "-s", "smoke"), timeout=3600, after="network"),
        ApprovalGate(timeout=86_400),
        ApprovalGate(timeout=1800),
        VerifyGate(timeout=900),
    )
    assert all(gate.after == "region" for gate in rollout.gates[2:5])


def test_without_gates_a_rollout_waits_ten_minutes_for_aws(load: Load) -> None:
    rollout = load(BASE).rollout
    assert (rollout.gates, rollout.patience) == ((), 600)
    assert rollout.engine == "local"


def test_a_command_cannot_run_in_aws(load: Load) -> None:
    settings = """\
rollout:
  engine: aws
  gates:
    - {approve: true}
    - {command: [./test.sh]}
"""
    with pytest.raises(ConfigError) as caught:
        load(BASE + settings)
    assert "rollout.gates[1].command: a command cannot run in AWS" in str(caught.value)
    assert load(BASE + "rollout: {engine: aws}\n").rollout.engine == "aws"


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_can_be_named(load: Load, strategy: Strategy) -> None:
    rollout = load(BASE + f"rollout: {{strategy: {strategy}}}\n").rollout
    assert rollout.strategy is strategy
    assert rollout.preferences == PREFERENCES[strategy]


def test_every_operation_preference_has_a_key() -> None:
    schema = config.json_schema([])["$defs"]["PreferencesShape"]
    assert set(schema["properties"]) == {f.name for f in fields(Preferences)}


def test_anchors_and_merge_keys_work(load: Load) -> None:
    found = load("""\
blueprint: secure_network
suffix: prod
regions: &regions {primary: us-east-1, dr: us-east-2}
tags: &tags {Team: a}
environments:
  staging:
    suffix: stg
    regions: *regions
    tags: {<<: *tags, Extra: b}
""")
    assert found.tags == {"Team": "a"}


def test_scalars_are_those_of_yaml_1_2(load: Load) -> None:
    found = load(BASE + """\
settings: {labels: {a: no, b: 2024-01-01, c: 12:30:45, d: 1_000, e: "1", f: 0b1}}
""")
    assert isinstance(found.settings, Settings)
    assert found.settings.labels == {
        "a": "no",
        "b": "2024-01-01",
        "c": "12:30:45",
        "d": "1_000",
        "e": "1",
        "f": "0b1",
    }


@pytest.mark.parametrize("text", ["7", "+7", "0x7", "0o7", "007", "7.0", "7e0"])
def test_numbers_are_those_of_yaml_1_2(load: Load, text: str) -> None:
    found = load(BASE + f"settings: {{days: {text}}}\n").settings
    assert isinstance(found, Settings)
    assert found.days == 7


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(load: Load) -> None:
    text = b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode()
    assert load(text).suffix == "prod"


# Environments


STAGING = BASE + """\
accounts: ["111111111111"]
settings: {days: 60, database: {instances: 2}}
rollout: {strategy: fast, on_failure: stop}
tags: {Team: a}
environments:
  staging:
    suffix: stg
    regions: {dr: us-west-2}
    accounts: ["222222222222"]
    settings: {database: {engine_version: "16"}}
    rollout: {preferences: {max_concurrent_count: 2}}
  dev-eu:
    suffix: dev
    regions: {primary: eu-west-1, dr: eu-west-2}
"""


def test_an_environment_merges_mappings_and_replaces_the_rest(load: Load) -> None:
    found = load(STAGING, "staging")
    assert found.environment == "staging"
    assert found.suffix == "stg"
    assert found.regions == {"primary": "us-east-1", "dr": "us-west-2"}
    assert found.accounts == ("222222222222",)
    assert found.settings == Settings(
        days=60, database=Database(engine_version="16", instances=2)
    )
    assert found.tags == {"Team": "a"}


def test_an_environments_preferences_take_back_the_defaults_strategy(
    load: Load,
) -> None:
    rollout = load(STAGING, "staging").rollout
    assert rollout.strategy is None
    assert rollout.preferences == Preferences(max_concurrent_count=2)
    assert rollout.on_failure == "stop"
    assert load(STAGING).rollout.strategy is Strategy.FAST


def test_an_environments_percentage_takes_back_the_defaults_count(load: Load) -> None:
    text = BASE + """\
rollout: {preferences: {max_concurrent_count: 2, failure_tolerance_count: 1}}
environments:
  stg: {suffix: stg, rollout: {preferences: {max_concurrent_percentage: 50}}}
"""
    assert load(text, "stg").rollout.preferences == Preferences(
        max_concurrent_count=None,
        max_concurrent_percentage=50,
        failure_tolerance_count=1,
    )


def test_the_admin_region_follows_the_environments_primary_region(load: Load) -> None:
    assert load(STAGING, "dev-eu").admin.region == "eu-west-1"


def test_the_default_is_untouched_by_environments(load: Load) -> None:
    assert load(STAGING).regions == {"primary": "us-east-1", "dr": "us-east-2"}


def test_environments_are_listed_in_the_files_order(tmp_path: Path) -> None:
    path = tmp_path / "payments.yaml"
    path.write_text(STAGING)
    assert config.environments(path) == ("staging", "dev-eu")
    path.write_text(BASE)
    assert config.environments(path) == ()


def test_listing_environments_tells_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "payments.yaml"
    path.write_text("environments: [a]\n")
    with pytest.raises(ConfigError, match="environments: a list is not a mapping"):
        config.environments(path)


def test_an_unknown_environment_is_reported_with_those_there_are(
    mistakes: Mistakes,
) -> None:
    assert mistakes(STAGING, "stagin") == [
        "payments.yaml:8: environments: 'stagin' is not an environment of this file; it "
        "has staging, dev-eu; did you mean 'staging'?"
    ]
    assert mistakes(BASE, "staging") == [
        "payments.yaml:1: environments: 'staging' is not an environment of this file; it "
        "has none"
    ]


def test_mistakes_of_every_environment_are_reported_at_their_own_lines(
    mistakes: Mistakes,
) -> None:
    text = STAGING.replace("us-west-2", "us-wset-2").replace(
        "suffix: dev", "sufix: dev"
    )
    for environment in (None, "staging"):
        assert mistakes(text, environment) == [
            "payments.yaml:11: environments.staging.regions.dr: 'us-wset-2' is not an "
            "AWS region; give one such as us-east-1; did you mean 'us-west-2'?",
            "payments.yaml:15: environments.dev-eu.suffix: 'prod' is already the suffix of the "
            "default, and both would have the same stack sets; give this environment "
            "another suffix",
            "payments.yaml:16: environments.dev-eu.sufix: unknown key; allowed: "
            "account_baseline, account_filter, accounts, admin, allow_drill, auto_deployment, "
            "blueprint, cost, goals, organizational_units, pass_roles, permission_model, permissions, "
            "regions, rollout, settings, stack_sets, suffix, tags; did you mean 'suffix'?",
        ]


def test_a_mistake_of_the_default_is_reported_once(mistakes: Mistakes) -> None:
    text = STAGING.replace("prod", "Prod").replace("days: 60", "days: 61, extra: 1")
    text = text.replace(", dr: us-east-2", "")
    assert [problem.split(": ")[1] for problem in mistakes(text)] == [
        "suffix",
        "regions.dr",
        "settings.days",
        "settings.extra",
    ]


def test_what_is_wrong_with_the_default_only_in_an_environment_says_so(
    mistakes: Mistakes,
) -> None:
    text = BASE + """\
rollout: {order: [us-east-2, primary]}
environments:
  staging: {suffix: stg, regions: {dr: us-west-2}}
"""
    assert mistakes(text) == [
        "payments.yaml:4: rollout.order[0]: 'us-east-2' is neither a region role nor a region "
        "of this system; give primary, dr, us-east-1 or us-west-2; did you mean "
        "'us-west-2'? (in environment staging)"
    ]


def test_two_environments_never_share_a_suffix_in_one_account(
    mistakes: Mistakes, load: Load
) -> None:
    text = BASE + "environments:\n  a: {suffix: x}\n  b: {suffix: x}\n"
    assert mistakes(text) == [
        "payments.yaml:6: environments.b.suffix: 'x' is already the suffix of environment a, "
        "and both would have the same stack sets; give this environment another suffix"
    ]
    apart = text.replace("b: {", 'b: {admin: {account: "111111111111"}, ')
    assert load(apart, "b").suffix == "x"


@pytest.mark.parametrize(
    ("environments", "problem"),
    [
        (
            "{Staging: {suffix: s}}",
            "environments.Staging: 'Staging' is not a valid environment name",
        ),
        ("{a: [1]}", "environments.a: a list is not a mapping"),
        ("{a: }", "environments.a: nothing is not a mapping"),
        ("{a: {suffix: s, environments: {}}}", "environments.a.environments: unknown"),
        (
            "{a: {suffix: s, regions: x}}",
            "environments.a.regions: 'x' is not a mapping",
        ),
        (
            "{%s}" % ", ".join(f"e{i}: {{suffix: s{i}}}" for i in range(51)),
            "environments: 51 environments; give at most 50",
        ),
    ],
)
def test_environments_have_names_and_are_mappings(
    mistakes: Mistakes, environments: str, problem: str
) -> None:
    problems = mistakes(BASE + f"environments: {environments}\n")
    assert [p for p in problems if p.startswith(f"payments.yaml:4: {problem}")]


# Files that hold no config


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", ":1: the file is empty; give at least blueprint, suffix and regions"),
        (b"# nothing\n---\n", ":1: the file is empty; give at least"),
        (b"~\n", ":1: the file is empty; give at least"),
        (b"\n- a\n- b\n", ":2: a list is not a mapping; write keys and values"),
        (b"hello\n", ":1: 'hello' is not a mapping"),
        (b"a: 1\nb: caf\xe9\n", ":2: not UTF-8: byte 0xe9 at offset 11; save the file"),
        ("a: 1".encode("utf-16"), ":1: not UTF-8: byte 0xff at offset 0"),
        (b"a: 1\nb: \x07\n", ":2: column 4: character U+0007 is not allowed in YAML"),
        (b"a: 1\nb:\n\tc: 2\n", ":3: column 1: a tab in the indentation; indent with"),
        (
            b"a: 1\nb: c: d\n",
            ":2: column 5: mapping values are not allowed here; quote",
        ),
        (b"a: 1\nb 2\nc: 3\n", ":2: column 1: no colon behind a key; write KEY:"),
        (b"a: [1\nb: 2\n", ":2: column 2: while parsing a flow sequence: expected ','"),
        (b"a: 'x\n", ":2: column 1: found unexpected end of stream"),
        (b"a: *x\n", ":1: the alias *x has no anchor; define &x before it"),
        (b"a: &x [*x]\n", ":1: the alias *x has no anchor; define &x before it"),
        (b"a: 1\n---\nb: 2\n", ":2: a second YAML document; keep one system per file"),
        (b'a: "\\UFFFFFFFF"\n', ":1: not valid YAML: "),
        (b"a: " + b"x" * 1_000_000, ": larger than 1,000,000 bytes; split it"),
    ],
)
def test_a_file_that_holds_no_config_is_refused(
    mistakes: Mistakes, content: bytes, problem: str
) -> None:
    found = mistakes(content)
    assert len(found) == 1
    assert found[0].startswith(f"payments.yaml{problem}")


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as error:
        config.load(path, BLUEPRINTS.get)
    return error.value.problems


def test_a_missing_file_is_reported_with_the_systems_beside_it(tmp_path: Path) -> None:
    for name in ("secure_network", "serverless_api"):
        (tmp_path / f"{name}.yaml").write_text(BASE)
    (tmp_path / "notes.txt").write_text("")
    path = tmp_path / "secure_networks.yaml"
    assert problems_of(path) == (
        f"{path}: no such file; systems in {tmp_path}: secure_network, serverless_api; "
        "did you mean 'secure_network'?",
    )


def test_a_missing_folder_and_an_empty_one_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "stacksets" / "x.yaml"
    assert problems_of(path) == (
        f"{path}: no such file; there is no folder {path.parent}",
    )
    path.parent.mkdir()
    assert problems_of(path) == (f"{path}: no such file; no systems in {path.parent}",)


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BASE)
    folder = tmp_path / "folder"
    folder.mkdir()
    assert problems_of(folder)[0].startswith(f"{folder}: this is a folder; give a YAML")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert problems_of(pipe) == (
        f"{pipe}: this is not a regular file; give a YAML file; systems in {tmp_path}: a",
    )


def test_a_file_that_cannot_be_read_is_reported_with_the_reason(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    assert problems_of(loop) == (
        f"{loop}: cannot be read: too many levels of symbolic links; check the path and "
        "its permissions",
    )


@pytest.mark.parametrize("stem", ["Payments", "1a", "a-b", "a.b", "_a", "a" * 41])
def test_the_file_name_is_the_systems_name_and_is_held_to_it(
    tmp_path: Path, stem: str
) -> None:
    path = tmp_path / f"{stem}.yaml"
    path.write_text(BASE)
    assert problems_of(path) == (
        f"{path}: the file name {stem!r} is not a valid system name; use at most 40 "
        "lower-case letters, digits and underscores, starting with a letter",
    )


TEMPLATES = {
    "short forms": "Resources:\n  T: {Type: AWS::SNS::Topic, X: !Sub 'a-${B}'}\n",
    "version": "AWSTemplateFormatVersion: 2010-09-09\nResourcs: {}\n",
    "sam": "Description: x\nTransform: AWS::Serverless-2016-10-31\n",
    "json": '{"Description": "x", "Resources": {"T": {"Type": "AWS::SNS::Topic"}}}',
    "json with tabs": '{\n\t"Resources": {\n\t\t"T": {}\n\t}\n}\n',
    "json on one long line": f'{{"Resources": {{"T": {{"a": "{"x" * 200_000}"}}}}}}',
    "flow mapping": "{Resources: {T: {Type: AWS::SNS::Topic}}}",
    "too deep for a config": f"Resources: {{T: {'{a: ' * 40}1{'}' * 41}\n",
    "twice": "Resources: {T: 1}\nResources: {T: 2}\n",
    "broken below": "Resources:\n  T: [1\n",
    "a byte order mark": "\ufeffResources:\n  T: !Ref A\n",
}


@pytest.mark.parametrize("text", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("stem", ["topic", "My-Topic.2024"])
def test_a_template_is_reported_once_with_where_it_belongs(
    tmp_path: Path, stem: str, text: str
) -> None:
    path = tmp_path / f"{stem}.yaml"
    path.write_text(text)
    name = "topic" if stem == "topic" else "my-topic"
    (found,) = problems_of(path)
    assert found.startswith(f"{path}: this is a CloudFormation template, not a config;")
    assert f"such as {tmp_path}/templates/. To roll it out" in found
    assert f"stack_sets: {{{name}: {{template: templates/{path.name}}}}}" in found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BASE + "Resources: {}\n", "payments.yaml:4: Resources: unknown key"),
        ("suffix: x\nextra: {Resources: {}}\n", "payments.yaml:2: extra: unknown key"),
        ("- Resources\n", "payments.yaml:1: a list is not a mapping"),
        ("a: [Resources: 1]\n", "payments.yaml:1: a: unknown key"),
    ],
)
def test_what_only_has_the_word_is_no_template(
    mistakes: Mistakes, text: str, problem: str
) -> None:
    assert any(found.startswith(problem) for found in mistakes(text)), mistakes(text)


# Hostile files


def test_aliases_that_multiply_are_refused_in_no_time(mistakes: Mistakes) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for i in range(1, 30):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]")
    (problem,) = mistakes("\n".join(lines))  # written out they would fill the memory
    assert "more than 50,000 values, counting those that aliases repeat" in problem


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused(mistakes: Mistakes, opening: str) -> None:
    (problem,) = mistakes("a:\n  " + opening * 5_000)
    assert problem == "payments.yaml:2: nested more than 32 levels deep; flatten it"


def test_a_line_that_would_take_minutes_to_scan_is_refused(mistakes: Mistakes) -> None:
    assert mistakes(BASE + "tags: !" + "a" * 900_000) == [
        "payments.yaml:4: longer than 100,000 characters; break the line"
    ]


def test_merge_keys_cannot_multiply_either(mistakes: Mistakes) -> None:
    lines = ["a0: &a0 {%s}" % ", ".join(f"k{i}: x" for i in range(1000))]
    lines += [f"b{i}: {{<<: *a0}}" for i in range(100)]
    (problem,) = mistakes("\n".join(lines))
    assert "more than 50,000 values" in problem


def test_of_a_thousand_problems_a_hundred_are_reported(mistakes: Mistakes) -> None:
    problems = mistakes(BASE + "".join(f"key{i}: x\n" for i in range(1000)))
    assert len(problems) == 101
    assert problems[0].startswith("payments.yaml:4: key0: unknown key")
    assert problems[-1] == "payments.yaml: and 900 more problems"


# Mistakes in the values: each is mistakes at its line and key, with a cure


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        # keys
        (
            "acounts: [self]",
            "acounts: unknown key; allowed: account_baseline, account_filter, ",
        ),
        ("acounts: [self]", "; did you mean 'accounts'?"),
        ("suffix: other", "suffix: given twice, first on line 2; keep one"),
        ("tags: {1: x}", 'tags: the key 1 is not text; quote it: "1"'),
        ("tags: {[a]: x}", "tags: a list cannot be a key; give text"),
        ("tags: {a: !Ref x}", "tags.a: the tag '!Ref' is not allowed; remove it"),
        ('tags: {a: "\\ud800"}', "tags.a: half of a surrogate pair is not a character"),
        ("tags: {<<: 3}", "tags.<<: 3 is not a mapping; merge a mapping, or a list"),
        # later versions
        ("stack_sets: {}", "stack_sets: only the blueprint custom has stack_sets"),
        # AWS Organizations
        ("organizational_units: [a]", "only the blueprint custom deploys through"),
        (
            "auto_deployment: {enabled: true}",
            "only the blueprint custom deploys through",
        ),
        (
            "permission_model: SERVICE_MANAGED",
            "only the blueprint custom deploys through",
        ),
        ("permission_model: self_managed", "; did you mean 'SELF_MANAGED'?"),
        # gates
        ("rollout: {gates: {approve: true}}", "rollout.gates: a mapping is not a list"),
        (
            "rollout: {gates: [approve]}",
            "gates[0]: 'approve' is not a mapping; give keys",
        ),
        (
            "rollout: {gates: [{}]}",
            "rollout.gates[0]: a gate has exactly one of alarms, probe, command, "
            "approve or verify; this one has none of them",
        ),
        (
            "rollout: {gates: [{alarms: true, approve: true}]}",
            "rollout.gates[0]: a gate has exactly one of alarms, probe, command, "
            "approve or verify; this one has alarms and approve; write one gate for each",
        ),
        (
            "rollout: {gates: [{approve: true, bake: 5m}]}",
            "rollout.gates[0].bake: belongs to alarms, not to approve; remove it",
        ),
        (
            "rollout: {gates: [{alarms: true, timeout: 5m}]}",
            "gates[0].timeout: belongs to command, approve or verify, not to alarms",
        ),
        ("rollout: {gates: [{aproove: true}]}", "; did you mean 'approve'?"),
        ("rollout: {gates: [{alarms: false}]}", "alarms: false does not name alarms"),
        ("rollout: {gates: [{alarms: []}]}", "alarms: a list does not name alarms"),
        ("rollout: {gates: [{alarms: errors}]}", "'errors' does not name alarms; give"),
        ("rollout: {gates: [{alarms: [1]}]}", "alarms: a list does not name alarms"),
        (
            "rollout: {gates: [{alarms: true, bake: 10}]}",
            "gates[0].bake: 10 is not text; give a whole number with ms, s, m or h",
        ),
        (
            "rollout: {gates: [{alarms: true, bake: 10 min}]}",
            "bake: '10 min' is not a duration; give a whole number with ms, s, m or h",
        ),
        ("rollout: {gates: [{alarms: true, bake: 0m}]}", "'0m' is out of range"),
        ("rollout: {gates: [{alarms: true, bake: 999h}]}", "'999h' is out of range"),
        (
            "rollout: {gates: [{approve: false}]}",
            "approve: false is not true; give true",
        ),
        (
            "rollout: {gates: [{verify: all}]}",
            "verify: 'all' is not true; give true",
        ),
        (
            "rollout: {gates: [{probe: example.com}]}",
            "'example.com' is not a URL; give",
        ),
        ("rollout: {gates: [{probe: ''}]}", "probe: '' is not a URL; give one"),
        ("rollout: {gates: [{probe: 'file:///etc/passwd'}]}", "is not a URL; give one"),
        ("rollout: {gates: [{probe: 'http://[x'}]}", "is not a URL; give one"),
        ("rollout: {gates: [{probe: 'http://a:99999/'}]}", "is not a URL; give one"),
        (
            "rollout: {gates: [{probe: 'https://u:secret@a.example/'}]}",
            "probe: the URL contains a user name or password, which would be stored",
        ),
        (
            "rollout: {gates: [{probe: 'https://a.example', status: 99}]}",
            "status: 99 is too small; give at least 100",
        ),
        (
            "rollout: {gates: [{command: ./test.sh}]}",
            "command: './test.sh' is not a list; write it as a list: [./test.sh]",
        ),
        ("rollout: {gates: [{command: []}]}", "command: a list has 0 entries; give at"),
        (
            "rollout: {gates: [{approve: true, after: Net work}]}",
            "after: 'Net work' is not a place in a rollout; give wave, region, or the",
        ),
        ("rollout: {patience: long}", "rollout.patience: 'long' is not a duration"),
        # accounts
        (
            "accounts: [012345678901]",
            'accounts[0]: 012345678901 is not text; quote it: "012345678901"',
        ),
        ("accounts: [0o1234]", 'accounts[0]: 0o1234 is not text; quote it: "0o1234"'),
        ("accounts: [1e11]", 'accounts[0]: 1e11 is not text; quote it: "1e11"'),
        (
            'accounts: ["1234"]',
            "accounts[0]: '1234' is not an account id; give 12 digits in quotes, or self",
        ),
        ('accounts: ["١٢٣٤٥٦٧٨٩٠١٢"]', "is not an account id; give 12 digits"),
        (
            'accounts: ["111111111111", self, "111111111111"]',
            "accounts[2]: '111111111111' is listed twice, first on line 4; keep one",
        ),
        ("accounts: [self, self]", "accounts[1]: 'self' is listed twice"),
        ("accounts: []", "accounts: a list has 0 entries; give at least 1"),
        (
            'accounts: "111111111111"',
            "accounts: '111111111111' is not a list; write it as a list: "
            '["111111111111"]',
        ),
        (
            "accounts: 111111111111",
            "accounts: 111111111111 is not a list; write it as a list: "
            '["111111111111"]',
        ),
        ("accounts: self", "'self' is not a list; write it as a list: [self]"),
        ("accounts:", "accounts: nothing is not a list; give a list"),
        # admin
        (
            "admin: {account: 111111111111}",
            "admin.account: 111111111111 is not text; quo",
        ),
        (
            "admin: {region: us-east-9}",
            "admin.region: 'us-east-9' is not an AWS region",
        ),
        (
            "admin: {acount: self}",
            "admin.acount: unknown key; allowed: account, call_as, callers, region; d",
        ),
        ("admin: self", "admin: 'self' is not a mapping; give keys and values"),
        (
            "admin: {region: us-gov-west-1}",
            "admin.region: 'us-gov-west-1' and 'us-east-1' are in different AWS partitions",
        ),
        # settings
        (
            "settings: {profil: x}",
            "settings.profil: unknown key; allowed: cidr, database",
        ),
        ("settings: {profil: x}", "; did you mean 'profile'?"),
        (
            "settings: {profile: idel}",
            "settings.profile: 'idel' is not allowed; give minimal or ideal; did you mean "
            "'ideal'?",
        ),
        ("settings: {cidr: 10.0.0.0/40}", "'10.0.0.0/40' is not a valid IPv4 network"),
        (
            "settings: {database: {engine_version: 17}}",
            'settings.database.engine_version: 17 is not text; quote it: "17"',
        ),
        (
            "settings: {database: {instances: 9}}",
            "settings.database.instances: 9 is too large; give at most 3",
        ),
        (
            "settings: {databases: [{}, {instances: 0}]}",
            "settings.databases[1].instances: 0 is too small; give at least 1",
        ),
        (
            "settings: {databases: [{instance: 1}]}",
            "settings.databases[0].instance: unknown key; allowed: engine_version, "
            "instances; did you mean 'instances'?",
        ),
        (
            "settings: {days: many}",
            "settings.days: 'many' is not a whole number; give a whole number",
        ),
        ("settings: {days: .inf}", "settings.days: .inf is not a finite number"),
        ("settings: {days: 1.5}", "settings.days: 1.5 is not a whole number"),
        ("settings: {days: 31}", "settings.days: 31 days; give whole weeks or months"),
        (
            "settings: {profile: minimal, database: {}}",
            "settings: a database needs profile ideal",
        ),
        (
            "settings: {flow_logs: maybe}",
            "settings.flow_logs: 'maybe' is not true or f",
        ),
        (
            "settings: {database: 3}",
            "settings.database: 3 is not a mapping; give keys",
        ),
        ("settings: [a]", "settings: a list is not a mapping"),
        (
            "settings:",
            "settings: nothing is not a mapping; give keys and values, or r",
        ),
        # tags
        ("tags: {aws:x: y}", "tags.aws:x: 'aws:x' starts with aws:, which is reserved"),
        ("tags: {AWS:x: y}", "tags.AWS:x: 'AWS:x' starts with aws:, which is reserved"),
        (
            "tags: {tapgen:part: y}",
            "starts with tapgen:, which is reserved; give another",
        ),
        ("tags: {Cost: 12}", 'tags.Cost: 12 is not text; quote it: "12"'),
        ("tags: {Cost: yes, cost: no}", "tags: 'Cost' and 'cost' differ only in case"),
        (
            "tags: {Cost: 'a|b'}",
            "tags.Cost: 'a|b' contains characters that tags cannot have",
        ),
        ('tags: {"": b}', "tags.'': a tag key of 0 characters; give 1 to 128"),
        (f"tags: {{{'k' * 129}: b}}", ": a tag key of 129 characters; give 1 to"),
        (f"tags: {{k: {'v' * 257}}}", "tags.k: a tag value of 257 characters; give"),
        (
            "tags: {%s}" % ", ".join(f"k{i}: v" for i in range(45)),
            "tags: 45 tags; give at most 44: AWS allows 50, and tapgen adds 6",
        ),
        # the rest
        (
            "account_baseline: exists",
            "account_baseline: 'exists' is not allowed; give create or existing; did you m",
        ),
        (
            "rollout: {strategy: sfae}",
            "'sfae' is not allowed; give safe, balanced or fast; d",
        ),
        ("rollout: {strategy: sfae}", "; did you mean 'safe'?"),
        (
            "rollout: {on_failure: retry}",
            "'retry' is not allowed; give rollback or stop",
        ),
        (
            "rollout: {permissions_boundary: off}",
            "rollout.permissions_boundary: the roles of the blueprint secure_network are always",
        ),
        (
            "admin: {callers: [deploy]}",
            "'deploy' is not a role or user of the administration account; give one such",
        ),
        (
            "admin: {callers: [role/*]}",
            "admin.callers[0]: 'role/*' is every role or user",
        ),
        (
            "rollout: {order: dr}",
            "rollout.order: 'dr' is not a list; write it as a list",
        ),
        (
            "rollout: {order: [dr, primry]}",
            "rollout.order[1]: 'primry' is neither a region role nor a region of this system; "
            "give primary, dr, us-east-1 or us-east-2; did you mean 'primary'?",
        ),
        (
            "rollout: {order: [eu-west-1]}",
            "rollout.order[0]: 'eu-west-1' is neither a region",
        ),
        (
            "rollout: {order: [dr, us-east-2]}",
            "rollout.order[1]: 'us-east-2' is listed twice",
        ),
        (
            "rollout: {strategy: safe, preferences: {}}",
            "rollout.preferences: cannot be combined with strategy; keep one of the two",
        ),
        (
            "rollout: {preferences: {region_concurrency: parallel}}",
            "rollout.preferences.region_concurrency: 'parallel' is not allowed; give "
            "SEQUENTIAL or PARALLEL; did you mean 'PARALLEL'?",
        ),
        (
            "rollout: {preferences: {max_concurrent_count: 0}}",
            "rollout.preferences.max_concurrent_count: 0 is too small; give at least 1",
        ),
        (
            "rollout: {preferences: {failure_tolerance_percentage: 101}}",
            "failure_tolerance_percentage: 101 is too large; give at most 100",
        ),
        (
            'rollout: {preferences: {max_concurrent_count: "2"}}',
            "'2' is not a whole number; give a whole number without quotes",
        ),
        (
            "rollout: {preferences: {max_concurrent_count: 1, "
            "max_concurrent_percentage: 9}}",
            "max_concurrent_percentage: cannot be combined with max_concurrent_count; keep",
        ),
        (
            "rollout: {preferences: {failure_tolerance_count: 1, "
            "failure_tolerance_percentage: 9}}",
            "cannot be combined with failure_tolerance_count; keep one of the two",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_key_the_value_and_a_cure(
    mistakes: Mistakes, line: str, problem: str
) -> None:
    (found,) = mistakes(BASE + line + "\n")
    assert found.startswith("payments.yaml:4: ")
    assert problem in found


@pytest.mark.parametrize(
    ("was", "becomes", "problem"),
    [
        (
            "secure_network",
            "secure-netwrok",
            "1: blueprint: 'secure-netwrok' is not a blueprint; give needy, secure_network "
            "or three_regions; did you mean 'secure_network'?",
        ),
        ("secure_network", "[a]", "1: blueprint: a list is not text; give text"),
        (
            "prod",
            "Prod",
            "2: suffix: 'Prod' is not a valid suffix; give at most 12 lower-ca",
        ),
        ("prod", "a--b", "2: suffix: 'a--b' is not a valid suffix"),
        ("prod", "prod-", "2: suffix: 'prod-' is not a valid suffix"),
        ("prod", "1a", "2: suffix: '1a' is not a valid suffix"),
        ("prod", '"a\\n"', "2: suffix: 'a\\n' is not a valid suffix"),
        ("prod", '""', "2: suffix: '' is not a valid suffix"),
        (
            "prod",
            "abcdefghijklm",
            "2: suffix: 'abcdefghijklm' has 13 characters; give at mo",
        ),
        ("prod", "5", '2: suffix: 5 is not text; quote it: "5"'),
        (
            "suffix: prod\n",
            "",
            "1: suffix: missing; give it a value (part of every resource name; at most 12 lowe",
        ),
        (
            "us-east-2",
            "us-east-1",
            "3: regions.dr: 'us-east-1' is already the region of primary; give another one",
        ),
        (
            "us-east-2",
            "us-esat-2",
            "3: regions.dr: 'us-esat-2' is not an AWS region; give one such as "
            "us-east-1; did you mean 'us-east-2'?",
        ),
        ("us-east-2", "us-east-2a", "; did you mean 'us-east-2'?"),
        (
            "us-east-2",
            "cn-north-1",
            "'cn-north-1' and 'us-east-1' are in different AWS part",
        ),
        ("us-east-2", "2", '3: regions.dr: 2 is not text; quote it: "2"'),
        (
            ", dr: us-east-2",
            "",
            "3: regions.dr: missing; give it a region; region roles of secure_network: ",
        ),
        (
            "us-east-2}",
            "us-east-2, pirmary: eu-west-1}",
            "3: regions.pirmary: unknown region role; region roles of secure_network: "
            "primary, dr; did you mean 'primary'?",
        ),
        (
            "{primary: us-east-1, dr: us-east-2}",
            "[a]",
            "3: regions: a list is not a ma",
        ),
    ],
)
def test_a_mistake_in_what_every_file_has_is_reported(
    mistakes: Mistakes, was: str, becomes: str, problem: str
) -> None:
    (found,) = mistakes(BASE.replace(was, becomes))
    assert problem in found


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_lines(
    mistakes: Mistakes,
) -> None:
    found = mistakes("""\
rollout:
  order: [dr, dr]
  strategy: none
regions:
  primary: mars-1
  dr: us-east-2
suffix: TOO LONG FOR THIS
tags: {a: 1}
tags: {b: c}
blueprint: needyy
unknown: 1
accounts: [1, "2"]
""")
    assert [problem.split(": ")[0] for problem in found] == [
        f"payments.yaml:{line}" for line in (2, 3, 5, 7, 8, 9, 10, 11, 12, 12)
    ]


def test_what_settings_need_is_reported_with_what_it_is_for(mistakes: Mistakes) -> None:
    text = "blueprint: needy\nsuffix: prod\nregions: {primary: us-east-1}\n"
    missing = "missing; give it a value (who owns the system)"
    assert mistakes(text) == [f"payments.yaml:1: settings.team: {missing}"]
    assert mistakes(text + "settings: {}\n") == [
        f"payments.yaml:4: settings.team: {missing}"
    ]
    assert mistakes(text + "environments: {a: {suffix: b}}\n") == [
        f"payments.yaml:1: settings.team: {missing}"
    ]


def test_a_message_stays_on_one_line_whatever_the_file_says(mistakes: Mistakes) -> None:
    for problem in mistakes(BASE + '"a\\nb": 1\nsettings: {"x\\ty.z": 1}\n'):
        assert problem.isprintable()


# The JSON Schema


def complaints(data: Mapping[str, Any]) -> list[str]:
    schema = config.json_schema(BLUEPRINTS.values())
    return [e.message for e in StandardValidator(schema=schema).iter_errors(data)]


VALID: dict[str, Any] = {
    "blueprint": "secure_network",
    "suffix": "prod",
    "regions": {"primary": "us-east-1", "dr": "us-east-2"},
    "accounts": ["self", "111111111111"],
    "admin": {"account": "111111111111"},
    "settings": {"database": {"instances": 2}},
    "tags": {"Team": "a"},
    "rollout": {"strategy": "fast", "order": ["dr"]},
    "environments": {
        "staging": {"suffix": "stg", "settings": {"database": {"engine_version": "16"}}}
    },
}


def test_the_schema_takes_what_load_takes(load: Load) -> None:
    assert complaints(VALID) == []
    assert load(json.dumps(VALID), "staging").suffix == "stg"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"blueprint": "other"}, "is not valid under any"),
        ({"suffix": "Prod"}, "does not match"),
        ({"regions": {"primary": "us-east-1"}}, "'dr' is a required property"),
        ({"regions": {"primary": "us-east-1", "dr": "x"}}, "'x' is not one of"),
        ({"accounts": [1]}, "is not of type 'string'"),
        ({"settings": {"days": "x"}}, "is not of type 'integer'"),
        ({"tags": {"aws:x": "y"}}, "should not be valid"),
        ({"rollout": {"gates": [{"bake": "5m"}]}}, "is not valid under any"),
        ({"rollout": {"gates": [{"approve": False}]}}, "True was expected"),
        ({"rollout": {"gates": [{"alarms": True, "bake": "x"}]}}, "does not match"),
        ({"foo": 1}, "'foo' was unexpected"),
        ({"environments": {"Bad": {}}}, "does not match"),
        (
            {"environments": {"a": {"regions": {"x": "us-east-1"}}}},
            "'x' was unexpected",
        ),
        ({"environments": {"a": {"settings": {"x": 1}}}}, "'x' was unexpected"),
        ({"blueprint": "needy", "regions": {"primary": "us-east-1"}}, "was unexpected"),
    ],
)
def test_the_schema_refuses_what_load_refuses(
    load: Load, change: Mapping[str, Any], complaint: str
) -> None:
    data = {**VALID, **change}
    assert [c for c in complaints(data) if complaint in c]
    with pytest.raises(ConfigError):
        load(json.dumps(data))


def test_an_overlay_need_not_repeat_what_settings_require() -> None:
    data = {
        "blueprint": "needy",
        "suffix": "prod",
        "regions": {"primary": "us-east-1"},
        "settings": {"team": "a"},
        "environments": {"staging": {"suffix": "stg", "settings": {}}},
    }
    assert complaints(data) == []
    del data["settings"]
    assert complaints(data) == ["'settings' is a required property"]


def test_every_key_of_the_schema_is_explained_with_an_example() -> None:
    schema = config.json_schema(BLUEPRINTS.values())
    # Definitions of a blueprint's settings are its own, under `<blueprint>.`.
    ours = [d for name, d in schema["$defs"].items() if name.endswith("Shape")]
    assert len(ours) == 14
    for owner in (schema, *ours):
        for key, said in owner["properties"].items():
            assert said["title"] and said["description"], key
            assert {"examples", "enum", "default"} & said.keys(), key


def test_the_schema_is_the_same_whatever_the_order_of_blueprints() -> None:
    one = json.dumps(config.json_schema([NETWORK, THREE]))
    assert one == json.dumps(config.json_schema([THREE, NETWORK]))
    assert '"$schema": "https://json-schema.org/draft/2020-12/schema"' in one


def test_a_schema_without_blueprints_is_one_still() -> None:
    schema = config.json_schema([])
    assert "allOf" not in schema
    assert "enum" not in schema["properties"]["blueprint"]


def test_importing_config_loads_nothing_heavy() -> None:
    heavy = {"boto3", "botocore", "troposphere", "awacs", "cfnlint", "rich", "click"}
    code = "import sys, tapgen.config; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not heavy & set(loaded)
