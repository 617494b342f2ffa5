"""Load balancers that forward to several target groups by weight.

ministack reads and returns one target group of a forward, never the weights. Here it
stores all of them, and forwards requests to the one with the highest weight.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.alb": {
        "_action_xml": ("a",),
        "_p": ("params", "key", "default"),
        "_parse_actions": ("params", "prefix"),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""


def _alb() -> Any:
    return import_module("ministack.services.alb")


def apply() -> None:
    """Let listeners and rules store and return several target groups with weights."""
    alb = _alb()
    parse, show = alb._parse_actions, alb._action_xml

    def parsed(params: Any, prefix: str = "DefaultActions") -> Any:
        actions = parse(params, prefix)
        for number, action in enumerate(actions, 1):
            config = _forward_config(params, f"{prefix}.member.{number}.ForwardConfig")
            if config["TargetGroups"]:
                action["ForwardConfig"] = config
                heaviest = max(config["TargetGroups"], key=lambda one: one["Weight"])
                # The one that requests really go to.
                action["TargetGroupArn"] = heaviest["TargetGroupArn"]
        return actions

    def shown(action: Mapping[str, Any]) -> str:
        config = action.get("ForwardConfig")
        if not config:
            return str(show(action))
        plain = {**action}
        if len(config["TargetGroups"]) > 1:
            del plain["TargetGroupArn"]
        return str(show(plain)).replace("</member>", _forward_xml(config)) + "</member>"

    alb._parse_actions, alb._action_xml = parsed, shown


def _forward_config(params: Any, prefix: str) -> dict[str, Any]:
    read = _alb()._p
    numbers = {
        int(found[1])
        for key in params
        if (
            found := re.match(rf"{re.escape(prefix)}\.TargetGroups\.member\.(\d+)", key)
        )
    }
    groups = [
        {
            "TargetGroupArn": read(params, f"{at}.TargetGroupArn"),
            "Weight": int(read(params, f"{at}.Weight", "1")),
        }
        for at in (f"{prefix}.TargetGroups.member.{n}" for n in sorted(numbers))
    ]
    sticky = f"{prefix}.TargetGroupStickinessConfig"
    return {
        "TargetGroups": groups,
        "Enabled": read(params, f"{sticky}.Enabled", "false"),
        "DurationSeconds": read(params, f"{sticky}.DurationSeconds"),
    }


def _forward_xml(config: Mapping[str, Any]) -> str:
    groups = "".join(
        f"<member><TargetGroupArn>{one['TargetGroupArn']}</TargetGroupArn>"
        f"<Weight>{one['Weight']}</Weight></member>"
        for one in config["TargetGroups"]
    )
    seconds = config["DurationSeconds"]
    duration = f"<DurationSeconds>{seconds}</DurationSeconds>" if seconds else ""
    return (
        f"<ForwardConfig><TargetGroups>{groups}</TargetGroups>"
        f"<TargetGroupStickinessConfig><Enabled>{config['Enabled']}</Enabled>{duration}"
        "</TargetGroupStickinessConfig></ForwardConfig>"
    )
