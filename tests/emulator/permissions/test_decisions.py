"""Decisions against ministack's own evaluation, which knows everything."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ministack.core import iam_evaluator

from tapgen.emulator.permissions.decisions import MAYBE, NO, YES, Policies, decide

ACTIONS = ["sqs:CreateQueue", "sqs:DeleteQueue"]
NAMES = ["a", "ab", "b"]
TAGS = ["x", "y"]
ARN = "arn:aws:sqs:us-east-1:111111111111:"
_names = st.sampled_from(NAMES)
_tags = st.dictionaries(
    st.sampled_from(["aws:ResourceTag/t", "aws:RequestTag/t"]), st.sampled_from(TAGS)
)
_condition = st.builds(
    lambda operator, key, value: {
        operator: {key: value if operator != "Null" else "true"}
    },
    st.sampled_from(
        [
            "StringEquals",
            "StringNotEquals",
            "StringLike",
            "StringEqualsIfExists",
            "Null",
        ]
    ),
    st.sampled_from(["aws:ResourceTag/t", "aws:RequestTag/t", "sqs:other"]),
    st.sampled_from([*TAGS, "*", "?"]),
)
_statement = st.builds(
    lambda effect, action, key, resource, condition: {
        "Effect": effect,
        "Action": action,
        key: resource,
        **({"Condition": condition} if condition else {}),
    },
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.sampled_from([*ACTIONS, "sqs:*", "SQS:create*", "*"]),
    st.sampled_from(["Resource", "Resource", "NotResource"]),
    st.sampled_from(["*", *(ARN + name for name in ["a", "a*", "?", "*b", "c"])]),
    st.none() | _condition,
)
_policy = st.lists(_statement, max_size=4)


@given(
    *(_policy, st.none() | _policy, st.sampled_from(ACTIONS), _names, _tags),
    *(st.booleans(), st.sets(st.sampled_from(["aws:resourcetag/t", "sqs:other"]))),
)
def test_what_is_decided_without_knowing_everything_is_right(
    own: list[Any],
    boundary: list[Any] | None,
    action: str,
    name: str,
    tags: dict[str, str],
    named: bool,
    forgotten: set[str],
) -> None:
    """Whatever is left out, a decision is that of who knows it; and with everything
    known, there is a decision."""
    parse = iam_evaluator.parse_policy_document
    layers = [parse(json.dumps({"Statement": own}))]
    if boundary is not None:
        layers.append(parse(json.dumps({"Statement": boundary})))
    context = {key.lower(): value for key, value in tags.items()}
    known = iam_evaluator.evaluate(
        iam_evaluator.EvalContext(
            principal_arn="arn:aws:sts::111111111111:assumed-role/r/s",
            principal_type="AssumedRole",
            principal_account="111111111111",
            action=action,
            resource_arn=ARN + name,
            region="us-east-1",
            service_context=context,
        ),
        [layers[0]],
        *([layer] for layer in layers[1:]),
    )
    keys: dict[str, str | None] = {
        key: context.get(key)
        for key in {"aws:resourcetag/t", "aws:requesttag/t", "sqs:other"} - forgotten
    }
    arn = ARN + (name if named else name[:1] + "*")

    verdict = decide(Policies(*layers), action, [arn], [keys])

    if verdict.value != MAYBE:
        assert verdict.value == (YES if known.decision == "Allow" else NO)
    if named and not forgotten:
        assert verdict.value != MAYBE
    # What is not asked further is what nothing about the call could change.
    if Policies(*layers).about(action).always:
        assert verdict.value == YES
