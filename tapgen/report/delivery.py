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
    head, each, foot = _parts("pipeline_github.yaml")
    where = _where(folder)
    found, before, jobs = [], "", ["lint", "test"]
    for stage in stages:
        found.append(
            _filled(
                each,
                **_of(stage, system, where),
                DRILL=_DRILL if stage.drills else "",
                NEEDS=f"[test, deploy-{before}]" if before else "[test]",
            )
        )
        before = stage.name
        jobs += [f"plan-{stage.name}", f"deploy-{stage.name}"]
    whole = "".join([head, *found, foot])
    every = ", ".join(jobs)
    return _filled(
        whole, SYSTEM=system, WHERE=where, BRANCH=branch, FOLDER=folder, ALL=every
    )


def github_drill(system: str, stages: Iterable[Stage], cron: str, folder: str) -> str:
    """Return the workflow that drills, by schedule, the stages that may be drilled."""
    head, each, foot = _parts("pipeline_github_drill.yaml")
    drilled = [stage for stage in stages if stage.drills]
    found = [
        _filled(each, **_of(stage, system, _where(folder)), DRILL=_DRILL)
        for stage in drilled
    ]
    every = ", ".join(f"drill-{stage.name}" for stage in drilled)
    return _filled("".join([head, *found, foot]), SYSTEM=system, CRON=cron, ALL=every)


def _parts(name: str) -> list[str]:
    text = resources.files("tapgen").joinpath(f"data/{name}").read_text()
    return text.split(_PARTS)


def _where(folder: str) -> str:
    return "" if folder == "stacksets" else f" --stacksets {folder}"


def _of(stage: Stage, system: str, where: str) -> dict[str, str]:
    """Return what the jobs of a stage say of it."""
    choice = f" -e {stage.environment}" if stage.environment else ""
    return {
        "STAGE": stage.name,
        "VARIABLE": stage.variable,
        "CHOICE": f"{system}{choice}{where}",
        "ACCOUNT": stage.account or f"${{{{ vars.TAPGEN_ACCOUNT_{stage.variable} }}}}",
        "REGION": stage.region,
    }


def _filled(text: str, **values: str) -> str:
    for name, value in sorted(values.items(), key=lambda one: one[0] != "DRILL"):
        text = text.replace(f"<{name}>", value)
    return text
