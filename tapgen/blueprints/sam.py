"""Templates of the Serverless Application Model, expanded while they are read.

AWS's own translator (`aws-sam-translator`, the extra `sam`) does it, with the managed
policies that it knows, so that nothing calls AWS. Local files become artifacts, as
`aws cloudformation package` makes them, in the bucket of each target. The result has no
macro: service-managed stack sets take none, and lint, plan and roles see each resource.

Source: "AWS::Serverless transform" in CloudFormation's template reference, and the
resource types in the SAM developer guide.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tapgen.errors import TemplateError
from tapgen.model import Artifact, Target
from tapgen.model.artifacts import artifact_bucket
from tapgen.system import artifacts
from tapgen.template import decode
from tapgen.template.values import mapping

TRANSFORM = "AWS::Serverless-2016-10-31"
MISSING = (
    f"Transform {TRANSFORM}: its translator is not installed; install it with: pip "
    "install 'tapgen[sam]'"
)

# Given to the translator, which writes the region out in some places, and makes hashes
# of it: one template serves all regions.
_MARKS = {"AWS::Region": "tapgen-any-region", "AWS::Partition": "tapgen-any-partition"}
_BUCKET = {
    "Fn::Sub": artifact_bucket(Target("${AWS::AccountId}", "${AWS::Region}")),
}
# Type → the property with its code.
_CODE = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}
# Type → the property that names a file, and the one that takes what is in it.
_FILES = {
    "AWS::Serverless::Api": ("DefinitionUri", "DefinitionBody"),
    "AWS::Serverless::HttpApi": ("DefinitionUri", "DefinitionBody"),
    "AWS::Serverless::StateMachine": ("DefinitionUri", "Definition"),
}
_NEEDS_BUILD = (
    *("requirements.txt", "package.json", "pom.xml", "build.gradle", "go.mod"),
    *("Gemfile", "Cargo.toml"),
)
_BUILD = "run sam build, and point to the folder in .aws-sam/build"

Found = tuple[dict[str, Any], dict[str, Artifact]]


def uses(body: Mapping[str, Any]) -> bool:
    """Whether the Serverless transform, and no other, expands a template."""
    return body.get("Transform") in (TRANSFORM, [TRANSFORM])


def expanded(
    body: Mapping[str, Any],
    file: Path,
    values: Mapping[str, str],
    region: str,
) -> Found:
    """Return the template without the transform, and the artifacts that it refers to.

    `values` are those of the parameters that are the same at all targets: the translator
    needs some of them. `region` is one of the targets', for what differs between
    partitions. Raises TemplateError with every mistake.
    """
    if find_spec("samtranslator") is None:
        raise TemplateError(f"{file}: {MISSING}")
    packaged, found = _packaged(body, file)
    return _translated(packaged, file, values, region), found


def _referring(node: Any, inside: bool = False) -> Any:
    """Return what the translator made, with references for the marks that it got as
    values of pseudo parameters."""
    if isinstance(node, dict):
        return {
            key: _referring(value, inside or key == "Fn::Sub")
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_referring(item, inside and not n) for n, item in enumerate(node)]
    if not isinstance(node, str) or not any(mark in node for mark in _MARKS.values()):
        return node
    text = node if inside else node.replace("${", "${!")
    for name, mark in _MARKS.items():
        if node == mark and not inside:
            return {"Ref": name}
        text = text.replace(mark, f"${{{name}}}")
    return text if inside else {"Fn::Sub": text}


def _packaged(body: Mapping[str, Any], file: Path) -> Found:
    """Return the template with the places of its files, and the artifacts."""
    found: dict[str, Artifact] = {}
    problems: list[str] = []
    copy: dict[str, Any] = json.loads(json.dumps(body))
    entries = [
        (f"Resources.{name}", str(resource.get("Type")), resource)
        for name, resource in copy["Resources"].items()
    ]
    for kind, properties in mapping(copy.get("Globals")).items():
        if isinstance(properties, dict):
            shared = {"Properties": properties}
            entries.append((f"Globals.{kind}", f"AWS::Serverless::{kind}", shared))
    for where, kind, resource in entries:
        properties = resource.get("Properties")
        if not isinstance(properties, dict):
            continue
        try:
            _place_code(kind, resource, properties, file, found)
            _read_definition(kind, properties, file)
        except TemplateError as error:
            problems.append(f"{file}: {where}: {error}")
    if problems:
        raise TemplateError("\n".join(problems))
    return copy, found


def _place_code(
    kind: str,
    resource: Mapping[str, Any],
    properties: dict[str, Any],
    file: Path,
    found: dict[str, Artifact],
) -> None:
    key = _CODE.get(kind, "")
    if kind == "AWS::Serverless::Application" and _is_local(properties.get("Location")):
        raise TemplateError(
            "a nested application; make it a stack set of its own, and pass its outputs "
            "as parameters"
        )
    if not _is_local(properties.get(key)):
        return
    path = properties[key]
    _refuse_unbuilt(file.parent / path, resource)
    one = artifacts.artifact(path, file.parent, "", "")
    found[one.key] = one
    properties[key] = {"Bucket": _BUCKET, "Key": one.key}


def _is_local(value: Any) -> bool:
    return isinstance(value, str) and not value.startswith(("s3://", "https://"))


def _refuse_unbuilt(source: Path, resource: Mapping[str, Any]) -> None:
    if ".aws-sam" in source.parts:
        return
    method = mapping(resource.get("Metadata")).get("BuildMethod")
    if method:
        raise TemplateError(f"BuildMethod {method}: only sam build runs it; {_BUILD}")
    if source.is_file() and source.suffix not in (".zip", ".jar"):
        raise TemplateError(
            f"{source} is not a zip file; give the folder that it is in"
        )
    for name in _NEEDS_BUILD:
        manifest = source / name
        built = name == "package.json" and (source / "node_modules").is_dir()
        if manifest.is_file() and manifest.read_bytes().strip() and not built:
            raise TemplateError(f"{source} has a {name}, and no build output; {_BUILD}")


def _read_definition(kind: str, properties: dict[str, Any], file: Path) -> None:
    """Replace the name of a file by what is in it."""
    uri, inline = _FILES.get(kind, ("", ""))
    if not _is_local(properties.get(uri)):
        return
    source = file.parent / properties.pop(uri)
    text = artifacts.read(source).decode("utf-8-sig", errors="replace")
    properties[inline] = decode.data(text, str(source))


def _translated(
    body: dict[str, Any], file: Path, values: Mapping[str, str], region: str
) -> dict[str, Any]:
    from samtranslator.internal.managed_policies import get_bundled_managed_policy_map
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.arn_generator import ArnGenerator
    from samtranslator.translator.translator import Translator

    # It logs its own failures with tracebacks; they are raised, too.
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL + 1)
    session = SimpleNamespace(region_name=region)
    policies = get_bundled_managed_policy_map(ArnGenerator.get_partition_name(region))
    copy = json.loads(json.dumps(body))
    for name, parameter in mapping(copy.get("Parameters")).items():
        if name not in values:
            parameter.pop("Default", None)  # it stays a reference
    try:
        found = Translator(policies or {}, Parser(), boto_session=session).translate(
            sam_template=copy, parameter_values={**values, **_MARKS}
        )
    except InvalidDocumentException as error:
        lines = [f"{file}: {cause.message}" for cause in error.causes]
        raise TemplateError("\n".join(lines)) from None
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        reason = f"{type(error).__name__}: {error}"
        raise TemplateError(
            f"{file}: AWS's translator for {TRANSFORM} cannot read it ({reason}); check "
            "the shape of its AWS::Serverless resources"
        ) from error
    result: dict[str, Any] = _referring(json.loads(json.dumps(found, default=str)))
    return {**result, **{k: body[k] for k in ("Parameters",) if k in body}}
