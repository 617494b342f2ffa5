"""Properties that newly make a resource public."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.knowledge.exposure import SWITCHES, Switch
from tapgen.template.switches import exposed
from tests.unit.template.test_policies import at


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda s: f"{s.types[:1]}{s.path}")
def test_every_switch_is_named_when_it_opens_and_only_then(switch: Switch) -> None:
    kind = next(iter(switch.types), "AWS::Any::Thing")
    on = at(switch.path, (switch.on or ("something",))[0])
    off = at(switch.path, (switch.off or ("something else",))[0])
    opens, closed = (on, off) if switch.on or switch.off else ({}, off)

    assert len({*exposed(kind, closed, opens)}) == 1
    assert not [*exposed(kind, opens, closed)]
    assert not [*exposed(kind, closed, closed)]
    assert not [*exposed(kind, opens, opens)]
    assert bool([*exposed(kind, None, opens)]) == switch.new
    assert bool([*exposed(kind, closed, {})]) == switch.absent
    assert not [*exposed(kind, closed, None)]


@pytest.mark.parametrize(
    ("kind", "before", "after", "words"),
    [
        (
            "AWS::OpenSearchService::Domain",
            {"VPCOptions": {"SubnetIds": ["a"]}},
            {},
            "VPCOptions is dropped: it leaves its VPC",
        ),
        (
            "AWS::RDS::DBInstance",
            {},
            {"PubliclyAccessible": {"Ref": "Public"}},
            "PubliclyAccessible becomes ${Public}, which is known only later",
        ),
        (
            "AWS::S3::Bucket",
            {"PublicAccessBlockConfiguration": {"BlockPublicAcls": "true"}},
            {},
            "BlockPublicAcls is turned off",
        ),
    ],
)
def test_how_it_is_said(
    kind: str, before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    assert [*exposed(kind, before, after)] == [words]
