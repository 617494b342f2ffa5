"""A plan is refused for resource types of which nobody knows the permissions."""

from __future__ import annotations

import json
from dataclasses import replace

from tapgen.plan import permissions
from tests import make


def test_types_without_permissions_are_named_with_their_parts() -> None:
    feed = json.dumps({"Resources": {"F": {"Type": "Org::Data::Feed"}}})
    it = make.system(
        make.stack_set("a", text=feed),
        make.stack_set("b", text=feed),
        make.stack_set("c", text='{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}'),
    )

    assert permissions.missing(it) == (
        "a, b: Org::Data::Feed has no permissions in the execution role, as no schema "
        "lists any; give them in the config under permissions: "
        "{Org::Data::Feed: [service:Action]}",
    )
    given = replace(it, granted_types=frozenset({"Org::Data::Feed"}))
    assert permissions.missing(given) == ()


def test_types_with_handlers_or_in_the_table_and_custom_ones_are_fine() -> None:
    types = (
        "AWS::CodeBuild::Project",
        "Custom::X",
        "AWS::CDK::Metadata",
        "AWS::S3::Bucket",
    )
    body = {"Resources": {f"R{n}": {"Type": t} for n, t in enumerate(types)}}

    assert (
        permissions.missing(make.system(make.stack_set("a", text=json.dumps(body))))
        == ()
    )
