"""Who provides what in a deployed system, and who uses it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tapgen.system import ledger
from tests import make
from tests.make import EAST, WEST


def exporter(name: Any, **more: Any) -> Any:
    body = json.loads(make.template())
    body["Outputs"] = {"Out": {"Value": "x", "Export": {"Name": name}}}
    return make.observed(make.stack_set("net", text=json.dumps(body), **more))


def importer(name: Any, **more: Any) -> Any:
    body = json.loads(make.template())
    body["Resources"]["Topic"]["Properties"] = {
        "DisplayName": {"Fn::ImportValue": name}
    }
    return make.observed(make.stack_set("app", text=json.dumps(body), **more))


def uses(*found: Any) -> list[ledger.Use]:
    return ledger.uses({o.name: o for o in found})


def test_an_import_is_found_in_the_same_region_only() -> None:
    name = {"Fn::Sub": "net-${AWS::Region}"}
    found = uses(
        exporter(name, targets=(EAST, WEST)), importer("net-us-west-2", targets=(WEST,))
    )

    assert found == [
        ledger.Use("demo-test-app", WEST, "demo-test-net", WEST, export="net-us-west-2")
    ]
    assert not uses(exporter("far", targets=(EAST,)), importer("far", targets=(WEST,)))


def test_an_import_in_an_output_counts() -> None:
    body = json.loads(make.template())
    body["Outputs"] = {"Again": {"Value": {"Fn::ImportValue": "net"}}}
    app = make.observed(make.stack_set("app", text=json.dumps(body)))

    assert [u.what for u in uses(exporter("net"), app)] == ["export net"]


def test_a_parameter_value_is_found_in_a_list_too() -> None:
    net = replace(
        make.observed(make.stack_set("net")),
        instances={EAST: make.instance(outputs={"Id": "sg-1"})},
    )
    app = make.observed(make.stack_set("app", parameters={"Groups": "sg-0,sg-1"}))

    (use,) = [u for u in uses(net, app) if u.provider == net.name]

    assert (use.user, use.at, use.what, use.value) == (
        app.name,
        EAST,
        "output Id",
        "sg-1",
    )
