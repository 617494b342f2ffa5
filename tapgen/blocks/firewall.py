"""AWS WAF in front of a REST API: how often an address may ask.

    firewall.limit(
        t, served, name=name("api", HERE), rule="api",
        parameter="RequestsPerAddress", what="Requests",
    )

A web ACL and its rule have a price for each month and region, so there is none unless
the parameter gives a number.
https://aws.amazon.com/waf/pricing/
https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based.html
"""

from __future__ import annotations

from typing import Any

from troposphere import Equals, GetAtt, Not, Tags, Template, wafv2

from tapgen.blocks import api, frame, names

MOST_REQUESTS = 2_000_000_000
"""The largest limit of AWS WAF."""
LEAST_REQUESTS = 100
"""In five minutes; a health checker of Route 53 asks 30 times, at most, in that time."""

_HAS_RULE = "HasRateRule"


def limit(
    t: Template,
    served: api.Api,
    *,
    name: str,
    rule: str,
    parameter: str,
    what: str,
    path: str = "",
) -> None:
    """Block an address that asks too often, if the parameter that is added gives a limit.

    `what` names the requests in its description. With `path`, only those count whose path
    contains it.
    """
    rate = frame.parameter(
        t,
        parameter,
        type="Number",
        description=f"{what} that an address may send in five minutes; 0 for no limit.",
        MinValue=0,
        MaxValue=MOST_REQUESTS,
    )
    t.add_condition(_HAS_RULE, Not(Equals(rate, "0")))
    seen = dict(CloudWatchMetricsEnabled=True, SampledRequestsEnabled=False)
    acl = t.add_resource(
        wafv2.WebACL(
            "WebAcl",
            Condition=_HAS_RULE,
            Name=names.sub(name),
            Scope="REGIONAL",
            DefaultAction=wafv2.DefaultAction(Allow=wafv2.AllowAction()),
            Rules=[
                wafv2.WebACLRule(
                    Name=rule,
                    Priority=0,
                    Action=wafv2.RuleAction(Block=wafv2.BlockAction()),
                    Statement=wafv2.Statement(
                        RateBasedStatement=wafv2.RateBasedStatement(
                            AggregateKeyType="IP",
                            Limit=rate,
                            EvaluationWindowSec=300,
                            **_only(path),
                        )
                    ),
                    VisibilityConfig=wafv2.VisibilityConfig(MetricName=rule, **seen),
                )
            ],
            VisibilityConfig=wafv2.VisibilityConfig(MetricName="api", **seen),
            Tags=Tags(Name=names.sub(name)),
        )
    )
    stage = f"/restapis/${{{served.rest_api.title}}}/stages/${{{served.stage.title}}}"
    t.add_resource(
        wafv2.WebACLAssociation(
            "WebAclOfApi",
            Condition=_HAS_RULE,
            ResourceArn=names.sub(names.arn("apigateway", stage, account="")),
            WebACLArn=GetAtt(acl, "Arn"),
        )
    )


def _only(path: str) -> dict[str, Any]:
    if not path:
        return {}
    contains = wafv2.ByteMatchStatement(
        FieldToMatch=wafv2.FieldToMatch(UriPath={}),
        PositionalConstraint="CONTAINS",
        SearchString=path,
        TextTransformations=[wafv2.TextTransformation(Priority=0, Type="NONE")],
    )
    return {"ScopeDownStatement": wafv2.Statement(ByteMatchStatement=contains)}
