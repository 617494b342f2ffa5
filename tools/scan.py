"""What Checkov and AWS's Guard rules find in the templates as each target gets them.

    make scan GUARD=DIR

`DIR` is a checkout of https://github.com/aws-cloudformation/aws-guard-rules-registry.
Checkov is installed into a folder of its own. The templates of `tapgen templates
--evaluated` are scanned twice: as they are, and without what their metadata explains
(`blocks.explained`). It fails on a finding that nobody explained, and on an explanation of
what no scanner reports any more.

Environments other than the default are left out: staging has no standby and no deletion
protection on purpose.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SETS = {"PCI DSS": "pci_dss_3_2_1", "NIST 800-53": "nist800_53rev5"}
"""The rule sets of Guard, by the name of their file in `mappings/`."""

CHECKOV = "Checkov"


class Found(NamedTuple):
    """A finding; a resource without a name is the first of a rule about all of them."""

    scanner: str
    file: str
    resource: str
    rule: str


def main() -> int:
    """Scan, print what is found and the figures; return 1 if something is to be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guard", type=Path, required=True)
    parser.add_argument("--checkov", default="checkov", help="the command")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        scanned, bare = Path(place) / "scanned", Path(place) / "bare"
        command = [sys.executable, "-m", "tapgen", "templates", "--evaluated"]
        subprocess.run([*command, str(scanned)], check=True, stdout=subprocess.PIPE)
        for system in scanned.iterdir():
            for environment in system.iterdir():
                if environment.name != _default(system.name):
                    shutil.rmtree(environment)
        explained = {one for file in _files(scanned) for one in _copy(file, bare)}
        found = {*_checkov(given.checkov, scanned), *_guard(given.guard, scanned)}
        hidden = {*_checkov(given.checkov, bare), *_guard(given.guard, bare)}
        numbers = _resources(scanned)
    # An explanation names no scanner, and some rules name no resource.
    named = {(f.file, f.resource, f.rule) for f in hidden}
    stale = {
        (file, title, rule)
        for file, title, rule in explained
        if (file, title, rule) not in named and (file, "", rule) not in named
    }
    for one in sorted(found):
        print(f"{one.rule} {one.file} {one.resource} ({one.scanner})")
    for file, resource, rule in sorted(stale):
        print(f"{rule} {file} {resource}: explained, but nothing reports it")
    print(f"\n{sum(numbers.values())} resources; findings in 100 of them:")
    for scanner in (CHECKOV, *SETS):
        each = [
            100 * sum(f.scanner == scanner for f in all_of) / sum(numbers.values())
            for all_of in (hidden, found)
        ]
        print(f"{scanner:12} {each[0]:5.1f}, of which not explained {each[1]:.1f}")
    return 1 if found or stale else 0


def _default(system: str) -> str:
    """Return the suffix of the default environment of a system."""
    manifest = Path("templates_out", system, "manifest.json")
    return str(json.loads(manifest.read_bytes())["suffix"])


def _files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.json"))


def _resources(root: Path) -> Counter[str]:
    return Counter(
        {str(f): len(json.loads(f.read_bytes())["Resources"]) for f in _files(root)}
    )


def _copy(file: Path, to: Path) -> Iterator[tuple[str, str, str]]:
    """Write a template without its explanations; yield file, resource and rule of each."""
    body = json.loads(file.read_bytes())
    name = "/".join(file.parts[-4:])
    for title, resource in body["Resources"].items():
        metadata = resource.get("Metadata", {})
        for skip in metadata.pop("checkov", {}).get("skip", ()):
            yield name, title, skip["id"]
        for rule in metadata.pop("guard", {}).get("SuppressedRules", ()):
            yield name, title, rule
    target = to / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(body), encoding="utf-8")


def _checkov(command: str, root: Path) -> Iterator[Found]:
    options = "--framework cloudformation --output json --quiet --compact"
    ran = subprocess.run(
        [command, "-d", str(root), *options.split(), "--skip-download"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        report = json.loads(ran.stdout)
    except ValueError:
        raise SystemExit(f"{command}: {ran.stderr.decode()[-2000:]}") from None
    for one in report.get("results", {}).get("failed_checks", ()):
        title = one["resource"].partition(".")[2]
        yield Found(CHECKOV, one["file_path"].strip("/"), title, one["check_id"])


def _guard(registry: Path, root: Path) -> Iterator[Found]:
    import cloudformation_validate as library

    settings = library.ValidateConfig(
        disable_builtin_rules=True, detail_level=library.DetailLevel.STANDARD
    )
    for scanner, name in SETS.items():
        mapping = json.loads((registry / f"mappings/rule_set_{name}.json").read_bytes())
        files = {registry / each["guardFilePath"]: None for each in mapping["mappings"]}
        rules = [library.file_to_external_rule_source(each) for each in files]
        engine = library.CelEngine(library.EngineConfig(guard_rules=rules))
        for file in _files(root):
            for one in engine.validate_template(
                file.read_bytes(), settings
            ).diagnostics:
                title = (one.entity.logical_id if one.entity else "") or ""
                yield Found(scanner, "/".join(file.parts[-4:]), title, one.rule_id)


if __name__ == "__main__":
    sys.exit(main())
