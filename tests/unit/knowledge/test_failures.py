"""The catalogue of known failures: each entry is found by its own example, and says where
its advice is from."""

from __future__ import annotations

import re

from tapgen.knowledge.failures import FAILURES
from tapgen.rollout.advice import advice, property_of

# AWS's words for what needs no other advice than an entry that has another example.
ALSO = {
    "bucket demo-bucket already exists": "a resource of this name exists",
    "The subnet 'subnet-1' has dependencies and cannot be deleted": "a service",
    "The maximum number of addresses has been reached.": "a service quota",
    "You have attempted to create more buckets than allowed (TooManyBuckets)": None,
    "Cancelled since failure tolerance has exceeded": None,
    "no luck today": None,
}


def test_every_failure_is_found_by_its_example_and_has_a_source() -> None:
    assert len(FAILURES) >= 40
    for known in FAILURES:
        first = next(
            k for k in FAILURES if re.search(k.pattern, known.example, re.IGNORECASE)
        )
        assert first is known, f"{known.example}: {first.pattern} comes first"
        ours = known.example.startswith(("refused for", "gate "))
        assert ours or known.source.startswith("https://"), known.example
        text = advice(known.example)
        assert text and not re.search(r"[{}]|\bNone\b", text), text


def test_other_words_get_the_same_advice_or_none() -> None:
    for reason, words in ALSO.items():
        found = advice(reason)
        assert (found is None) if words is None else (words in str(found)), reason


def test_what_aws_names_is_in_the_advice() -> None:
    denied = "User: x is not authorized to perform: iam:PassRole on resource: y"
    assert "lacks iam:PassRole" in str(advice(denied))
    used = "Export demo-vpc cannot be updated as it is in use by other-stack"
    assert str(advice(used)).startswith("other-stack imports")


def test_a_property_is_found_in_the_reason() -> None:
    reasons = {
        "Model validation failed (#/Tags/0/Key: expected maxLength: 128)": "Tags/0/Key",
        "with message: #: extraneous key [Colour] is not permitted": "Colour",
        "[Value of property {/BucketName} does not match type {String}]": "BucketName",
        "Value of property SecurityGroupIds must be of type List of String": (
            "SecurityGroupIds"
        ),
        "Encountered unsupported property Colour": "Colour",
        "it already exists": "",
    }
    assert {reason: property_of(reason) for reason in reasons} == reasons
