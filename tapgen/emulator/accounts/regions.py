"""Regions that an account must enable first (opt-in regions).

"Regions introduced after March 20, 2019, such as Asia Pacific (Hong Kong), are disabled
by default" (AWS Account Management reference guide). In ministack all of them are
always enabled; here each account enables and disables its own, through the same API.
The enabled regions are stored with ministack's organizations, which are saved, restored
and reset by account.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.accounts import organizations

OPT_IN = (
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.account": {"_DISPATCH": None, "_REGIONS_LIST": None},
    "ministack.services.ec2": {"_ACTION_MAP": None, "_AWS_REGIONS": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

Payload = Mapping[str, Any]


def enabled(account: str, region: str) -> bool:
    """Whether an account can be used in a region."""
    if region not in OPT_IN:
        return True
    return region in _enabled_by(account)


def known(region: str) -> bool:
    """Whether there is such a region."""
    return region in _account()._REGIONS_LIST


def _enabled_by(account: str) -> list[str]:
    store = import_module("ministack.services.organizations")._orgs
    return list(store.get_scoped(account, None, "regions") or ())


def apply() -> None:
    """Let every account enable and disable opt-in regions."""
    account = _account()
    account._REGIONS_LIST[:] = list(dict.fromkeys([*account._REGIONS_LIST, *OPT_IN]))
    account._DISPATCH.update(
        {
            "/listRegions": _guarded(_list),
            "/getRegionOptStatus": _guarded(_status),
            "/enableRegion": _guarded(lambda payload: _switch(payload, True)),
            "/disableRegion": _guarded(lambda payload: _switch(payload, False)),
        }
    )
    ec2: Any = import_module("ministack.services.ec2")
    known = dict(ec2._AWS_REGIONS)
    ec2._AWS_REGIONS += [(r, "opted-in") for r in OPT_IN if r not in known]
    describe = ec2._ACTION_MAP["DescribeRegions"]
    ec2._ACTION_MAP["DescribeRegions"] = lambda params: _described(describe, params)


def _account() -> Any:
    return import_module("ministack.services.account")


def _caller() -> str:
    return str(import_module("ministack.core.responses").get_account_id())


def _of(payload: Payload) -> str:
    """The account of a request; a management account may name a member."""
    return str(payload.get("AccountId") or _caller())


def _opt_status(account: str, region: str) -> str:
    if region not in OPT_IN:
        return "ENABLED_BY_DEFAULT"
    return "ENABLED" if enabled(account, region) else "DISABLED"


def _refuse(payload: Payload) -> Any:
    """An error when a caller names an account that it does not manage."""
    account = payload.get("AccountId")
    if account and organizations.management_of(account) != _caller():
        return _error(
            "AccessDeniedException",
            f"The account {account} is not a member of your organization",
        )
    return None


def _guarded(handler: Callable[[Payload], Any]) -> Callable[[Payload], Any]:
    return lambda payload: _refuse(payload) or handler(payload)


def _list(payload: Payload) -> Any:
    wanted = payload.get("RegionOptStatusContains")
    every = [
        {"RegionName": region, "RegionOptStatus": _opt_status(_of(payload), region)}
        for region in _account()._REGIONS_LIST
    ]
    shown = [r for r in every if not wanted or r["RegionOptStatus"] in wanted]
    return _json(200, {"Regions": shown})


def _status(payload: Payload) -> Any:
    region = payload.get("RegionName", "")
    if not known(region):
        return _unknown(region)
    status = _opt_status(_of(payload), region)
    return _json(200, {"RegionName": region, "RegionOptStatus": status})


def _switch(payload: Payload, on: bool) -> Any:
    region = payload.get("RegionName", "")
    if region not in OPT_IN:
        if known(region):
            message = f"Region {region} is enabled by default"
            return _error("ValidationException", message)
        return _unknown(region)
    regions = [r for r in _enabled_by(_of(payload)) if r != region]
    store = import_module("ministack.services.organizations")._orgs
    store.set_scoped(_of(payload), None, "regions", regions + [region] * on)
    return _json(200, {})


def _unknown(region: str) -> Any:
    return _error("ValidationException", f"Region {region} is not a known region")


def _described(describe: Any, params: Any) -> Any:
    """DescribeRegions with the caller's own opt-in status.

    "Indicates whether to display all Regions, including Regions that are disabled for
    your account" (AllRegions).
    """
    status, headers, body = describe(params)
    every = (params.get("AllRegions") or [""])[0].lower() == "true"
    account = _caller()

    def shown(item: re.Match[str]) -> str:
        if enabled(account, item[1]):
            return item[0]
        return item[0].replace("opted-in", "not-opted-in") if every else ""

    item = r"<item><regionName>([^<]+)</regionName>.*?</item>"
    return status, headers, re.sub(item, shown, body.decode()).encode()


def _json(status: int, body: Mapping[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    return status, headers, json.dumps(body).encode()


def _error(code: str, message: str) -> Any:
    responses = import_module("ministack.core.responses")
    return responses.error_response_json(code, message, 400)
