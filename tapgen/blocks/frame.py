"""The frame of a template: its common parameters and rules, and the console's form.

`start` returns a template with parameters for suffix, regions and region role, and with
rules that refuse a stack in any other region. `parameter` and `output` add the rest,
and place each parameter in the console's form (`AWS::CloudFormation::Interface`).

    t = frame.start("Orders, in a table of both regions", role="primary")
    key = frame.key_arn(t)
    days = frame.parameter(
        t, "RetentionDays", type="Number", description="Days that orders are kept."
    )
    frame.output(t, "TableName", Ref("Orders"), description="Table of the orders")
"""

from __future__ import annotations

from typing import Any

from troposphere import Equals, Not, Output, Parameter, Ref, Template

from tapgen.blocks import names
from tapgen.model import LONGEST_SUFFIX, SUFFIX_PATTERN, SUFFIX_RULE

EVERY = "every"
GLOBAL = "global"

IS_PRIMARY = "IsPrimary"
"""The condition that a stack runs in the primary region."""

REGION_PATTERN = r"^[a-z]{2}(-[a-z]+)+-\d$"
CERTIFICATE_PATTERN = r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+$"
BUCKET_ARN_PATTERN = r"^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]+$"
CIDR_PATTERN = r"^(\d{1,3}\.){3}\d{1,3}/(\d|[12]\d|3[0-2])$"
KEY_ARN_PATTERN = (
    r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/(mrk-)?[0-9a-f-]+$"  # not an alias
)
TOPIC_ARN_PATTERN = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+$"
ROLE_ARN_PATTERN = r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$"
IPV4_PATTERN = r"^(\d{1,3}\.){3}\d{1,3}$"
BUCKET_PATTERN = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"

MOST = 1_000_000_000
"""The maximum of parameters that AWS does not limit: a larger value is a mistake."""

# Groups of parameters in the console's form, in this order.
PLACE = "Where this stack runs"
WIRING = "From other parts of the system"
SETTINGS = "Settings"


def start(
    description: str, *, role: str, roles: tuple[str, ...] = ("primary", "dr")
) -> Template:
    """Return a new template for a region role, for `every` region, or `global` (IAM).

    `roles` are the region roles of the system; global resources are in the region of
    the first. The template has the parameter `EnvironmentSuffix`, one for the region of
    each role (`PrimaryRegion`, `DrRegion`), and rules that refuse a stack in any other
    region before it creates a resource. A template for every region also has
    `RegionRole`.
    """
    t = Template(Description=description)
    t.set_version()
    parameter(
        t,
        names.SUFFIX,
        group=PLACE,
        label="Environment suffix",
        description="Part of every resource name; keeps environments apart.",
        pattern=SUFFIX_PATTERN,
        constraint=SUFFIX_RULE,
        MaxLength=LONGEST_SUFFIX,
    )
    for each in roles:
        label = role_label(each)
        parameter(
            t,
            region_parameter(each),
            group=PLACE,
            label=f"{label.title()} region",
            description=f"The {label} region of the system.",
            pattern=REGION_PATTERN,
            constraint="a region, such as eu-central-1",
        )
    first, second = map(region_parameter, roles)
    t.add_rule(
        "RegionsDiffer",
        {
            "Assertions": [
                {
                    "Assert": Not(Equals(Ref(first), Ref(second))),
                    "AssertDescription": f"{first} and {second} must differ",
                }
            ]
        },
    )
    if role == EVERY:
        _every_region(t, roles)
    else:
        _one_region(t, region_parameter(roles[0] if role == GLOBAL else role))
    return t


_LABELS = {"dr": "recovery"}


def role_label(role: str) -> str:
    """Return the name of a region role in descriptions: `recovery` for `dr`."""
    return _LABELS.get(role, role)


def region_parameter(role: str) -> str:
    """Return the parameter for the region of a region role: `DrRegion` for `dr`."""
    return f"{role.title()}Region"


def _one_region(t: Template, parameter_name: str) -> None:
    t.add_rule(
        f"RunsIn{parameter_name}",
        {
            "Assertions": [
                {
                    "Assert": Equals(Ref("AWS::Region"), Ref(parameter_name)),
                    "AssertDescription": f"this stack belongs in {parameter_name} only",
                }
            ]
        },
    )


def _every_region(t: Template, roles: tuple[str, ...]) -> None:
    parameter(
        t,
        names.ROLE,
        group=PLACE,
        label="Region role",
        description="Which of the two regions this stack runs in.",
        AllowedValues=list(roles),
    )
    for role in roles:
        region = region_parameter(role)
        t.add_rule(
            f"RunsIn{region}",
            {
                "RuleCondition": Equals(Ref(names.ROLE), role),
                "Assertions": [
                    {
                        "Assert": Equals(Ref("AWS::Region"), Ref(region)),
                        "AssertDescription": f"RegionRole {role} belongs in {region}",
                    }
                ],
            },
        )


def is_primary(t: Template, role: str = "primary") -> None:
    """Add the condition `IsPrimary` to a template for every region.

    `role` is the first region role of the system. Use it only if a template needs it:
    cfn-lint reports unused conditions.
    """
    t.add_condition(IS_PRIMARY, Equals(Ref(names.ROLE), role))


def parameter(
    t: Template,
    name: str,
    *,
    description: str,
    group: str = SETTINGS,
    label: str = "",
    type: str = "String",
    pattern: str = "",
    constraint: str = "",
    **more: Any,
) -> Ref:
    """Add a parameter with its label and group in the console, and return its `Ref`.

    CloudFormation shows `constraint` when a value does not match `pattern`. `more` are
    further properties by their CloudFormation names.
    """
    if pattern:
        more["AllowedPattern"] = pattern
    if constraint:
        more["ConstraintDescription"] = constraint
    t.add_parameter(Parameter(name, Type=type, Description=description, **more))
    interface = t.metadata.setdefault(
        "AWS::CloudFormation::Interface", {"ParameterGroups": [], "ParameterLabels": {}}
    )
    groups = interface["ParameterGroups"]
    here = next((g for g in groups if g["Label"]["default"] == group), None)
    if here is None:
        here = {"Label": {"default": group}, "Parameters": []}
        groups.append(here)
        order = [PLACE, WIRING, SETTINGS]
        groups.sort(key=lambda g: order.index(g["Label"]["default"]))
    here["Parameters"].append(name)
    interface["ParameterLabels"][name] = {"default": label or _words(name)}
    return Ref(name)


def _words(name: str) -> str:
    """Return `VpcCidr` as `Vpc cidr`."""
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
    return spaced[0].upper() + spaced[1:]


def flag(t: Template, name: str, *, description: str, condition: str) -> Ref:
    """Add a parameter that is `true` or `false`, and the condition that it is true."""
    ref = parameter(t, name, description=description, AllowedValues=["true", "false"])
    t.add_condition(condition, Equals(Ref(name), "true"))
    return ref


def output(
    t: Template, name: str, value: Any, *, description: str, condition: str = ""
) -> None:
    """Add an output without an export, which would couple stacks."""
    more = {"Condition": condition} if condition else {}
    t.add_output(Output(name, Description=description, Value=value, **more))


def outputs(t: Template, *given: tuple[str, Any, str], condition: str = "") -> None:
    """Add several outputs, each with name, value and description."""
    for name, value, description in given:
        output(t, name, value, description=description, condition=condition)


# What a list of them holds; no comma, which would end it.
_PRINCIPAL = r"arn:(\*|aws[a-z-]*):iam::(\*|\d{12}):(role|user)/[\w+=.@/*-]+"
_PRINCIPALS = "ARNs of roles and users, such as arn:*:iam::*:role/oncall"


def principals(
    t: Template, name: str, description: str, *, optional: bool = False
) -> Ref:
    """Add the parameter for the ARN patterns of roles and users (`names.anywhere`)."""
    # An empty list counts as one empty member.
    return parameter(
        t,
        name,
        type="CommaDelimitedList",
        description=description,
        pattern=f"^({_PRINCIPAL})?$" if optional else f"^{_PRINCIPAL}$",
        constraint=f"nothing, or {_PRINCIPALS}" if optional else _PRINCIPALS,
    )


def wired(
    t: Template,
    title: str,
    description: str,
    pattern: str,
    constraint: str,
    **more: Any,
) -> Ref:
    """Add the parameter for a text from another part of the system."""
    return parameter(
        t,
        title,
        group=WIRING,
        description=description,
        pattern=pattern,
        constraint=constraint,
        **more,
    )


def arn(t: Template, title: str, description: str, pattern: str, what: str) -> Ref:
    """Add the parameter for an ARN from another part of the system."""
    article = "an" if what[0] in "aeiou" else "a"
    return wired(t, title, description, pattern, f"the ARN of {article} {what}")


def role_arn(t: Template, title: str, description: str) -> Ref:
    """Add the parameter for the ARN of a role, which another part creates."""
    return arn(t, title, description, ROLE_ARN_PATTERN, "role")


def other_key(t: Template, title: str, description: str) -> Ref:
    """Add the parameter for the ARN of a key other than this region's own."""
    return arn(t, title, description, KEY_ARN_PATTERN, "key")


def primary_key(t: Template, title: str) -> Ref:
    """Add the parameter for the ARN of the primary of this region's replica key."""
    description = "ARN of the multi-Region key that this one is a replica of."
    pattern = KEY_ARN_PATTERN.replace("(mrk-)?", "mrk-")
    return arn(t, title, description, pattern, "multi-Region key")


def log_bucket(t: Template) -> Ref:
    """Add the parameter for the access log bucket of this region."""
    return wired(
        t,
        "LogBucketName",
        "Bucket in this region that receives access logs.",
        BUCKET_PATTERN,
        "the name of a bucket",
        label="Log bucket",
    )


def deletion_protection(t: Template, what: str, *, service: str = "AWS") -> Ref:
    """Add the parameter for deletion protection of a stateful resource."""
    return parameter(
        t,
        "DeletionProtection",
        description=f"Whether {service} refuses to delete {what}.",
        AllowedValues=["true", "false"],
    )


def key_arn(t: Template) -> Ref:
    """Add the parameter for the ARN of this region's encryption key."""
    return parameter(
        t,
        "KmsKeyArn",
        group=WIRING,
        label="Encryption key",
        description="ARN of the encryption key of this region.",
        pattern=KEY_ARN_PATTERN,
        constraint="the ARN of a key, not of an alias",
    )


def alert_topic(t: Template) -> Ref:
    """Add the parameter for the ARN of this region's alert topic."""
    return parameter(
        t,
        "AlertTopicArn",
        group=WIRING,
        label="Alert topic",
        description="ARN of the topic of this region that alarms notify.",
        pattern=TOPIC_ARN_PATTERN,
        constraint="the ARN of an SNS topic",
    )
