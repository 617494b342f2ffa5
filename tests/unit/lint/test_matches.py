"""Sharing runs, forking and caching change nothing: the matches are cfn-lint's own."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cfnlint.config import ConfigMixIn
from cfnlint.decode.decode import decode_str
from cfnlint.runner import Runner, run_template_by_data

from tapgen import lint
from tapgen.model import StackSet, System, Target

FOLDER = Path("templates_out")
GOOD = [
    Path(__file__).parents[2] / "rules" / "good" / name
    for name in ("dns.yaml", "global_table.yaml")
]
PLACES = (("us-east-1",), ("ap-southeast-7",), ("eu-west-1", "us-east-1"))

Break = Callable[[dict[str, Any]], object]


def resource(kind: str, **properties: Any) -> Break:
    """Adds a resource to a template."""
    seeded = {"Type": kind, "Properties": properties}
    return lambda body: body["Resources"].update(Seeded=seeded)


def value(text: Any) -> Break:
    return resource("AWS::SNS::Topic", DisplayName=text)


FAULTS: dict[str, Break] = {
    "none": lambda body: None,
    "unknown type": resource("AWS::Nope::Nope"),
    "unknown property": resource("AWS::SNS::Topic", Nope=1),
    "type in few regions": resource("AWS::QBusiness::Application", DisplayName="a"),
    "class in few regions": resource(
        "AWS::RDS::DBInstance", DBInstanceClass="db.x2g.16xlarge", Engine="postgres"
    ),
    "unknown attribute": value({"Fn::GetAtt": ["Seeded", "Nope"]}),
    "unknown reference": value({"Ref": "Nowhere"}),
    "unknown function": value({"Fn::Nope": "a"}),
    "wrong type": value({"a": 1}),
    "unused parameter": lambda body: body.setdefault("Parameters", {}).update(
        Unused={"Type": "String", "Default": ""}
    ),
    "unused condition": lambda body: body.setdefault("Conditions", {}).update(
        Unused={"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
    ),
    "circle": value({"Ref": "Seeded"}),
    "wrong zone": resource(
        "AWS::EC2::Subnet", AvailabilityZone="us-east-1a", VpcId="v"
    ),
}


@cache
def plain() -> Any:
    return Runner(ConfigMixIn()).rules


def by_cfn_lint(text: str, regions: tuple[str, ...]) -> set[tuple[Any, ...]]:
    template, errors = decode_str(text)
    matches = errors or run_template_by_data(
        template, ConfigMixIn(regions=sorted(regions)), plain()
    )
    return {(m.rule.id, m.message, m.linenumber, m.columnnumber) for m in matches}


# Linting takes long: each fault goes into one template, into each in `make soak`.
BOTH = ("none", *(FAULTS if "TAPGEN_SOAK" in os.environ else ()))


@pytest.mark.parametrize("fault", FAULTS)
def test_matches_are_those_of_cfn_lint(fault: str, tmp_path: Path) -> None:
    sets = []
    one = GOOD[[*FAULTS].index(fault) % 2]
    for path in GOOD if fault in BOTH else (one,):
        body = json.loads(json.dumps(decode_str(path.read_text())[0]))
        FAULTS[fault](broken := copy.deepcopy(body))
        text = json.dumps(broken, indent=2)
        for place, regions in enumerate(PLACES):
            targets = tuple(Target("111122223333", region) for region in regions)
            name = f"{path.stem}-{place}"
            sets.append(StackSet(f"x-{name}", name, text, "every", targets))
    it = System(
        "x", "custom", "dev", {}, Target("111122223333", "us-east-1"), tuple(sets)
    )

    theirs = {
        s.name: by_cfn_lint(s.template, tuple(t.region for t in s.targets))
        for s in sets
    }
    for cached in (*([None] if fault in BOTH else []), tmp_path, tmp_path):
        found: dict[str, set[tuple[Any, ...]]] = {s.name: set() for s in sets}
        for f in lint.check(it, FOLDER, cache=cached):
            if f.rule[1:3] != "95":
                match = (f.rule, f.message, f.line, f.column)
                found[f.stack_set].add(match)
        assert found == theirs
