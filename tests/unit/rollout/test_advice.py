"""What a user can do about a failure, by AWS's words."""

from __future__ import annotations

import pytest

from tapgen.rollout.advice import advice


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "The vpc 'vpc-0a1b' has dependencies and cannot be deleted. (Service: Ec2)",
            "GlobalAccelerator, which Global Accelerator never deletes",
        ),
        (
            "The vpc 'vpc-0a1b' has dependencies and cannot be deleted. (Service: Ec2)",
            "Name=vpc-id,Values=vpc-0a1b,",
        ),
        ("The subnet 'subnet-1' has dependencies and cannot be deleted", "a service"),
        ("resource sg-1 has a dependent object", "network interface"),
        (
            "Load balancer 'arn' cannot be deleted because deletion protection is enabled",
            "turn it off by hand and delete the stack",
        ),
    ],
)
def test_what_stands_in_the_way_of_a_deletion_is_named(reason: str, words: str) -> None:
    assert words in str(advice(reason))


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (
            "refused for the caller in 1/us-east-1: ",
            "credentials that tapgen was started",
        ),
        ("refused for role ops in 1/us-east-1: ", "the operator role"),
        ("", "the execution role"),
    ],
)
def test_who_lacks_a_permission_is_named(who: str, words: str) -> None:
    assert words in str(advice(f"{who}User: x is not authorized to perform: y"))


def test_nothing_is_said_about_what_is_unknown() -> None:
    assert advice("something else") is None
