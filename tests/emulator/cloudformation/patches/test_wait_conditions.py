"""Wait conditions wait for signals that can come, and only for those."""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from urllib.request import Request, urlopen

from tapgen.emulator.cloudformation.patches.wait_conditions import only_machines_signal
from tests.emulator.places import Place, of


def _waiting(**more: Any) -> dict[str, Any]:
    return {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Await": of(
            "CloudFormation::WaitCondition",
            Handle={"Ref": "Handle"},
            Timeout="600",
            Count=2,
        ),
        **more,
    }


_DATA = {"Data": {"Value": {"Fn::GetAtt": ["Await", "Data"]}}}


def test_what_does_not_wait_is_created_first(place: Place) -> None:
    url = of("SSM::Parameter", Name="url", Type="String", Value={"Ref": "Handle"})
    after = of("SNS::Topic") | {"DependsOn": "Await"}
    place.begin("waits", _waiting(Url=url, After=after), Outputs=_DATA)

    thread = threading.Thread(target=_signal, args=[place])
    thread.start()
    outputs = place.outputs("waits", "CREATE_COMPLETE")
    thread.join()

    assert json.loads(outputs["Data"]) == {"1": "of 1", "2": "of 2"}


def _signal(place: Place) -> None:
    ssm = place.client("ssm")
    for _ in range(1200):
        found = ssm.get_parameters(Names=["url"])["Parameters"]
        if found:
            break
        time.sleep(0.05)
    for number in ("1", "2"):
        signal = {"Status": "SUCCESS", "UniqueId": number, "Data": f"of {number}"}
        url = found[0]["Value"]
        body, headers = json.dumps(signal).encode(), {"Content-Type": ""}
        urlopen(Request(url, body, headers, method="PUT")).close()


def test_signals_of_instances_are_assumed_and_reported(place: Place) -> None:
    server = of(
        "EC2::LaunchTemplate",
        LaunchTemplateData={"UserData": {"Fn::Sub": "cfn-signal '${Handle}'"}},
    )

    outputs = place.create("machines", _waiting(Server=server), Outputs=_DATA)

    assert json.loads(outputs["Data"]) == {"assumed-1": "", "assumed-2": ""}
    events = place.cloudformation.describe_stack_events(StackName="machines")
    reasons = [e.get("ResourceStatusReason", "") for e in events["StackEvents"]]
    assert any("2 SUCCESS signals are assumed" in reason for reason in reasons)


def test_signals_are_assumed_only_where_nothing_else_can_send_them() -> None:
    machine = of("EC2::Instance", UserData={"Fn::Sub": "${Handle}"})
    parameter = of("SSM::Parameter", Value={"Ref": "Handle"})

    assert only_machines_signal(_waiting(Server=machine), "Await")
    assert not only_machines_signal(_waiting(), "Await")
    assert not only_machines_signal(_waiting(S=machine, P=parameter), "Await")
    assert not only_machines_signal(
        _waiting(S=of("EC2::Instance", UserData="Handler")), "Await"
    )
