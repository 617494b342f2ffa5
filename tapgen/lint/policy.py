"""The policy gate: rules of the user's own, in Rego, CEL or Guard.

AWS's cloudformation-validate runs them on each template as each target gets it
(`system.evaluated`): parameters, mappings and conditions are filled in. What rules cannot
see in a template stands in its `Metadata.tapgen`: `StackSet`, `Account`, `Region` and
`Tags`, those of the stack set. The language of a file is in its name: `.rego`, `.guard`,
or `.json` for CEL.

https://github.com/aws-cloudformation/cloudformation-validate/blob/main/src/CUSTOM_RULES.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from tapgen.errors import ConfigError, TapgenError
from tapgen.frozen import dataclass
from tapgen.lint.cfn_lint import order
from tapgen.lint.jobs import job_for, with_nested
from tapgen.lint.places import in_file
from tapgen.lint.quick import finding
from tapgen.model import Finding, Severity, StackSet, System, Target
from tapgen.system import evaluated
from tapgen.system.templates_out import written
from tapgen.template import decode

STARTER = "starter"
"""The name of the rules that tapgen ships: encryption, public access, tags, regions."""

MISSING = (
    "--policy needs cloudformation-validate, which is not installed; install it with: "
    "pip install 'tapgen[validate]'"
)
NOT_CHECKED = "policy-not-checked"
"""The id of the finding that a template could not be checked completely."""

_FIELDS = {".rego": "rego_rules", ".guard": "guard_rules", ".json": "cel_rules"}


@dataclass(frozen=True)
class Policy:
    """An engine with the rules of a folder, and the library that it is of."""

    library: Any
    engine: Any
    name: str


def read(given: str) -> Policy:
    """Return the policy in a folder and the folders below it, or the starter set.

    Raises TapgenError where the library is missing, ConfigError for a folder that cannot
    be read or has no rules, and for each file whose rules cannot be read.
    """
    try:
        import cloudformation_validate as library
    except (ImportError, OSError) as error:  # OSError: too old a glibc
        raise TapgenError(MISSING) from error
    sources = list(_sources(given))
    if not sources:
        names = ", ".join(f"*{ending}" for ending in _FIELDS)
        raise ConfigError(
            [f"{given}: has no rules; put files with rules in it: {names}"]
        )
    try:
        engine = _engine(library, sources)
    except library.ValidationError as error:
        problems = [*_problems(library, sources)] or [f"{given}: {_said(error)}"]
        raise ConfigError(problems) from error
    known = [r for r in engine.list_rules() if r.origin.name in ("CUSTOM", "GUARD")]
    if not known:
        raise ConfigError([f"{given}: its files have no rule in them; add one"])
    return Policy(library, engine, given)


def check(policy: Policy, system: System, folder: Path) -> list[Finding]:
    """Return what breaks the policy in a system: each finding once, with the targets
    where it is, if that is not everywhere. `folder` is that of the committed templates.

    Raises ConfigError where a rule fails by itself.
    """
    parts = {s.part: s for s in system.stack_sets}
    result: dict[Finding, None] = {}
    for whole in system.stack_sets:
        for s in with_nested(whole):
            apart = replace(s, template=job_for(system, s).template)
            found = _of_targets(policy, apart, parts)
            everywhere = len(s.targets)
            mine = [_placed(f, at, everywhere) for f, at in found.items()]
            file = folder / system.name / f"{s.part}.json"
            for each in sorted(_with_lines(in_file(mine, s, file), s), key=order):
                result[replace(each, stack_set=s.name)] = None
    return list(result)


def _of_targets(
    policy: Policy, s: StackSet, parts: Mapping[str, StackSet]
) -> dict[Finding, list[Target]]:
    found: dict[Finding, list[Target]] = {}
    for target in s.targets:
        body = evaluated.template(s, target, parts)
        about = {
            "StackSet": s.name,
            "Account": target.account,
            "Region": target.region,
            "Tags": dict(s.tags),
        }
        body["Metadata"] = {**body.get("Metadata", {}), "tapgen": about}
        for one in _findings(policy, written(body), target):
            found.setdefault(one, []).append(target)
    return found


def _findings(policy: Policy, text: str, target: Target) -> Iterator[Finding]:
    library = policy.library
    settings = library.ValidateConfig(
        disable_builtin_rules=True,
        detail_level=library.DetailLevel.STANDARD,
        pseudo_parameter_overrides=library.PseudoParameterOverrides(
            region=target.region
        ),
    )
    try:
        report = policy.engine.validate_template(text.encode(), settings)
    except library.ValidationError as error:
        raise ConfigError([f"{policy.name}: a rule fails: {_said(error)}"]) from error
    if report.status is not library.ReportStatus.OK:
        why = (
            "the library could not read all of this template, so the policy is not met"
        )
        yield Finding("", "", NOT_CHECKED, Severity.ERROR, why)
    for diagnostic in report.diagnostics:
        # Lines are those of the evaluated template, which nobody has.
        yield replace(finding(diagnostic), line=1, column=1, url="")


def _with_lines(found: Sequence[Finding], s: StackSet) -> Sequence[Finding]:
    """Return findings in a committed template with their lines; a source has them."""
    if s.source or not found:
        return found
    places = decode.places(s.template, [f.path for f in found])
    return [
        replace(f, line=line, column=column)
        for f, (line, column) in zip(
            found, places or [(1, 1)] * len(found), strict=True
        )
    ]


def _placed(one: Finding, targets: Sequence[Target], everywhere: int) -> Finding:
    if len(targets) == everywhere:
        return one
    where = ", ".join(map(str, targets))
    return replace(one, message=f"{one.message} (in {where})")


# -- rules -----------------------------------------------------------------------------


def _sources(given: str) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and text of each file with rules."""
    folder: Any = Path(given)
    if given == STARTER and not folder.exists():
        folder = resources.files("tapgen").joinpath("data/policy")
    elif not folder.is_dir():
        problem = "is no folder" if folder.exists() else "there is no such folder"
        raise ConfigError(
            [f"{given}: {problem}; give one with rules, or {STARTER} for tapgen's own"]
        )
    try:
        files = sorted(_files(folder), key=str)
        for file in files:
            kind = _FIELDS.get(Path(file.name).suffix)
            if kind:
                yield kind, str(file), file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError([f"{given}: cannot be read ({reason})"]) from error


def _files(folder: Any) -> Iterator[Any]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each)
        else:
            yield each


def _engine(library: Any, sources: Iterable[tuple[str, str, str]]) -> Any:
    rules: dict[str, list[Any]] = {}
    for kind, name, text in sources:
        rules.setdefault(kind, []).append(
            library.ExternalRuleSource(name=name, content=text)
        )
    return library.CompositeEngine(library.CompositeEngineConfig(**rules))


def _problems(library: Any, sources: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Yield what is wrong with each file: the library stops at the first, and does not
    always name it."""
    for source in sources:
        try:
            _engine(library, [source])
        except library.ValidationError as error:
            yield f"{source[1]}: {_said(error)}; correct the rule, or remove the file"


def _said(error: Any) -> str:
    return " ".join(str(getattr(error, "msg", "") or error).split())


def as_data(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings for a plan as JSON."""
    return [
        {
            "stack_set": f.stack_set,
            "logical_id": f.logical_id,
            "rule": f.rule,
            "severity": str(f.severity),
            "message": f.message,
            "file": f.file,
            "line": f.line,
        }
        for f in findings
    ]
