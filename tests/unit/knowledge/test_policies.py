"""Every property that could hold a policy is in a table, and every table is right."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tapgen.knowledge.policies import ATTACHED, GIVEN_TO, NAMED, OTHERS, TEXTS, WITHOUT
from tapgen.template import policies, schemas

TYPES = sorted(schemas.types("us-east-1"))


def texts(kind: str) -> Iterator[str]:
    """Properties that are text and called like a document of a policy."""
    for path, about in schemas.leaves(kind):
        name = path.rpartition("/")[2]
        is_text = "string" in (about.get("type") or "") and "enum" not in about
        whole = kind.endswith("Policy") and name in ("Policy", "Content")
        if is_text and (re.search("Policy(Document|Text)$", name) or whole):
            yield path


def test_every_text_called_like_a_policy_is_one_or_is_known_to_be_none() -> None:
    unknown = [
        f"{kind} {path}"
        for kind in TYPES
        for path in texts(kind)
        if path not in policies.paths(kind) and f"{kind} {path}" not in OTHERS
    ]
    assert unknown == []


def test_what_the_schemas_say_is_not_repeated_and_what_is_said_of_them_is_there() -> (
    None
):
    for kind, paths in TEXTS.items():
        known = {path for path, _ in schemas.leaves(kind)}
        assert {*paths} <= known, kind
        said = {p for p in schemas.objects(kind) if re.fullmatch(NAMED, p)}
        assert not {*paths} & said, kind
    for place in OTHERS:
        kind, path = place.split(" ")
        assert path in {path for path, _ in schemas.leaves(kind)}, place
        assert path not in policies.paths(kind), place


def test_whom_a_policy_is_for_and_what_is_attached_are_properties() -> None:
    for kind, names in (*GIVEN_TO.items(), *ATTACHED.items()):
        schema = schemas.schema(kind) or {}
        assert {*names} <= {*schema["properties"]}, kind
    for kind in (*GIVEN_TO, *WITHOUT):
        assert policies.paths(kind), kind


def test_the_policies_of_well_known_types_are_found() -> None:
    assert policies.paths("AWS::IAM::Role") == (
        "AssumeRolePolicyDocument",
        "Policies/*/PolicyDocument",
    )
    assert policies.paths("AWS::DynamoDB::GlobalTable") == (
        "Replicas/*/ReplicaStreamSpecification/ResourcePolicy/PolicyDocument",
        "Replicas/*/ResourcePolicy/PolicyDocument",
    )
    assert policies.paths("AWS::OpenSearchService::Domain") == ("AccessPolicies",)
    assert policies.paths("AWS::SQS::Queue") == ()
    assert policies.paths("Custom::Thing") == ()
