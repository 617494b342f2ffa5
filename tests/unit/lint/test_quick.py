"""The first answer: quick, in the same form, and never the verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tapgen import lint
from tapgen.errors import ConfigError
from tapgen.lint import quick
from tapgen.lint.jobs import Job
from tapgen.model import Finding, Severity
from tests import make

ROOT = Path(__file__).parents[3]
WRONG = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySecond": 1}}
RIGHT = {"Type": "AWS::SQS::Queue"}


def job(resources: dict[str, Any], *regions: str, **more: Any) -> Job:
    return Job(
        json.dumps({"Resources": resources, **more}), regions or ("eu-west-1",), ""
    )


def rules(*jobs: Job) -> list[list[str]]:
    return [[f.rule for f in found] for found in quick.check(jobs)]


def test_a_wrong_property_is_found_with_its_place() -> None:
    system = make.system(make.stack_set(text=make.template(resources={"Jobs": WRONG})))

    (found,), names = lint.check_quickly([system], Path("out"))

    assert (found.rule, found.severity) == ("F3002", Severity.ERROR)
    assert found.path == ("Resources", "Jobs", "Properties", "DelaySecond")
    assert found.logical_id == "Jobs" and found.column > 1
    assert found.stack_set in names and found.file.startswith("out/")
    assert lint.exit_code([found]) == 2


def test_a_right_template_is_clean() -> None:
    assert rules(job({"Jobs": RIGHT})) == [[]]


def test_cfn_lints_metadata_silences_it_too() -> None:
    silence = {"cfn-lint": {"config": {"ignore_checks": ["E3002"]}}}
    silenced = {**WRONG, "Metadata": silence}

    assert rules(
        job({"Jobs": silenced, "Other": WRONG}),
        job({"Jobs": WRONG}, Metadata=silence),
        job({"Jobs": {**WRONG, "Metadata": {"cfn-lint": "x"}}}),
    ) == [["F3002"], [], ["F3002"]]


def test_a_type_that_a_region_lacks_is_found_for_that_region_only() -> None:
    found = rules(
        job({"A": {"Type": "AWS::AppRunner::Service"}}, "mx-central-1", "us-east-1"),
        job({"A": {"Type": "AWS::AppRunner::Service"}}, "us-east-1"),
    )
    assert "F3006" in found[0] and "F3006" not in found[1]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Resources": []}', "a: [", "\0"])
def test_what_is_no_template_is_an_error(text: str) -> None:
    ((first, *_),) = quick.check([Job(text, ("us-east-1",), "")])
    assert first.severity is Severity.ERROR and first.message


def test_another_process_gives_the_same() -> None:
    jobs = [job({"Jobs": WRONG}), job({"Jobs": RIGHT})]

    assert quick.answer(quick.start(jobs)) == quick.check(jobs)


def test_the_first_answer_comes_before_cfn_lints() -> None:
    system = make.system(make.stack_set(text=make.template(resources={"Jobs": WRONG})))
    order: list[Any] = []

    (found,) = lint.check_each(
        [system], Path("out"), order.append, on_first=order.append
    )

    assert [f.rule for f in order[0]] == ["F3002"] and len(order) == 2
    assert found == lint.check(system, Path("out")) != []


def test_committed_templates_go_to_the_regions_of_their_manifests() -> None:
    file = ROOT / "templates_out" / "secure_network" / "network.json"
    names = [name for name, _ in quick.listed(file)]
    found, checked = lint.check_quickly([], ROOT, [file])

    assert (found, checked) == ([], list(dict.fromkeys(names))) and names


def test_files_that_no_manifest_lists_are_not_checked(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"Resources": {"Jobs": WRONG}}))
    assert lint.check_quickly([], ROOT, [file]) == ([], [])

    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ConfigError, match="run tapgen templates"):
        lint.check_quickly([], ROOT, [file])
    with pytest.raises(ConfigError, match="give a template"):
        lint.check_quickly([], ROOT, [tmp_path / "none.json"])


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['cloudformation_validate'] = None\n"
        "from tapgen.cli import main\n"
        "sys.exit(main(['lint', '--quick', 'secure_network']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {quick.MISSING}\n"


def test_it_does_not_import_cfn_lint() -> None:
    code = (
        "import sys\n"
        "from tapgen.cli import main\n"
        "file = 'templates_out/serverless_api/api.json'\n"
        "assert main(['lint', '--quick', file]) == 0\n"
        "assert not {'cfnlint', 'troposphere', 'pydantic'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_shipped_templates_are_clean() -> None:
    files = sorted((ROOT / "templates_out").glob("*/*.json"))
    found, names = lint.check_quickly([], ROOT, files)
    assert found == list[Finding]() and len(names) > 60
