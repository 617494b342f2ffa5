"""The order of waves by what is used today, on data alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tapgen import plan
from tapgen.model import Observed, Output, StackSet, Target, Value
from tapgen.plan.users import take_away
from tests import make
from tests.make import EAST, WEST

GROUP = {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "a"}}
TOPIC = {"Type": "AWS::SNS::Topic"}


def provider(*names: str, part: str = "net", **more: Any) -> StackSet:
    """A stack set with a group for each name, and its id as an output."""
    text = json.dumps(
        {
            "Resources": {"Base": TOPIC} | {n: GROUP for n in names},
            "Outputs": {f"{n}Id": {"Value": {"Ref": n}} for n in names},
        }
    )
    return make.stack_set(part, text=text, **more)


def deployed(s: StackSet, **values: str) -> Observed:
    """A stack set as it is deployed, with the ids of its groups as outputs."""
    found = make.observed(s, parameters=values)
    outputs = {o: f"sg-{o}" for o in json.loads(s.template).get("Outputs", {})}
    instances = {t: make.instance(outputs=outputs) for t in s.targets}
    return replace(found, instances=instances)


def user(part: str = "app", **more: Any) -> StackSet:
    return make.stack_set(part, text=make.template(("Group",)), **more)


def given_value(value: Value, part: str = "app", **more: Any) -> StackSet:
    return user(part, parameters={"Group": value}, **more)


def exporter(*names: str) -> StackSet:
    body = {
        "Resources": {"Base": TOPIC, **{f"R{n}": TOPIC for n in names}},
        "Outputs": {f"O{n}": {"Value": "x", "Export": {"Name": n}} for n in names},
    }
    return make.stack_set("net", text=json.dumps(body))


def importer(*names: str, part: str = "app", **more: Any) -> StackSet:
    resources = {
        f"R{n}": {**TOPIC, "Properties": {"DisplayName": {"Fn::ImportValue": n}}}
        for n in names
    }
    text = json.dumps({"Resources": {"Base": TOPIC, **resources}})
    return make.stack_set(part, text=text, **more)


def planned(*wanted: StackSet, was: Mapping[str, Observed] | None = None) -> plan.Plan:
    return plan.make(make.system(*wanted), was or {})


def found(*deployed_sets: Observed) -> dict[str, Observed]:
    return {o.name: o for o in deployed_sets}


def parts(the_plan: plan.Plan) -> list[list[str]]:
    return [[step.part for step in wave] for wave in the_plan.waves]


def test_a_group_goes_after_the_stack_that_still_uses_it() -> None:
    was = found(deployed(provider("Old")), deployed(user(), Group="sg-OldId"))

    the_plan = planned(provider(), given_value("none"), was=was)

    assert parts(the_plan) == [["app"], ["net"]]
    assert plan.refusals(the_plan) == []


def test_a_user_that_takes_another_output_that_is_there_goes_first_too() -> None:
    was = found(deployed(provider("Old", "Other")), deployed(user(), Group="sg-OldId"))

    the_plan = planned(
        provider("Other"), given_value(Output("net", "OtherId")), was=was
    )

    assert parts(the_plan) == [["app"], ["net"]]
    assert the_plan.steps[0].values == {"Group": "sg-OtherId"}
    assert plan.refusals(the_plan) == []


def test_a_user_that_needs_a_new_output_takes_two_rollouts() -> None:
    was = found(deployed(provider("Old")), deployed(user(), Group="sg-OldId"))

    the_plan = planned(provider("New"), given_value(Output("net", "NewId")), was=was)

    (text,) = plan.refusals(the_plan)
    assert text == (
        "demo-test-net in 111111111111/us-east-1: output OldId would be removed while "
        "demo-test-app in 111111111111/us-east-1 still uses it, and demo-test-app can "
        "change only afterwards; it takes two rollouts: keep what it uses in "
        "demo-test-net, roll out, then remove it; where a shipped blueprint decides "
        "that, it is no change but another system: create one with another suffix"
    )


def test_a_user_that_depends_on_its_provider_takes_two_rollouts() -> None:
    was = found(deployed(provider("Old")), deployed(user(), Group="sg-OldId"))

    the_plan = planned(provider(), given_value("none", depends_on=("net",)), was=was)

    assert "two rollouts" in plan.refusals(the_plan)[0]


def test_a_user_in_another_account_goes_first_too() -> None:
    far = Target("222222222222", "us-east-1")
    was = found(
        deployed(provider("Old")), deployed(user(targets=(far,)), Group="a,sg-OldId")
    )

    the_plan = planned(provider(), given_value("none", targets=(far,)), was=was)

    assert parts(the_plan) == [["app"], ["net"]]


def test_what_is_still_given_as_a_value_is_not_removed() -> None:
    was = found(deployed(provider("Old")), deployed(user(), Group="sg-OldId"))

    the_plan = planned(provider(), given_value("sg-OldId"), was=was)

    assert "still is given it" in plan.refusals(the_plan)[0]


def test_an_output_whose_resource_stays_orders_nothing() -> None:
    old = provider("Old")
    kept = replace(
        old, template=json.dumps({**json.loads(old.template), "Outputs": {}})
    )
    was = found(deployed(old), deployed(user(), Group="sg-OldId"))

    the_plan = planned(kept, given_value("none"), was=was)

    assert parts(the_plan) == [["net", "app"]]


def test_a_retained_resource_orders_nothing() -> None:
    old = provider("Old")
    body = json.loads(old.template)
    body["Resources"]["Old"] = {**GROUP, "DeletionPolicy": "Retain"}
    old = replace(old, template=json.dumps(body))
    was = found(deployed(old), deployed(user(), Group="sg-OldId"))

    the_plan = planned(provider(), given_value("none"), was=was)

    assert parts(the_plan) == [["net", "app"]]


def test_a_stack_set_that_leaves_is_deleted_before_what_it_uses() -> None:
    was = found(deployed(provider("Old")), deployed(user(), Group="sg-OldId"))

    the_plan = planned(provider(), was=was)

    assert parts(the_plan) == [["app"], ["net"]]


def test_a_stack_set_that_leaves_with_its_data_takes_two_rollouts() -> None:
    body = json.loads(make.template(("Group",)))
    body["Resources"]["Table"] = {"Type": "AWS::DynamoDB::Table"}
    app = make.stack_set("app", text=json.dumps(body))
    was = found(deployed(provider("Old")), deployed(app, Group="sg-OldId"))

    the_plan = planned(provider(), was=was)

    assert parts(the_plan) == [["net"], ["app"]]
    assert any("two rollouts" in text for text in plan.refusals(the_plan))


def test_a_target_that_leaves_goes_before_what_it_uses() -> None:
    both = (EAST, WEST)
    was = found(
        deployed(provider("Old", targets=both)),
        deployed(user(targets=both), Group="sg-OldId"),
    )

    the_plan = planned(
        provider("Old", targets=(EAST,)), given_value("sg-OldId"), was=was
    )

    assert parts(the_plan) == [["app"], ["net"]]


def test_stack_sets_that_leave_together_go_user_first() -> None:
    was = found(
        deployed(provider("Old", part="a")), deployed(user("b"), Group="sg-OldId")
    )

    assert parts(planned(was=was)) == [["b"], ["a"]]
    assert parts(plan.destroy(make.system(), was)) == [["b"], ["a"]]


def test_an_export_goes_after_the_import() -> None:
    was = found(
        make.observed(exporter("first", "second")), make.observed(importer("first"))
    )

    the_plan = planned(exporter("second"), importer("second"), was=was)

    assert parts(the_plan) == [["app"], ["net"]]


def test_an_export_that_becomes_another_takes_two_rollouts_where_order_is_given() -> (
    None
):
    was = found(make.observed(exporter("first")), make.observed(importer("first")))
    app = importer("second", depends_on=("net",))

    (text,) = plan.refusals(planned(exporter("second"), app, was=was))

    assert "export first would be removed" in text
    assert "two rollouts" in text


def test_an_export_that_is_still_imported_stays() -> None:
    was = found(make.observed(exporter("first")), make.observed(importer("first")))

    (text,) = plan.refusals(planned(exporter(), importer("first"), was=was))

    assert text == (
        "demo-test-net in 111111111111/us-east-1: export first would be removed, and "
        "demo-test-app in 111111111111/us-east-1 still imports it; keep it, or change "
        "demo-test-app as well"
    )


def test_a_renamed_output_of_the_same_export_orders_nothing() -> None:
    was = found(make.observed(exporter("first")), make.observed(importer("first")))
    body = json.loads(exporter("first").template)
    body["Outputs"] = {"Renamed": body["Outputs"]["Ofirst"]}
    net = replace(exporter(), template=json.dumps(body))

    the_plan = planned(net, importer("first"), was=was)

    assert parts(the_plan) == [["net"]]
    assert plan.refusals(the_plan) == []


GROUPS = st.sets(st.sampled_from(["A", "B", "C"]), min_size=1)


def _without(found: Observed, takes: Collection[str]) -> Observed:
    """A stack set as it is read where only the outputs of these parts are taken."""
    if found.name.removeprefix("demo-test-") in takes:
        return found
    instances = {t: replace(i, outputs=None) for t, i in found.instances.items()}
    return replace(found, instances=instances)


@given(st.data())
def test_nothing_is_removed_while_it_is_used_or_the_plan_is_refused(
    data: st.DataObject,
) -> None:
    names = ["one", "two", "three"]
    old = {n: data.draw(GROUPS, f"old {n}") for n in names}
    new = {n: data.draw(GROUPS, f"new {n}") for n in names}

    def taken(groups: Mapping[str, set[str]], number: int) -> tuple[str, str] | None:
        some = [(n, g) for n in names[:number] for g in sorted(groups[n])]
        return data.draw(st.sampled_from([None, *some]))

    def stack(n: str, groups: set[str], takes: Value) -> StackSet:
        body = json.loads(provider(*sorted(groups)).template)
        body["Parameters"] = {"Group": {"Type": "String"}}
        given = {"Group": takes}
        return make.stack_set(n, text=json.dumps(body), parameters=given)

    was, users, wanted, kept = {}, {}, [], {}
    for number, n in enumerate(names):
        users[n] = taken(old, number)
        value = f"{users[n][0]}.{users[n][1]}" if users[n] else "none"
        s = stack(n, old[n], value)
        instance = make.instance(outputs={f"{g}Id": f"{n}.{g}" for g in old[n]})
        was[s.name] = make.observed(s, instances={EAST: instance})
        kept[n] = taken(new, number)
        out = Output(kept[n][0], f"{kept[n][1]}Id") if kept[n] else "none"
        wanted.append(stack(n, new[n], out))

    the_plan = planned(*wanted, was=was)

    # Outputs that nobody takes change nothing, where nothing is taken away.
    takes = {kept[n][0] for n in names if kept[n]}
    lean = planned(*wanted, was={k: _without(o, takes) for k, o in was.items()})
    if not take_away(lean.steps):
        assert lean.waves == the_plan.waves
        assert plan.refusals(lean) == plan.refusals(the_plan)
    if not plan.refusals(the_plan):
        using = dict(users)
        for wave in the_plan.waves:
            for step in wave:
                gone = {(step.part, g) for g in old[step.part] - new[step.part]}
                others = {u for p, u in using.items() if p != step.part}
                assert not gone & others
            for step in wave:
                using[step.part] = kept[step.part]
