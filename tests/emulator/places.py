"""Stacks in the accounts and regions of an embedded AWS that knows all schemas."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapgen.emulator.server import lifecycle
from tests.emulated import forks
from tests.emulator.conftest import connected

PATIENCE = 60  # seconds

Outputs = dict[str, str]

_numbers = itertools.count(1)


def served(folder: Path) -> Iterator[lifecycle.Server]:
    """An embedded AWS until the generator is closed."""
    yield lifecycle.start(folder, forks.module("tests.emulator.serve_schemas"))
    lifecycle.stop(folder)


@dataclass(frozen=True)
class Place:
    """An account in a region."""

    url: str
    account: str
    region: str = "us-east-1"

    def client(self, service: str) -> Any:
        return connected(self.url, service, self.account, self.region)

    def at(self, region: str) -> Place:
        return Place(self.url, self.account, region)

    @property
    def cloudformation(self) -> Any:
        return self.client("cloudformation")

    def create(self, name: str, resources: Any, **sections: Any) -> Outputs:
        """Outputs of a new stack; AssertionError with its events when it fails."""
        self.begin(name, resources, **sections)
        return self.outputs(name, "CREATE_COMPLETE")

    def begin(self, name: str, resources: Any, **sections: Any) -> None:
        self.cloudformation.create_stack(
            StackName=name,
            TemplateBody=template(resources, sections),
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

    def update(self, name: str, resources: Any, **sections: Any) -> Outputs:
        self.cloudformation.update_stack(
            StackName=name,
            TemplateBody=template(resources, sections),
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        return self.outputs(name, "UPDATE_COMPLETE")

    def delete(self, name: str, status: str = "DELETE_COMPLETE") -> None:
        stack = self.stack(name)["StackId"]
        self.cloudformation.delete_stack(StackName=name)
        assert self.settled(stack)["StackStatus"] == status, self.reasons(stack)

    def stack(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cloudformation.describe_stacks(StackName=name)
        stack: dict[str, Any] = found["Stacks"][0]
        return stack

    def settled(self, name: str) -> dict[str, Any]:
        """The stack once nothing is in progress."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            stack = self.stack(name)
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack
            time.sleep(0.01)
        raise AssertionError(f"{name} is still {stack['StackStatus']}")

    def outputs(self, name: str, status: str) -> Outputs:
        stack = self.settled(name)
        assert stack["StackStatus"] == status, self.reasons(name)
        return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}

    def reasons(self, name: str) -> dict[str, str]:
        """Why resources failed, by logical id."""
        events = self.cloudformation.describe_stack_events(StackName=name)
        return {
            e["LogicalResourceId"]: e["ResourceStatusReason"]
            for e in events["StackEvents"]
            if e["ResourceStatus"].endswith("_FAILED")
        }

    def failed(self, name: str, resources: Any, **sections: Any) -> str:
        """Why the resource `R` of a new stack failed."""
        self.begin(name, resources, **sections)
        assert self.settled(name)["StackStatus"] == "ROLLBACK_COMPLETE"
        return self.reasons(name)["R"]

    def changes(self, name: str, resources: Any, **sections: Any) -> dict[str, str]:
        """What a change set says of replacement, by logical id."""
        self.cloudformation.create_change_set(
            StackName=name,
            ChangeSetName="c",
            TemplateBody=template(resources, sections),
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        waiter = self.cloudformation.get_waiter("change_set_create_complete")
        waiter.config.delay, waiter.config.max_attempts = 0.05, 1200
        waiter.wait(StackName=name, ChangeSetName="c")
        found = self.cloudformation.describe_change_set(
            StackName=name, ChangeSetName="c"
        )
        changes = [one["ResourceChange"] for one in found["Changes"]]
        return {
            c["LogicalResourceId"]: c.get("Replacement", c["Action"]) for c in changes
        }

    def ids(self, name: str) -> dict[str, str]:
        """Physical ids by logical id."""
        found = self.cloudformation.describe_stack_resources(StackName=name)
        return {
            r["LogicalResourceId"]: r["PhysicalResourceId"]
            for r in found["StackResources"]
        }


def new_account() -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"5{int(worker) + 1:03}{next(_numbers):08}"


def template(resources: Any, sections: Mapping[str, Any]) -> str:
    return json.dumps({"Resources": resources, **sections})


def of(type_name: str, **properties: Any) -> dict[str, Any]:
    """A resource of a template; `type_name` without `AWS::`."""
    return {"Type": f"AWS::{type_name}", "Properties": properties}


def get(logical_id: str, *attributes: str) -> dict[str, Any]:
    """Outputs with Ref and the given attributes of a resource."""
    return {
        "Ref": {"Value": {"Ref": logical_id}},
        **{
            attribute.replace(".", ""): {
                "Value": {"Fn::GetAtt": [logical_id, attribute]}
            }
            for attribute in attributes
        },
    }


def tags(found: Any) -> dict[str, str]:
    """Tags as a dictionary, without those that CloudFormation adds."""
    pairs = [
        (t.get("Key") or t.get("TagKey"), t.get("Value") or t.get("TagValue"))
        for t in found
    ]
    return {k: v for k, v in pairs if not k.startswith("aws:")}
