"""What another stack imports stays as it is, as on AWS.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html:
"You can't delete a stack if another stack references one of its outputs. You can't modify
or remove an output value that is referenced by another stack."
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulator.cloudformation.patches.templates import EAST, WEST
from tests.emulator.places import Place, of

TWO = {"A": of("SNS::Topic"), "B": of("SNS::Topic")}


def exports(**names: str) -> dict[str, Any]:
    """Outputs with these export names, each the Ref of a resource."""
    return {
        name: {"Value": {"Ref": of}, "Export": {"Name": name}}
        for name, of in names.items()
    }


def importing(name: Any = "shared", **more: Any) -> dict[str, Any]:
    value = {"Fn::ImportValue": name}
    return {"P": {**of("SSM::Parameter", Type="String", Value=value), **more}}


def ended(place: Place, name: str) -> tuple[str, list[str]]:
    """The status of a stack, and every reason of its own events, newest first."""
    status = place.settled(name)["StackStatus"]
    events = place.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    own = [e for e in events if e["ResourceType"] == "AWS::CloudFormation::Stack"]
    return status, [e.get("ResourceStatusReason", "") for e in own]


def listed(place: Place) -> dict[str, str]:
    found = place.cloudformation.list_exports()["Exports"]
    return {export["Name"]: export["Value"] for export in found}


def update(place: Place, name: str, resources: Any, **sections: Any) -> None:
    body = json.dumps({"Resources": resources, **sections})
    place.cloudformation.update_stack(StackName=name, TemplateBody=body)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (
            exports(shared="B"),
            "Export shared cannot be updated as it is in use by user",
        ),
        ({}, "Export shared cannot be deleted as it is in use by user"),
        (
            exports(renamed="A"),
            "Export shared cannot be deleted as it is in use by user",
        ),
    ],
)
def test_an_update_cannot_change_or_remove_an_export_in_use(
    place: Place, outputs: Any, message: str
) -> None:
    place.create("owner", TWO, Outputs=exports(shared="A"))
    before = listed(place)
    place.create("user", importing())

    update(place, "owner", {**TWO, "C": of("SNS::Topic")}, Outputs=outputs)

    status, reasons = ended(place, "owner")
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert message in reasons
    assert listed(place) == before
    assert place.ids("owner").keys() == {"A", "B"}


def test_a_replacement_that_changes_an_export_in_use_is_rolled_back(
    place: Place,
) -> None:
    queue = of("SQS::Queue", QueueName="old")
    place.create("owner", {"Q": queue}, Outputs=exports(shared="Q"))
    place.create("user", importing())

    renamed = {"Q": of("SQS::Queue", QueueName="new")}
    update(place, "owner", renamed, Outputs=exports(shared="Q"))

    status, reasons = ended(place, "owner")
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Export shared cannot be updated as it is in use by user" in reasons
    assert place.ids("owner")["Q"].endswith("/old")


def test_a_stack_whose_export_is_in_use_is_not_deleted(place: Place) -> None:
    place.create("owner", TWO, Outputs=exports(shared="A", other="B"))
    place.create("user", importing())
    place.create("another", importing())

    place.cloudformation.delete_stack(StackName="owner")

    status, reasons = ended(place, "owner")
    assert status == "CREATE_COMPLETE"
    assert reasons[0] == (
        "Export shared cannot be deleted as it is in use by another, user"
    )
    assert place.ids("owner").keys() == {"A", "B"}
    assert place.cloudformation.list_imports(ExportName="shared")["Imports"] == [
        *("another", "user")
    ]
    place.delete("user")
    place.delete("another")
    with pytest.raises(ClientError, match="is not imported by any stack"):
        place.cloudformation.list_imports(ExportName="shared")
    place.delete("owner")
    assert listed(place) == {}


def test_what_is_not_in_use_is_changed_and_removed(place: Place) -> None:
    place.create("owner", TWO, Outputs=exports(shared="A", other="A"))
    place.create("user", importing())

    place.update("owner", TWO, Outputs=exports(shared="A", other="B"))
    assert listed(place)["other"].split(":")[-1].startswith("owner-B-")
    place.update("owner", TWO, Outputs=exports(shared="A"))
    assert listed(place).keys() == {"shared"}


@pytest.mark.parametrize(
    ("resources", "sections"),
    [
        (importing(Condition="Never"), {}),
        (
            {
                "P": of(
                    "SSM::Parameter",
                    Type="String",
                    Value={"Fn::If": ["Never", {"Fn::ImportValue": "shared"}, "x"]},
                )
            },
            {},
        ),
        (
            {**TWO, "M": {**of("SNS::Topic"), "Metadata": {"note": "shared"}}},
            {},
        ),
    ],
)
def test_an_import_that_is_not_in_force_holds_nothing(
    place: Place, resources: Any, sections: Any
) -> None:
    never = {"Never": {"Fn::Equals": [{"Ref": "AWS::Region"}, "nowhere"]}}
    place.create("owner", TWO, Outputs=exports(shared="A"))
    place.create("user", {**resources, **TWO}, Conditions=never, **sections)

    place.update("owner", TWO, Outputs=exports(shared="B"))


def test_a_name_that_is_put_together_is_an_import_too(place: Place) -> None:
    place.create("owner", TWO, Outputs=exports(**{"east": "A"}))
    place.create("user", importing({"Fn::Join": ["", ["ea", "st"]]}))
    place.create("other", importing({"Fn::Sub": "${Name}"}), **named("east"))

    update(place, "owner", TWO)

    _, reasons = ended(place, "owner")
    assert "Export east cannot be deleted as it is in use by other, user" in reasons


def named(default: str) -> dict[str, Any]:
    return {"Parameters": {"Name": {"Type": "String", "Default": default}}}


def test_a_name_that_another_stack_exports_is_taken(place: Place) -> None:
    place.create("owner", TWO, Outputs=exports(shared="A"))
    before = listed(place)

    place.begin("second", TWO, Outputs=exports(shared="B"))

    status, reasons = ended(place, "second")
    assert status == "ROLLBACK_COMPLETE"
    assert "Export with name shared is already exported by stack owner" in reasons
    assert listed(place) == before
    elsewhere = place.at(WEST)
    elsewhere.create("second", TWO, Outputs=exports(shared="B"))


def test_a_stack_set_reports_an_export_that_is_in_use(place: Place) -> None:
    cloudformation = place.cloudformation
    trust = {"Service": "cloudformation.amazonaws.com"}
    arn = (
        f"arn:aws:iam::{place.account}:role/AWSCloudFormationStackSetAdministrationRole"
    )
    for role, principal in (
        ("AWSCloudFormationStackSetAdministrationRole", trust),
        ("AWSCloudFormationStackSetExecutionRole", {"AWS": arn}),
    ):
        statement = {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "sts:AssumeRole",
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        place.client("iam").create_role(
            RoleName=role, AssumeRolePolicyDocument=json.dumps(document)
        )

    def finished(operation: str) -> str:
        while True:
            found = cloudformation.describe_stack_set_operation(
                StackSetName="owners", OperationId=operation
            )["StackSetOperation"]
            if found["Status"] not in ("QUEUED", "RUNNING"):
                break
        results = cloudformation.list_stack_set_operation_results(
            StackSetName="owners", OperationId=operation
        )["Summaries"]
        return str(results[0].get("StatusReason", results[0]["Status"]))

    def body(of: str) -> str:
        return json.dumps({"Resources": TWO, "Outputs": exports(shared=of)})

    at = {"Accounts": [place.account], "Regions": [EAST]}
    cloudformation.create_stack_set(StackSetName="owners", TemplateBody=body("A"))
    done = cloudformation.create_stack_instances(StackSetName="owners", **at)
    assert finished(done["OperationId"]) == "SUCCEEDED"
    place.create("user", importing())

    done = cloudformation.update_stack_set(
        StackSetName="owners", TemplateBody=body("B")
    )
    assert "cannot be updated as it is in use by user" in finished(done["OperationId"])
    done = cloudformation.delete_stack_instances(
        StackSetName="owners", RetainStacks=False, **at
    )
    assert "cannot be deleted as it is in use by user" in finished(done["OperationId"])


uses = st.fixed_dictionaries({n: st.booleans() for n in ("one", "two")})
values = st.dictionaries(st.sampled_from(("one", "two")), st.sampled_from("AB"))
_numbers = iter(range(1_000))


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(used=uses, after=values)
def test_an_export_in_use_never_changes(
    place: Place, used: dict[str, bool], after: dict[str, str]
) -> None:
    """An update is refused just where it touches what is in use."""
    number = next(_numbers)
    before = {"one": "A", "two": "A"}

    def outputs(refs: dict[str, str]) -> Any:
        own = {f"{name}-{number}": ref for name, ref in refs.items()}
        made = exports(**own)
        return {name.replace("-", "x"): output for name, output in made.items()}

    owner = f"owner{number}"
    place.create(owner, TWO, Outputs=outputs(before))
    for name, really in used.items():
        if really:
            place.create(f"{name}{number}", importing(f"{name}-{number}"))
    touched = {n for n, really in used.items() if really and after.get(n) != "A"}
    if after == before:
        return

    update(place, owner, TWO, Outputs=outputs(after))

    status, _ = ended(place, owner)
    assert (status == "UPDATE_COMPLETE") == (not touched)
    kept = before if touched else after
    names = {n.partition("-")[0] for n in listed(place) if n.endswith(f"-{number}")}
    assert names == kept.keys()
