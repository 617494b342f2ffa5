"""Headroom of quotas: what a plan adds, and what AWS allows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from tapgen import plan
from tapgen.aws import quotas as quotas
from tapgen.aws.quotas import Reading
from tapgen.aws.session import connect_local
from tapgen.aws.stacksets import StackSets
from tapgen.model import StackSet, Target
from tapgen.plan import forecast, headroom
from tapgen.plan.headroom import Demand, Headroom
from tapgen.report import markdown, outlook, text
from tests import make
from tests.make import ACCOUNT, EAST, WEST

NETWORK = make.template(
    resources={
        "Vpc": {"Type": "AWS::EC2::VPC"},
        "First": {"Type": "AWS::EC2::EIP"},
        "Second": {"Type": "AWS::EC2::EIP"},
        "Role": {"Type": "AWS::IAM::Role"},
    }
)
GLOBAL = Target(ACCOUNT, "us-east-1")


def wanted(the_plan: plan.Plan) -> dict[tuple[str, Target, str], int]:
    found = headroom.demands(the_plan, forecast.of(the_plan))
    return {(d.quota.name, d.target, d.stack_set): d.adds for d in found}


def planned(*stack_sets: StackSet, found: Any = ()) -> plan.Plan:
    return plan.make(make.system(*stack_sets), {o.name: o for o in found})


# -- what a plan adds ----------------------------------------------------------------


def test_what_is_new_counts_where_it_goes() -> None:
    adds = wanted(planned(make.stack_set(targets=(EAST, WEST), text=NETWORK)))

    assert adds == {
        ("stack sets", EAST, ""): 1,
        ("stack instances of a stack set", EAST, "demo-test-data"): 2,
        ("stack instance operations at once", EAST, ""): 1,
        ("stacks", EAST, ""): 1,
        ("stacks", WEST, ""): 1,
        ("VPCs", EAST, ""): 1,
        ("VPCs", WEST, ""): 1,
        ("Elastic IP addresses", EAST, ""): 2,
        ("Elastic IP addresses", WEST, ""): 2,
        ("IAM roles", GLOBAL, ""): 2,
    }


def test_existing_resources_add_nothing_and_their_quota_is_still_listed() -> None:
    data = make.stack_set(text=NETWORK)

    adds = wanted(planned(data, found=[make.observed(data)]))

    assert set(adds.values()) == {0}
    assert ("VPCs", EAST, "") in adds


def test_a_system_without_a_network_asks_nothing_of_it() -> None:
    assert not [q for q, _, _ in wanted(planned(make.stack_set())) if q == "VPCs"]


def test_a_replacement_is_there_beside_the_old_one_for_a_while() -> None:
    def network(cidr: str) -> StackSet:
        vpc = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": cidr}}
        return make.stack_set(text=make.template(resources={"Vpc": vpc}))

    old = make.observed(network("10.0.0.0/16"))
    the_plan = planned(network("10.9.0.0/16"), found=[old])

    assert wanted(the_plan)["VPCs", EAST, ""] == 1
    assert wanted(the_plan)["stacks", EAST, ""] == 0


def test_instances_that_are_there_are_known_without_asking() -> None:
    both = make.stack_set(targets=(EAST, WEST))
    found = make.observed(replace(both, targets=(EAST,)))
    the_plan = planned(both, found=[found])

    (demand,) = [
        d for d in headroom.demands(the_plan, forecast.of(the_plan)) if d.stack_set
    ]

    assert (demand.used, demand.adds) == (1, 1)


def test_of_many_quotas_those_are_read_that_may_fill_and_the_others_are_named() -> None:
    places = [Target(f"{number:012}", "eu-west-1") for number in range(30)]
    few, many = make.stack_set(targets=places[:3]), make.stack_set(targets=places)
    network = make.stack_set(targets=places, text=NETWORK)

    def chosen(s: StackSet) -> tuple[set[str], set[str], outlook.Outlook]:
        the_plan = planned(s)
        every = headroom.demands(the_plan, forecast.of(the_plan))
        read, left = headroom.worth_reading(every, the_plan.system.admin)
        assert {*read} | {*left} == {*every}
        ahead = outlook.Outlook(
            forecast.of(the_plan),
            left_out=left,
            not_read=7,
            unsearched=("eu-west-1", "eu-west-2"),
        )
        return {d.quota.name for d in read}, {d.quota.name for d in left}, ahead

    assert chosen(few)[1] == set()
    read, left, ahead = chosen(many)
    assert {"stack sets", "stack instances of a stack set"} <= read
    assert left == {"stacks"}
    assert {"VPCs", "Elastic IP addresses"} <= chosen(network)[0]
    line = (
        "not read: the quota of stacks in 30 places, where this plan adds at most 1 "
        "(AWS default 2,000); tapgen limits reads it"
    )
    for show in (text.plan, markdown.plan):
        shown = " ".join(show(planned(many), outlook=ahead).split())
        assert line in shown
        assert "not read: 7 stacks whose outputs nobody takes" in shown
        assert "not searched: 2 regions of the file without an artifact" in shown
    assert "not read: 7 stacks" in text.plan(
        planned(many, found=[make.observed(many)]), outlook=ahead
    )
    assert outlook.data(ahead)["not_read"]["stacks"] == 7
    assert outlook.data(ahead)["not_read"]["regions"] == ["eu-west-1", "eu-west-2"]
    assert len(outlook.data(ahead)["not_read"]["quotas"]) == 30


def _functions(*reserved: int | None) -> StackSet:
    made = {
        f"F{number}": {
            "Type": "AWS::Lambda::Function",
            "Properties": {} if one is None else {"ReservedConcurrentExecutions": one},
        }
        for number, one in enumerate(reserved)
    }
    return make.stack_set(targets=(EAST, WEST), text=make.template(resources=made))


def test_concurrency_counts_by_how_much_more_functions_reserve() -> None:
    what = "reserved concurrent executions"
    assert wanted(planned(_functions(5, None, 7)))[what, WEST, ""] == 12
    found = [make.observed(_functions(5, None, 7))]
    assert wanted(planned(_functions(9, 2, 1), found=found))[what, EAST, ""] == 6
    assert what not in {quota for quota, _, _ in wanted(planned(_functions(None)))}


def _servers(kind: str, least: int, most: int) -> StackSet:
    template = {"LaunchTemplateData": {"InstanceType": kind}}
    group = {
        "MinSize": str(least),
        "MaxSize": str(most),
        "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Kind"}, "Version": "1"},
    }
    made = {
        "Kind": {"Type": "AWS::EC2::LaunchTemplate", "Properties": template},
        "Group": {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": group},
    }
    return make.stack_set(targets=(EAST, WEST), text=make.template(resources=made))


def test_servers_count_as_they_start_and_at_the_largest_size_of_their_group() -> None:
    def count(kind: str, found: Any = (), least: int = 3, most: int = 6) -> list[int]:
        adds = wanted(planned(_servers(kind, least, most), found=found))
        names = (quotas.VCPUS.name, quotas.VCPUS_MOST.name)
        return [adds[name, WEST, ""] for name in names]

    assert count("t3.small") == [6, 12]  # more than the five of a new account
    assert count("m7g.4xlarge") == [48, 96]
    assert count("c6g.medium") == [3, 6] and count("t2.micro") == [3, 6]
    assert count("p5.48xlarge") == [0, 0]  # a quota of its own
    there = [make.observed(_servers("t3.small", 3, 6))]
    assert count("t3.small", there) == [0, 0]
    assert quotas.VCPUS.name not in {q for q, _, _ in wanted(planned(_functions(1)))}


def test_rules_of_a_bus_have_another_default_in_some_regions() -> None:
    rule = {"Type": "AWS::Events::Rule", "Properties": {"State": "ENABLED"}}
    cape = Target(ACCOUNT, "af-south-1")
    text = make.template(resources={"Rule": rule})
    the_plan = planned(make.stack_set(targets=(EAST, cape), text=text))
    found = headroom.headroom(headroom.demands(the_plan, forecast.of(the_plan)), {})
    limits = {h.demand.target: h.limit for h in found if h.demand.quota is quotas.RULES}
    assert limits == {EAST: 300, cape: 100}


def test_a_new_account_cannot_reserve_and_an_unread_one_may_be_new() -> None:
    demand = Demand(quotas.RESERVED, EAST, 5)
    fresh = Headroom(demand, 0, True, 0)
    assert not fresh.fits
    (unread,) = headroom.headroom([demand], {})
    assert unread.fits and unread.tight
    assert "a new account may have only 10" in str(unread)


# -- whether it fits -----------------------------------------------------------------


def room(used: int | None, adds: int, limit: int = 5) -> Headroom:
    return Headroom(Demand(quotas.VPCS, EAST, adds), limit, True, used)


@pytest.mark.parametrize(
    ("used", "adds", "fits", "tight"),
    [
        (0, 3, True, False),
        (3, 1, True, True),
        (4, 1, True, True),
        (5, 0, True, False),
        (6, 0, True, False),
        (5, 1, False, True),
        (None, 5, True, True),
        (None, 6, False, True),
    ],
)
def test_what_fits_and_what_is_tight(
    used: int | None, adds: int, fits: bool, tight: bool
) -> None:
    assert (room(used, adds).fits, room(used, adds).tight) == (fits, tight)


def test_what_was_not_read_is_the_default_and_says_so() -> None:
    (found,) = headroom.headroom([Demand(quotas.VPCS, EAST, 1)], {})

    assert (found.limit, found.read, found.used) == (5, False, None)
    assert "at least 1 of 5" in str(found) and "AWS default" in str(found)


def test_where_more_is_used_than_the_default_the_limit_was_raised() -> None:
    demand = Demand(quotas.VPCS, EAST, 1)
    read = Headroom(demand, 5, True, 7)
    unread = Headroom(demand, 5, False, 7)
    full = Headroom(demand, 5, False, 5)

    assert [h.fits for h in (read, unread, full)] == [False, True, False]


def test_what_does_not_fit_comes_first() -> None:
    demands = [Demand(quotas.STACKS, EAST, 1), Demand(quotas.VPCS, WEST, 1)]
    read = {
        (quotas.STACKS, EAST): Reading(2000, True, 7),
        (quotas.VPCS, WEST): Reading(5, True, 5),
    }

    assert [h.fits for h in headroom.headroom(demands, read)] == [False, True]


# -- how it is told ------------------------------------------------------------------

NEW = planned(make.stack_set())
SHORT = outlook.Outlook(forecast.of(NEW), (room(5, 1), room(4, 1), room(0, 1)))


def test_an_overflow_is_said_before_the_waves_and_little_room_after() -> None:
    shown = text.plan(NEW, outlook=SHORT)
    comment = markdown.plan(NEW, (), SHORT)

    for form, wave in ((shown, "wave 1"), (comment, "<summary>wave 1")):
        assert form.index("VPCs in 111111111111/us-east-1: 6 of 5") < form.index(wave)
        assert "(Service Quotas, vpc L-F678F1CE)" in form
        assert "quota: VPCs in 111111111111/us-east-1: 5 of 5" in form
        assert ": 1 of 5" not in form
    assert ": 1 of 5" in text.plan(NEW, details=True, outlook=SHORT)


def test_the_table_marks_what_does_not_fit_and_what_is_a_default() -> None:
    default = Headroom(Demand(quotas.STACKS, EAST, 2), 2000, False, None)

    lines = outlook.limits([room(5, 1), default], [forecast.fit(make.stack_set())])

    rows = [line.split() for line in lines.splitlines()]
    assert rows[1][-2:] == ["✗", "exceeded"]
    assert rows[2] == ["stacks", str(EAST), "?", "+2", "2,000*", "?", "unknown"]
    assert "* AWS default" in lines


def test_the_data_has_every_quota_with_its_codes() -> None:
    found = outlook.limits_data(SHORT.limits, [])

    assert found["fits"] is False
    assert found["limits"][0] == {
        "quota": "VPCs",
        "service": "vpc",
        "code": "L-F678F1CE",
        "account": ACCOUNT,
        "region": "us-east-1",
        "stack_set": None,
        "used": 5,
        "adds": 1,
        "limit": 5,
        "limit_read": True,
        "fits": False,
    }


# -- reading AWS ---------------------------------------------------------------------

QUOTA = '{"Quota": {"Value": 12.0}}'
LIMITS = (
    "<DescribeAccountLimitsResponse><DescribeAccountLimitsResult><AccountLimits>"
    "<member><Name>ConcurrentResourcesLimit</Name><Value>9</Value></member>"
    "<member><Name>StackLimit</Name><Value>77</Value></member></AccountLimits>"
    "</DescribeAccountLimitsResult></DescribeAccountLimitsResponse>"
)
STACKS = (
    "<ListStacksResponse><ListStacksResult><StackSummaries>"
    + "<member><StackName>a</StackName><StackStatus>CREATE_COMPLETE</StackStatus>"
    "</member>" * 3 + "</StackSummaries></ListStacksResult></ListStacksResponse>"
)
SUMMARY = (
    "<GetAccountSummaryResponse><GetAccountSummaryResult><SummaryMap>"
    "<entry><key>Roles</key><value>40</value></entry>"
    "<entry><key>RolesQuota</key><value>1500</value></entry></SummaryMap>"
    "</GetAccountSummaryResult></GetAccountSummaryResponse>"
)
VPCS = (
    "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1</vpcId></item>"
    "<item><vpcId>vpc-2</vpcId></item></vpcSet></DescribeVpcsResponse>"
)
IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult>"
    f"<Account>{ACCOUNT}</Account></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
)
ANSWERS = {
    "GetCallerIdentity": IDENTITY,
    "GetServiceQuota": QUOTA,
    "DescribeAccountLimits": LIMITS,
    "ListStacks": STACKS,
    "GetAccountSummary": SUMMARY,
    "DescribeVpcs": VPCS,
}


@contextmanager
def answering(answers: Mapping[str, str]) -> Iterator[StackSets]:
    """AWS that answers these actions and denies all others."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            action = target or body.partition("Action=")[2].partition("&")[0]
            said = answers.get(action)
            self.send_response(200 if said else 403)
            self.end_headers()
            denied = "<Response><Error><Code>AccessDenied</Code></Error></Response>"
            self.wfile.write((said or denied).encode())

        def do_GET(self) -> None:
            said = answers.get(self.path.rpartition("/")[2])
            self.send_response(200 if said else 403)
            self.end_headers()
            self.wfile.write((said or "{}").encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the screen."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        aws = connect_local(url, "us-east-1", ACCOUNT)
        yield StackSets(replace(aws, local=False), EAST)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


PLACES = [
    (q, EAST) for q in (quotas.STACKS, quotas.ROLES, quotas.VPCS, quotas.ADDRESSES)
]


def test_limits_and_use_are_what_aws_says() -> None:
    with answering(ANSWERS) as sets:
        found = quotas.read(sets, PLACES)

    assert list(found.values()) == [
        Reading(77, True, 3),
        Reading(1500, True, 40),
        Reading(12, True, 2),
        Reading(12, True, None),  # the addresses cannot be counted
    ]


def test_what_may_be_reserved_is_what_lambda_says_but_for_a_hundred() -> None:
    place = (quotas.RESERVED, EAST)

    def limit(together: int, unreserved: int) -> Reading:
        limits = {
            "ConcurrentExecutions": together,
            "UnreservedConcurrentExecutions": unreserved,
        }
        said = {**ANSWERS, "account-settings": json.dumps({"AccountLimit": limits})}
        with answering(said) as sets:
            return quotas.read(sets, [place])[place]

    assert limit(1000, 880) == Reading(900, True, 120)
    assert limit(10, 10) == Reading(0, True, 0)
    with answering(ANSWERS) as sets:  # Lambda denies it
        assert quotas.read(sets, [place])[place] == Reading(0, True, None)


def test_what_cloudformation_does_not_tell_service_quotas_may() -> None:
    answers = {k: v for k, v in ANSWERS.items() if k != "DescribeAccountLimits"}
    with answering(answers) as sets:
        found = quotas.read(sets, PLACES[:1])

    assert found[quotas.STACKS, EAST].limit == 12


def test_where_everything_is_denied_the_defaults_stand_in() -> None:
    with answering({"GetCallerIdentity": IDENTITY}) as sets:
        found = quotas.read(sets, [*PLACES, (quotas.STACK_SETS, EAST)])

    assert [(r.limit, r.read, r.used) for r in found.values()] == [
        (2000, False, None),
        (1000, False, None),
        (5, False, None),
        (5, False, None),
        (1000, False, None),
    ]
