"""The workflow that delivers a system from a repository on GitHub, as text.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

from tapgen.frozen import dataclass

_PARTS = "#---\n"
_DRILL = """\
      - name: drill
        run: tapgen drill <CHOICE> --account "$ACCOUNT" --yes --report drill.html
      - uses: actions/upload-artifact@v4
        if: "!cancelled() && hashFiles('drill.html') != ''"
        with:
          name: drill-<STAGE>
          path: drill.html
"""


@dataclass(frozen=True)
class Stage:
    """An environment that is delivered to: its name on GitHub, its name in the system's file
    (none for the file itself), its administration account, empty where the file does not say
    it, and whether it may be drilled."""

    name: str
    environment: str | None
    account: str
    region: str
    drills: bool = False

    @property
    def variable(self) -> str:
        """The end of the names of its variables on GitHub."""
        return self.name.upper().replace("-", "_")


def github(system: str, stages: Iterable[Stage], branch: str, folder: str) -> str:
    """Return the workflow; the stages are delivered to one after the other."""
    text = resources.files("tapgen").joinpath("data/pipeline_github.yaml").read_text()
    head, each, foot = text.split(_PARTS)
    where = "" if folder == "stacksets" else f" --stacksets {folder}"
    found, before = [], "check"
    for stage in stages:
        choice = f" -e {stage.environment}" if stage.environment else ""
        found.append(
            _filled(
                each,
                STAGE=stage.name,
                VARIABLE=stage.variable,
                CHOICE=f"{system}{choice}{where}",
                ACCOUNT=stage.account
                or f"${{{{ vars.TAPGEN_ACCOUNT_{stage.variable} }}}}",
                REGION=stage.region,
                DRILL=_DRILL if stage.drills else "",
                BEFORE=before,
                NEEDS=f"[check, deploy-{before}]" if before != "check" else "[check]",
            )
        )
        before = stage.name
    whole = "".join([head, *found, foot])
    return _filled(
        whole, SYSTEM=system, WHERE=where, BRANCH=branch, FOLDER=folder, LAST=before
    )


def _filled(text: str, **values: str) -> str:
    for name, value in sorted(values.items(), key=lambda one: one[0] != "DRILL"):
        text = text.replace(f"<{name}>", value)
    return text
