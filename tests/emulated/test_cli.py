"""The command line from end to end: whole processes, files, exit codes, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import boto3
import pytest

from tapgen.emulator.server import lifecycle
from tests.emulated import forks
from tests.emulated.conftest import share_lint_results

TAPGEN = [sys.executable, "-m", "tapgen"]
MINIMAL = """\
blueprint: secure_network
suffix: test
regions: {primary: us-east-1, dr: us-west-2}
settings:
  profile: minimal
  vpc_cidr: 10.20.0.0/16
  allowed_cidr: 203.0.113.0/24
"""
STACK_SETS = 7  # of the minimal profile, each with one instance


def _heed_ctrl_c() -> None:
    """A process that a shell began in the background ignores SIGINT, and so would its
    children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Shell:
    """A project folder, and tapgen run in it as a user would."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """A user's environment without AWS settings."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        for name in ("TAPGEN_LOCAL", "CI", "NO_COLOR", "FORCE_COLOR"):
            environment.pop(name, None)
        nowhere = str(self.folder / "no-such-file")
        return environment | {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_NEW_RETRIES_2026": "true",  # as in forks: see tests/conftest.py
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "PYTHONWARNINGS": "error",
        }

    def start(
        self, *arguments: str, command: Sequence[str] = TAPGEN, **environment: str
    ) -> subprocess.Popen[str]:
        if arguments[0] == "rollout" and "--yes" in arguments:
            share_lint_results(self.folder)
        return subprocess.Popen(
            [*command, *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_ctrl_c,
        )

    def run(
        self, *arguments: str, expect: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        command = [str(forks.script())]
        process = self.start(*arguments, command=command, **environment)
        out, err = process.communicate(timeout=600)
        assert process.returncode == expect, f"{arguments}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(arguments, expect, out, err)

    def config(self, text: str, name: str = "secure_network") -> Path:
        path = self.folder / "stacksets" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    @property
    def url(self) -> str:
        port = lifecycle.recorded(self.folder / ".tapgen")["port"]
        return f"http://{lifecycle.HOST}:{port}"

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id="000000000000",
            aws_secret_access_key="local",
        )


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A minimal system, rolled out with a gate that verifies it; tests with it leave it as
    they find it."""
    shell = Shell(tmp_path_factory.mktemp("rolled"))
    shell.config(f"{MINIMAL}rollout: {{gates: [{{verify: true}}]}}\n")
    said = shell.run("rollout", "--local", "--yes").stderr
    assert re.search("verified within 15m: .* as they should be", said)
    shell.config(MINIMAL)
    yield shell
    shell.run("local", "stop")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """An empty project folder."""
    shell = Shell(tmp_path)
    yield shell
    if (tmp_path / ".tapgen").exists():
        shell.run("local", "stop")


def test_a_change_is_planned_and_rolled_out_where_it_is(rolled: Shell) -> None:
    assert "no changes" in rolled.run("plan", "secure_network", "--local").stdout

    rolled.config(MINIMAL.replace("203.0.113.0/24", "198.51.100.0/24"))
    named = ("plan", "secure_network", "--local")
    plan = json.loads(rolled.run(*named, "--output", "json", expect=2).stdout)
    assert {step["part"] for wave in plan["waves"] for step in wave} == {"network"}
    done = rolled.run("rollout", "secure_network", "--local", "--yes", "--timings")
    assert "✓ done" in done.stdout
    assert re.search(r"\d s  rollout", done.stderr)
    shown = rolled.run("status", "secure_network", "--local", "--output", "json")
    status = json.loads(shown.stdout)
    found = [i for s in status["stack_sets"] for i in s["instances"]]
    assert {i["status"] for i in found} == {"CURRENT"}
    assert {i["region"] for i in found} == {"us-east-1", "us-west-2"}

    rolled.config(MINIMAL)
    rolled.run("rollout", "--local", "--yes")


def test_a_plan_says_waves_targets_and_what_is_known_later(shell: Shell) -> None:
    shell.config(MINIMAL)

    shown = shell.run("plan", "secure_network", "--local", expect=2).stdout

    assert "wave 1" in shown
    assert "000000000000 in us-west-2" in shown
    assert "KmsKeyArn = keys.KmsKeyArn of" in shown
    assert "(known after wave 1)" in shown


def test_json_is_all_that_is_on_standard_output(rolled: Shell) -> None:
    for command in (("plan",), ("status",), ("outputs",), ("rollout", "--yes")):
        answer = rolled.run(*command, "--local", "--output", "json")
        json.loads(answer.stdout)


def test_status_shows_every_instance_current_in_both_regions(rolled: Shell) -> None:
    shown = rolled.run("status", "--local").stdout

    rows = [line for line in shown.splitlines() if line.startswith("secure-network")]
    assert len(rows) == STACK_SETS
    assert all("✓ CURRENT" in row for row in rows)
    assert "us-east-1" in shown and "us-west-2" in shown


def test_outputs_are_listed_by_part_and_region_and_for_a_shell(rolled: Shell) -> None:
    data = json.loads(rolled.run("outputs", "--local", "--output", "json").stdout)
    text = rolled.run("outputs", "--local").stdout
    variables = rolled.run("outputs", "--local", "--output", "env").stdout

    vpc = data["network"]["us-east-1"]["000000000000"]["VpcId"]
    assert vpc.startswith("vpc-")
    assert f"network.VpcId  us-east-1  {vpc}" in text
    assert f"NETWORK_VPCID_US_EAST_1={vpc}" in variables


def test_a_system_is_verified_and_an_alarm_that_went_off_is_said(rolled: Shell) -> None:
    well = rolled.run("verify", "--local", "--output", "json").stdout
    part, name = next(
        (f["part"], f["name"])
        for f in json.loads(well)["found"]
        if (f["kind"], f["region"]) == ("alarm", "us-east-1")
    )
    metrics = rolled.client("cloudwatch", "us-east-1")
    metrics.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")

    said = rolled.run("verify", "--local", "--wait", "1ms", expect=2).stdout
    answer = rolled.run("verify", "--local", "--output", "json", expect=2)

    assert f"{part}: alarm {name} is in ALARM since" in said
    found = json.loads(answer.stdout)
    assert found["verdict"] == "fails" and "by hand" in answer.stdout
    assert [f["name"] for f in found["found"] if f["verdict"] == "fails"] == [name]
    assert {"output", "instance"} < {f["kind"] for f in found["found"]}
    metrics.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="by hand")
    wrong = rolled.run("verify", "--local", "--wait", "soon", expect=64).stderr
    assert "'soon' is not a duration" in wrong


def test_a_run_is_looked_at_without_a_file_that_is_right(rolled: Shell) -> None:
    looks = ("history", "explain", "watch", "report --html run.html")
    named = "secure_network --local"
    shown = {one: rolled.run(*f"{one} {named}".split()).stdout for one in looks}

    def assert_same(place: str, printed: str, warning: str) -> None:
        """Assert that commands on runs do the same with another name of the system, which
        they print in their lines."""
        for command, wanted in shown.items():
            seen = rolled.run(*f"{command} {place}".split())
            assert seen.stdout == wanted.replace(named, printed)
            assert warning in seen.stderr
        refused = rolled.run("approve", *place.split(), expect=1).stderr
        assert "no rollout waits for an approval" in refused
        said = rolled.run("stop", *place.split()).stderr
        assert "no run of secure-network-test is open" in said

    path = rolled.config(MINIMAL.replace("settings:", "settings:\n  colour: red"))
    try:
        assert_same(named, named, f"{path.name} has a mistake, which tapgen lint shows")
        path.write_text(MINIMAL.replace("us-west-2", "us-west-22"))
        refused = rolled.run("history", *named.split(), expect=1).stderr
        assert "regions.dr: 'us-west-22'" in refused
        assert "secure-network-SUFFIX -r REGION" in refused

        path.unlink()
        prefix = "secure-network-test -r us-east-1 --local"
        assert_same(prefix, prefix, "")
        in_copy = prefix.replace("us-east-1", "us-west-2")
        assert shown["history"] == rolled.run("history", *in_copy.split()).stdout
        other = rolled.run("history", *prefix.replace("test", "prod").split(), expect=1)
        assert "no runs of it" in other.stderr
        rolled.run("history", "secure-network-test", "--local", expect=64)
    finally:
        rolled.config(MINIMAL)


def test_a_second_rollout_has_nothing_to_do(rolled: Shell) -> None:
    assert "no changes" in rolled.run("rollout", "--local", "--yes").stdout


def test_a_saved_plan_is_obeyed_once_also_after_a_kill_and_then_refused(
    shell: Shell,
) -> None:
    path = shell.config(MINIMAL)
    shell.run("rollout", "--local", "--yes")
    path.write_text(MINIMAL.replace("203.0.113.0/24", "198.51.100.0/24"))
    shell.run("plan", "--local", "--out", "plan.json", expect=2)
    agreed = ("rollout", "--local", "--yes", "--plan", "plan.json")
    path.write_text(MINIMAL.replace("203.0.113.0/24", "192.0.2.0/24"))
    changed = shell.run(*agreed, expect=1).stderr
    path.write_text(MINIMAL.replace("203.0.113.0/24", "198.51.100.0/24"))

    with held(shell):
        process = shell.start(*agreed)
        begun(shell, process)
        process.kill()
        process.communicate()
    path.write_text(MINIMAL.replace("203.0.113.0/24", "192.0.2.0/24"))
    assert "✓ done" in shell.run("resume", "--local").stdout
    path.write_text(MINIMAL.replace("203.0.113.0/24", "198.51.100.0/24"))
    assert "no changes" in shell.run("plan", "--local").stdout
    again = shell.run(*agreed, expect=1).stderr

    assert "secure-network-test-network: wanted parameters changed" in changed
    assert "secure-network-test-network: deployed parameters changed" in again
    missing = shell.run("rollout", "--local", "--yes", "--plan", "no.json", expect=1)
    assert "no.json: cannot be read" in missing.stderr
    shown = shell.run("plan", "--local", "--output", "markdown").stdout
    assert "No changes" in shown


@contextmanager
def held(shell: Shell) -> Iterator[None]:
    """Stacks of stack sets are begun, and come to no end before this does."""
    shell.run("local", "start")
    every = ("--stack-set", "secure-network-*", "--type", "*", "--times", "always")
    shell.run("local", "fault", "add", "delay", *every, "--seconds", "3600")
    yield
    shell.run("local", "fault", "clear")


def begun(shell: Shell, process: subprocess.Popen[str]) -> None:
    """Wait until a rollout creates or updates a stack."""
    clients = [shell.client("cloudformation", r) for r in ("us-east-1", "us-west-2")]
    while not any(
        stack["StackStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
        and stack["StackName"].startswith("StackSet-")
        for client in clients
        for stack in client.describe_stacks()["Stacks"]
    ):
        assert process.poll() is None, process.communicate()


def read_to(stream: IO[str] | None, words: str) -> str:
    """What a command prints, until it prints these words."""
    assert stream
    lines = []
    for line in stream:
        lines.append(line)
        if words in line:
            break
    return "".join(lines)


def test_a_plan_shows_what_a_replacement_carries_along(rolled: Shell) -> None:
    rolled.config(MINIMAL.replace("10.20.0.0/16", "10.30.0.0/16"))
    plan = rolled.run("plan", "--local", expect=2).stdout
    rolled.config(MINIMAL)

    assert "Vpc AWS::EC2::VPC replaces" in plan
    assert "(new Vpc)" in plan


def test_without_a_terminal_nothing_is_confirmed_and_nothing_is_done(
    shell: Shell,
) -> None:
    shell.config(MINIMAL)

    refused = shell.run("rollout", "--local", expect=64)

    assert "give --yes" in refused.stderr
    assert not (shell.folder / ".tapgen").exists(), "refused before anything started"
    shown = shell.run("status", "--local", expect=2).stdout
    assert shown.count("? missing") == STACK_SETS


def test_destroy_lists_retained_data_and_deletes_it_only_by_name(
    shell: Shell,
) -> None:
    shell.config(MINIMAL)
    shell.run("rollout", "--local", "--yes")
    s3 = shell.client("s3")
    s3.put_object(Bucket="sn-test-data-primary-000000000000", Key="a", Body=b"1")

    wrong = ("--delete-data", "yes")
    refused = shell.run("destroy", "--local", "--yes", *wrong, expect=64)
    assert "--delete-data secure-network-test" in refused.stderr
    right = ("--delete-data", "secure-network-test")
    done = shell.run("destroy", "--local", "--yes", *right)

    assert "deleted: 000000000000/us-east-1 AWS::S3::Bucket" in done.stdout
    assert "scheduled for deletion in 30 days" in done.stdout
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert [n for n in names if n.startswith("sn-")] == []
    cloudformation = shell.client("cloudformation")
    assert cloudformation.list_stack_sets(Status="ACTIVE")["Summaries"] == []
    assert "no changes" in shell.run("destroy", "--local", "--yes").stdout


def test_retained_data_survives_keeps_its_names_and_can_still_be_deleted(
    shell: Shell,
) -> None:
    shell.config(MINIMAL)
    shell.run("rollout", "--local", "--yes")

    destroyed = shell.run("destroy", "--local", "--yes").stdout
    again = shell.run("rollout", "--local", "--yes", expect=1).stderr

    assert "AWS::S3::Bucket sn-test-data-dr-000000000000" in destroyed
    assert "sn-test-data-dr-000000000000" in again
    assert "destroy --delete-data" in " ".join(again.split())

    data = ("--delete-data", "secure-network-test")
    done = shell.run("destroy", "--local", "--yes", *data).stdout

    assert "no changes" in done
    assert "deleted: 000000000000/us-west-2 AWS::S3::Bucket" in done
    buckets = [b["Name"] for b in shell.client("s3").list_buckets()["Buckets"]]
    assert all(name.startswith("tapgen-artifacts-") for name in buckets)
    shell.run("rollout", "--local", "--yes")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_finish_what_runs_and_resume_goes_on(
    shell: Shell, number: int
) -> None:
    shell.config(MINIMAL)
    with held(shell):
        process = shell.start("rollout", "--local", "--yes", "--html", "run.html")
        begun(shell, process)
        process.send_signal(number)
        said = read_to(process.stderr, "no new operation starts")
    out, err = process.communicate(timeout=600)

    text = said + err + out
    assert process.returncode == 130, text
    assert "no new operation starts" in text
    assert "continue with: tapgen resume secure_network --local" in text
    page = (shell.folder / "run.html").read_text()
    assert "paused: no process continues it" in page
    shell.run("resume", "--local")
    shell.run("status", "--local")
    shown = json.loads(shell.run("report", "--local", "--output", "json").stdout)
    assert shown["run"]["result"] == "done" and shown["unread"] == []
    assert {one["fate"] for one in shown["versions"]} == {"deployed"}
    assert {one["status"] for one in shown["resources"]} == {"CREATE_COMPLETE"}


def test_a_rollout_goes_on_when_nobody_reads_its_progress(shell: Shell) -> None:
    shell.config(MINIMAL)
    process = shell.start("rollout", "--local", "--yes")
    assert process.stderr and process.stdout
    assert "wave 1 of" in read_to(process.stderr, "wave 1 of")
    process.stderr.close()
    process.stdout.close()

    assert process.wait(600) == 0
    shell.run("status", "--local")


def test_a_second_ctrl_c_leaves_at_once_and_says_what_runs(shell: Shell) -> None:
    shell.config(MINIMAL)
    with held(shell):
        process = shell.start("rollout", "--local", "--yes")
        begun(shell, process)
        process.send_signal(signal.SIGINT)
        said = read_to(process.stderr, "stopping")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)

    text = said + err + out
    assert process.returncode == 130, text
    assert "stopped at once" in text
    assert "Traceback" not in text
    assert "is open since" in shell.run("rollout", "--local", "--yes", expect=1).stderr
    shown = shell.run("status", "--local", "--output", "json", expect=2)
    assert json.loads(shown.stdout)["open_run"]["command"] == "rollout"
    assert "continue it: tapgen resume secure_network --local" in shown.stderr
    run = json.loads(shown.stdout)["open_run"]["run"]
    plan = shell.run("plan", "--local", "--out", "plan.json", expect=2)
    assert f"run {run} of tapgen rollout by" in plan.stdout
    apply = "tapgen rollout secure_network --local --plan plan.json --supersede"
    assert f"to replace it by this plan: {apply} {run}" in plan.stderr
    needless = ("repair", "--local", "--yes", "--supersede", run)
    refused = shell.run(*needless, expect=1).stderr
    assert f"run {run} stays open, because there is nothing to replace it by" in refused
    shell.run("resume", "--local")
    assert "no changes" in shell.run("plan", "--local").stdout


def test_a_profile_that_does_not_exist_does_not_matter_locally(shell: Shell) -> None:
    shell.config(MINIMAL)

    shell.run("plan", "--local", expect=2, AWS_PROFILE="nope")


@pytest.mark.parametrize("command", ["status", "start", "stop", "reset"])
def test_a_file_where_the_embedded_aws_needs_a_folder_is_said_so(
    tmp_path: Path, command: str
) -> None:
    (tmp_path / ".tapgen").touch()

    assert "move it away" in Shell(tmp_path).run("local", command, expect=1).stderr


def test_two_systems_of_the_same_names_are_refused(shell: Shell) -> None:
    shell.config(MINIMAL)
    shell.config(MINIMAL, "other_network")

    for command in ("list", "templates"):
        refused = shell.run(command, expect=1)
        assert (
            "both would create resources of the same names (sn-test-…)"
            in refused.stderr
        )


def test_a_broken_file_does_not_hide_the_others(shell: Shell) -> None:
    shell.config(MINIMAL)
    shell.config("blueprint: [", "broken")

    shown = shell.run("list", expect=1)

    assert "secure_network" in shown.stdout
    assert "stacksets/broken.yaml:1" in shown.stderr
    empty = ("--stacksets", "nowhere")
    assert "nowhere/ has no systems" in shell.run("lint", *empty, expect=64).stderr


def test_a_killed_embedded_aws_is_reported_without_a_traceback(shell: Shell) -> None:
    shell.config(f"{MINIMAL}rollout: {{patience: 1s}}\n")
    with held(shell):
        process = shell.start("rollout", "--local", "--yes")
        begun(shell, process)
        pid = lifecycle.recorded(shell.folder / ".tapgen")["pid"]
        os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=600)
        shell.run("local", "start")  # without what held

    text = err + out
    assert process.returncode in (1, 3), text
    assert "lost the connection to AWS" in text
    assert "Traceback" not in text
    shell.run("rollout", "--local", "--yes")


def test_the_aws_cli_sees_what_tapgen_rolled_out(rolled: Shell) -> None:
    aws = str(Path(sys.executable).with_name("aws"))
    arguments = ["--endpoint-url", rolled.url, "cloudformation"]
    keys = {"AWS_ACCESS_KEY_ID": "000000000000", "AWS_SECRET_ACCESS_KEY": "local"}
    answer = subprocess.run(
        [
            *(aws, *arguments, "list-stack-instances", "--stack-set-name"),
            "secure-network-test-keys-dr",
        ],
        env=rolled.environment | keys | {"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )

    (instance,) = json.loads(answer.stdout)["Summaries"]
    assert (instance["Region"], instance["Status"]) == ("us-west-2", "CURRENT")


def test_real_aws_needs_a_pinned_account_without_a_confirmation(rolled: Shell) -> None:
    # The embedded AWS stands in for AWS behind AWS_ENDPOINT_URL: no --local here.
    here = {
        "AWS_ENDPOINT_URL": rolled.url,
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
    }
    refused = rolled.run("rollout", "--yes", expect=64, **here)
    wrong = rolled.run("plan", "--account", "123456789012", expect=64, **here)
    done = rolled.run("rollout", "--yes", "--account", "000000000000", **here)

    assert "--account 000000000000" in refused.stderr
    assert "the credentials belong to account 000000000000" in wrong.stderr
    assert "no changes" in done.stdout


def test_without_credentials_or_endpoint_the_advice_is_clear(shell: Shell) -> None:
    shell.config(MINIMAL)
    nobody = shell.run("plan", expect=1)
    dead = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_MAX_ATTEMPTS": "1",
    }
    unreachable = shell.run("plan", expect=1, **dead)
    profile = shell.run("plan", "--profile", "nope", expect=1)

    assert "no AWS credentials" in nobody.stderr
    assert "Could not connect to the endpoint" in unreachable.stderr
    assert "profile (nope) could not be found" in profile.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["plan", "secure_netwrk"], 1, "did you mean 'secure_network'?"),
        (["plan", "nope.yaml"], 1, "no such file"),
        (["rolout"], 64, "did you mean 'rollout'?"),
        (["plan", "--outptu", "json"], 64, "--output"),
        (["plan", "-e", "nope"], 1, "'nope' is not an environment of this file"),
        (["init", "secure_netwrk"], 64, "did you mean 'secure_network'?"),
        (["templates", "--to", "stacksets/secure_network.yaml/x"], 1, "stacksets"),
        (["local", "start", "--port", "99999"], 64, "99999"),
    ],
)
def test_wrong_usage_gets_one_clear_message(
    shell: Shell, arguments: list[str], code: int, words: str
) -> None:
    shell.config(MINIMAL)

    answer = shell.run(*arguments, expect=code)

    assert words in answer.stderr
    assert len(answer.stderr.splitlines()) <= 5


def test_every_mistake_of_a_file_is_reported_at_once(shell: Shell) -> None:
    shell.config(
        "blueprint: secure_network\nsuffix: Nope\nsufix: x\n"
        "regions: {primary: us-east-1, dr: us-east-1}\nsettings: {vpc_cdir: 1}\n"
    )

    errors = shell.run("plan", expect=1).stderr.splitlines()

    assert len(errors) >= 4
    assert all(e.startswith("error: stacksets/secure_network.yaml:") for e in errors)


def test_init_writes_a_system_that_rolls_out(shell: Shell) -> None:
    wrote = shell.run("init", "secure_network").stdout
    assert "wrote stacksets/secure_network.yaml" in wrote
    assert "already exists" in shell.run("init", "secure_network", expect=1).stderr

    listed = json.loads(shell.run("list", "--output", "json").stdout)
    shell.run("templates")
    assert shell.run("templates", "--check").stdout
    path = shell.folder / "templates_out/secure_network/keys.json"
    path.write_text("{}")
    stale = shell.run("templates", "--check", expect=2)

    assert [s["system"] for s in listed] == ["secure_network"]
    assert "stale templates_out/secure_network/keys.json" in stale.stdout
    schema = json.loads((shell.folder / "stacksets/tapgen.schema.json").read_text())
    assert schema == json.loads(shell.run("schema").stdout)


def test_colour_goes_to_terminals_only(rolled: Shell) -> None:
    assert "\x1b[" not in rolled.run("status", "--local").stdout
    forced = rolled.run("status", "--local", FORCE_COLOR="1").stdout
    assert "\x1b[" in forced
    plain = rolled.run("status", "--local", NO_COLOR="1", FORCE_COLOR="1").stdout
    assert "\x1b[3" not in plain


def test_two_projects_have_embedded_clouds_of_their_own(
    rolled: Shell, shell: Shell
) -> None:
    shell.config(MINIMAL)

    shell.run("local", "start")

    assert shell.url != rolled.url
    assert (
        shell.run("status", "--local", expect=2).stdout.count("? missing") == STACK_SETS
    )
    rolled.run("status", "--local")


NOTES = """\
blueprint: custom
suffix: test
regions: {main: us-east-1, dr: us-west-2}
stack_sets:
  note: {template: t/note.yaml, parameters: {Text: first}}
"""
NOTE = """\
Parameters: {Text: {Type: String}}
Resources:
  Note: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref Text}}
Outputs: {Name: {Value: !Ref Note}}
"""


def test_a_region_that_is_away_is_named_and_the_others_go_on(shell: Shell) -> None:
    (shell.folder / "stacksets/t").mkdir(parents=True)
    (shell.folder / "stacksets/t/note.yaml").write_text(NOTE)
    shell.config(NOTES, "notes")
    shell.run("rollout", "--local", "--yes")
    shell.run("local", "fault", "add", "unavailable", "--region", "us-west-2")

    status = shell.run("status", "--local", expect=2)
    outputs = shell.run("outputs", "--local", expect=1)
    nothing = shell.run("plan", "--local", expect=1)
    for answer in (status, outputs, nothing):
        assert (
            "cannot be read: 000000000000 in us-west-2" in answer.stdout + answer.stderr
        )
    assert "us-east-1" in status.stdout and "us-east-1" in outputs.stdout
    assert "us-west-2" not in outputs.stdout

    shell.config(NOTES.replace("first", "second"), "notes")
    refused = shell.run("rollout", "--local", "--yes", expect=1)
    assert "--without-region us-west-2" in refused.stderr
    without = ("--without-region", "us-west-2")
    rollout = shell.run("rollout", "--local", "--yes", *without, expect=3)
    left = "left out: note: update in 000000000000 in us-west-2"
    assert left in rollout.stdout.partition("✓ done")[2]
    shell.run("local", "fault", "clear")
    needless = shell.run("rollout", "--local", "--yes", *without).stderr
    assert "us-west-2 answers: --without-region us-west-2 is not needed" in needless
    mars = ("--without-region", "mars-1")
    refused = shell.run("resume", "--local", *mars, expect=64)
    assert "notes-test is in us-east-1, us-west-2" in refused.stderr
    shell.run("status", "--local")

    shell.run("local", "fault", "add", "unavailable", "--region", "us-east-1")
    status = shell.run("status", "--local", "--output", "json", expect=1)
    found = json.loads(status.stdout)
    assert (found["stack_sets"], found["read_in"]) == (None, "us-west-2")
    assert [*found["away"]] == ["us-east-1"] and found["last_run"]["result"] == "done"
    last = f"no run is open; the last one, {found['last_run']['run']} of tapgen rollout"
    assert f"a copy that may lack the last events: {last}" in status.stderr
    assert "once us-east-1 answers: tapgen status notes --local" in status.stderr
    shell.run("local", "fault", "clear")
    only = ("--region", "us-east-1", "--service", "cloudformation")
    shell.run("local", "fault", "add", "unavailable", *only)
    plan = shell.run("plan", "--local", expect=1).stderr
    assert f"in the journal in us-east-1: {last}" in plan
    listed = json.loads(shell.run("local", "fault", "list", "--output", "json").stdout)
    assert listed["faults"][0]["fired"] == 2  # asked once more, and not with patience
    of = ("late", "--prefix", "x", "--in-region", "us-east-1", "--dry-run")
    late = shell.run("import", *of, "--local", expect=1).stderr
    assert "us-east-1 does not answer, so which stacks it has is not known" in late
