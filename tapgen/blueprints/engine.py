"""The rollout engine in AWS: a function, and the state machine that calls it again.

One stack, `tapgen-engine`, in the administration account and region. The function
advances a run by one turn and answers when the next one is due; the state machine waits
that long, and calls it again. What happened is in the journal alone: a turn that was
killed, or of which the answer was lost, is taken again. A schedule looks for open runs
that nobody advances, alarms say when turns fail, and a document of Systems Manager
approves gates for whoever has signed in to the console.

The function may touch only the systems that were admitted, by their prefixes; all roles
are within a boundary, which is the same for any systems.

Sources: "Discover service integration patterns", "Handling errors in Step Functions
workflows" and "Step Functions service quotas" in the Step Functions developer guide.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from awacs import (
    awslambda,
    cloudformation,
    cloudwatch,
    logs,
    route53,
    s3,
    ssm,
    states,
)
from awacs.aws import ArnLike, Statement
from troposphere import GetAtt, Output, Parameter, Ref, Tags, Template
from troposphere import awslambda as functions
from troposphere import events
from troposphere import iam as roles
from troposphere import stepfunctions

from tapgen.blocks import compute, drills, monitoring, names, operators, security
from tapgen.blueprints import bootstrap, delivery, encoding
from tapgen.errors import BlueprintError
from tapgen.system import templates_out

STACK = NAME = "tapgen-engine"
"""The stack; its function, state machine and topic have the same name."""

APPROVE = f"{NAME}-approve"
"""The document that approves a gate."""

HANDLER = "tapgen.engine.turn.handle"
TURN_SECONDS = 900
"""The longest turn: the longest timeout of a function
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

TURNS = 500
"""After how many turns an execution goes on in a new one."""

MOST_EVENTS = 25_000
"""The events that an execution can have
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html)."""

_RETRIES = 8
_MEMORY = 512  # MiB
_LOG_DAYS = 365
_LOOKS = 10  # minutes
_POLICIES = 10  # managed policies on a role, by default (IAM quotas)

_BOUNDARY = "tapgen-boundary-engine-${AWS::Region}"
_FUNCTION = names.arn("lambda", f"function:{NAME}")
_MACHINE = names.arn("states", f"stateMachine:{NAME}")
_TOPIC = names.arn("sns", NAME)
_LOGS = compute.log_group_name(NAME)
# Log groups of this prefix need no room in the resource policy of CloudWatch Logs.
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
_MACHINE_LOGS = f"/aws/vendedlogs/states/{NAME}"
_APPROVE_URL = (
    "https://${AWS::Region}.console.aws.amazon.com/systems-manager/automation/execute/"
    f"{APPROVE}?region=${{AWS::Region}}#documentVersion=%24DEFAULT"
)
"""Parameters that are added to it are filled in, as in links of AWS's own documents, such as
AWSSupport-SetupIPMonitoringFromVPC."""


def _role_name(what: str) -> str:
    return f"{NAME}-${{AWS::Region}}-{what}"  # IAM is global, the stack is not


def function_role(region: str) -> str:
    """Return the name of the role that the function has in a region."""
    return _role_name("function").replace("${AWS::Region}", region)


def template(prefixes: Iterable[str], *, turns: int = TURNS) -> str:
    """Return the template of stack `tapgen-engine`.

    `prefixes` are those of the systems that it may run, such as `payments-dr-prod`; the
    template's metadata repeats them. After `turns` an execution goes on in a new one.
    Raises BlueprintError for more systems than a role can have permissions for.
    """
    systems = sorted({*prefixes})
    t = Template(Description="tapgen: the rollout engine, a function and what calls it")
    t.set_version()
    t.set_metadata({"tapgen": {"systems": systems}})
    code, format_ = _parameters(t)
    key = security.key(
        t,
        "Key",
        name=NAME,
        description="Encrypts the logs and notifications of the rollout engine",
        policy=[
            security.logs_statement(_LOGS, _MACHINE_LOGS),
            security.alarms_statement(),
        ],
    )
    boundary = t.add_resource(
        roles.ManagedPolicy(
            "Boundary",
            ManagedPolicyName=names.sub(_BOUNDARY),
            # Constant: a change would replace the policy, whose name is taken.
            Description="The most that a role of the engine can do, whatever its policies",
            PolicyDocument=security.document(*within(GetAtt(key, "Arn"))),
        )
    )
    topic = monitoring.topic(t, "Topic", name=NAME, key_arn=GetAtt(key, "Arn"))
    function = _function(t, key, systems, code)
    machine = _machine(t, key, turns)
    _look(t, function)
    document = _document(t)
    _alarms(t, function, machine, topic)
    for resource in t.resources.values():
        if isinstance(resource, roles.Role):
            resource.PermissionsBoundary = Ref(boundary)
        # The journal remembers what was done: nothing here is kept.
        if "DeletionPolicy" in resource.resource:
            resource.DeletionPolicy = resource.UpdateReplacePolicy = "Delete"
    outputs = {
        "StateMachineArn": Ref(machine),
        "FunctionName": Ref(function),
        "TopicArn": Ref(topic),
        "Code": code,
        "Format": format_,
        "Systems": ",".join(systems),
        "ApproveDocument": Ref(document),
        "ApproveUrl": names.sub(_APPROVE_URL),
        "ApproversPolicyArn": Ref("Approvers"),
    }
    t.add_output([Output(title, Value=value) for title, value in outputs.items()])
    return templates_out.render(encoding.data(t), ours=True)


def _parameters(t: Template) -> tuple[Ref, Ref]:
    code = t.add_parameter(
        Parameter(
            "CodeKey",
            Type="String",
            AllowedPattern=r"artifacts/[0-9a-f]{64}\.zip",
            Description="Key of the function's code in the artifact bucket, by its SHA-256",
        )
    )
    format_ = t.add_parameter(
        Parameter(
            "JournalFormat",
            Type="Number",
            MinValue=1,
            Description="The newest format of journals that the code reads",
        )
    )
    return Ref(code), Ref(format_)


# What the roles may do ----------------------------------------------------------------


def of_system(prefixes: Sequence[str]) -> list[Statement]:
    """What the function does for systems: what `tapgen rollout` calls as its caller, but
    to upload artifacts. Its own code is one."""
    changing = delivery.deploying(*prefixes, uploads=False)
    return [*delivery.reading(*prefixes), *changing]


def _of_function(key_arn: Any) -> list[Statement]:
    """What the function does for no system in particular."""
    return [
        *compute.write_logs([NAME], ["${AWS::Region}"]),
        compute.trace(),
        # IAM supports no resources for these.
        security.statement(
            "ReadWhereNoResourceCanBeNamed",
            [
                cloudformation.DescribeStackDriftDetectionStatus,
                cloudformation.ListStackSets,
                cloudformation.ListStacks,
                cloudwatch.DescribeAlarmHistory,
                cloudwatch.DescribeAlarms,
                cloudwatch.ListMetrics,
                route53.GetHealthCheck,
                route53.GetHealthCheckStatus,
                s3.ListAllMyBuckets,
            ],
            ["*"],
        ),
        security.statement("CallItAgain", [states.StartExecution], [_MACHINE]),
        security.statement(
            "SeeWhetherItIsCalled",
            [states.DescribeExecution, states.StopExecution],
            [names.arn("states", f"execution:{NAME}:*")],
        ),
        security.statement("ListExecutions", [states.ListExecutions], [_MACHINE]),
        *monitoring.publish_to([_TOPIC], [key_arn], ["${AWS::Region}"]),
        # Lambda decrypts the environment with the role of the function.
        *security.use_key([key_arn]),
    ]


def _of_machine() -> list[Statement]:
    return [
        security.statement(
            "TakeTurns", [awslambda.InvokeFunction], [_FUNCTION, f"{_FUNCTION}:*"]
        ),
        security.statement("GoOnInANewOne", [states.StartExecution], [_MACHINE]),
        # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
        security.statement(
            "DeliverLogs",
            [
                logs.CreateLogDelivery,
                logs.DeleteLogDelivery,
                logs.DescribeLogGroups,
                logs.DescribeResourcePolicies,
                logs.GetLogDelivery,
                logs.ListLogDeliveries,
                logs.PutResourcePolicy,
                logs.UpdateLogDelivery,
            ],
            ["*"],
        ),
    ]


def _of_approval() -> list[Statement]:
    return [
        security.statement("Approve", [awslambda.InvokeFunction], [_FUNCTION]),
        security.statement(
            "SeeWhoApproves",
            [ssm.GetAutomationExecution],
            [names.arn("ssm", "automation-execution/*")],
        ),
    ]


# What leads on to other permissions, or to what others keep, is limited in the boundary as
# it is in the roles.
_LIMITED = frozenset(
    "ActAsOperator Approve CallItAgain EncryptMessages GiveStackSetsTheirRole GoOnInANewOne "
    "ListJournals PublishToTopics ReadJournals TakeTurns UseKey WriteJournals".split()
)


def within(key_arn: Any) -> list[Statement]:
    """The boundary of all roles: the most that each of them may do, for any system."""
    limited: dict[str, Statement] = {}
    others: dict[str, Any] = {}
    for one in (
        *of_system(["*"]),
        *_of_function(key_arn),
        *_of_machine(),
        *_of_approval(),
    ):
        sid = one.properties["Sid"]
        if sid in _LIMITED:
            limited[sid] = one
        else:
            others |= {str(a.JSONrepr()): a for a in one.properties["Action"]}
    rest = [others[name] for name in sorted(others)]
    return [*limited.values(), security.statement("WhatLeadsNoFurther", rest, ["*"])]


# The function -------------------------------------------------------------------------


def _function(t: Template, key: Any, systems: Sequence[str], code: Ref) -> Any:
    key_arn = GetAtt(key, "Arn")
    role = security.service_role(
        t,
        "FunctionRole",
        name=_role_name("function"),
        service="lambda.amazonaws.com",
        description="What the rollout engine does in AWS",
        allow=_of_function(key_arn),
        when=(),  # Lambda sends no source when it assumes a role
    )
    documents = bootstrap.packed(of_system(systems)) if systems else []
    if len(documents) > _POLICIES:
        raise BlueprintError(
            f"the role of the engine would need {len(documents)} managed policies for "
            f"{len(systems)} systems, IAM attaches {_POLICIES}; administer some of the "
            "systems from another region or account"
        )
    role.ManagedPolicyArns = [
        Ref(
            t.add_resource(
                roles.ManagedPolicy(
                    f"SystemsPolicy{number}",
                    ManagedPolicyName=names.sub(_role_name(f"systems-{number}")),
                    Description="A share of what the engine does for its systems",
                    PolicyDocument=document,
                )
            )
        )
        for number, document in enumerate(documents, start=1)
    ]
    group = monitoring.log_group(
        t, "FunctionLogs", name=_LOGS, key_arn=key_arn, retention_days=_LOG_DAYS
    )
    return t.add_resource(
        functions.Function(
            "Function",
            # Its policies first: it is called as soon as it exists.
            DependsOn=[p for p in t.resources if p.startswith("SystemsPolicy")],
            FunctionName=NAME,
            Description="Advances a rollout by one turn",
            Runtime=compute.RUNTIME,
            Architectures=["arm64"],
            Handler=HANDLER,
            Code=functions.Code(
                S3Bucket=names.sub(bootstrap.BUCKET),
                S3Key=code,
            ),
            Role=GetAtt(role, "Arn"),
            MemorySize=_MEMORY,
            Timeout=TURN_SECONDS,
            # Not reserved: an account may have none to give, and two turns at once do no
            # harm, because the journal is a fence.
            Environment=functions.Environment(
                Variables={
                    "TAPGEN_APPROVE_URL": names.sub(_APPROVE_URL),
                    "TAPGEN_STATE_MACHINE": names.sub(_MACHINE),
                    "TAPGEN_SYSTEMS": ",".join(systems),
                    "TAPGEN_TOPIC": names.sub(_TOPIC),
                }
            ),
            KmsKeyArn=key_arn,
            LoggingConfig=compute.JsonLogging(
                LogFormat="JSON",
                LogGroup=Ref(group),
                ApplicationLogLevel="INFO",
                SystemLogLevel="WARN",
            ),
            TracingConfig=functions.TracingConfig(Mode="Active"),
            Tags=Tags(Name=NAME),
        )
    )


def _look(t: Template, function: Any) -> None:
    """Let a schedule call the function, to look for runs that nobody advances."""
    rule = t.add_resource(
        events.Rule(
            "Look",
            Name=f"{NAME}-look",
            Description="Looks for open runs that nobody advances",
            ScheduleExpression=f"rate({_LOOKS} minutes)",
            State="ENABLED",
            Targets=[
                events.Target(
                    Id="function", Arn=GetAtt(function, "Arn"), Input='{"do":"look"}'
                )
            ],
        )
    )
    t.add_resource(
        functions.Permission(
            "LookPermission",
            Action="lambda:InvokeFunction",
            FunctionName=Ref(function),
            Principal="events.amazonaws.com",
            SourceArn=GetAtt(rule, "Arn"),
        )
    )


# The state machine --------------------------------------------------------------------

_RETRY = {
    # Whatever went wrong, the turn can be taken again: the journal says what was done.
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxDelaySeconds": 300,
    "MaxAttempts": _RETRIES,
    "JitterStrategy": "FULL",
}
_TAKEN = [
    "StepFunctions.ExecutionAlreadyExists",
    "StepFunctions.ExecutionAlreadyExistsException",
]


def definition(turns: int = TURNS) -> dict[str, Any]:
    """Return the state machine: a turn, a pause, the next turn; a new execution after
    `turns`, so that the history never has MOST_EVENTS.

    A turn that is tried again as often as can be makes 11 + 3 * 8 = 35 events, so 500
    turns make 17,500; `most_events` counts them.
    """
    same = {f"{key}.$": f"$.{key}" for key in ("system", "run")}
    next_ = "States.MathAdd($.generation, 1)"
    return {
        "Comment": "Advances one run of tapgen, turn by turn",
        "StartAt": "Advance",
        "States": {
            "Advance": {
                "Type": "Task",
                "Resource": "${Invoke}",
                "Parameters": {
                    "FunctionName": "${Function}",
                    "Payload": {"do": "advance", **same, "turn.$": "$.turn"},
                },
                "ResultSelector": {
                    f"{key}.$": f"$.Payload.{key}"
                    for key in ("state", "seconds", "outcome")
                },
                "ResultPath": "$.answer",
                "TimeoutSeconds": TURN_SECONDS + 60,
                "Retry": [_RETRY],
                "Next": "Answer",
            },
            "Answer": {
                "Type": "Choice",
                "Choices": [
                    {
                        "And": [
                            _is("waiting"),
                            {
                                "Variable": "$.turn",
                                "NumericGreaterThanEquals": turns - 1,
                            },
                        ],
                        "Next": "Continue",
                    },
                    {**_is("waiting"), "Next": "Pause"},
                    {**_is("ended"), "Next": "Done"},
                    {**_is("handed-over"), "Next": "Done"},
                ],
                "Default": "Unknown",
            },
            "Pause": {
                "Type": "Wait",
                "SecondsPath": "$.answer.seconds",
                "Next": "Count",
            },
            "Count": {
                "Type": "Pass",
                "Parameters": {
                    **same,
                    "generation.$": "$.generation",
                    "turn.$": "States.MathAdd($.turn, 1)",
                },
                "Next": "Advance",
            },
            "Continue": {
                "Type": "Task",
                "Resource": "${Start}",
                "Parameters": {
                    "StateMachineArn.$": "$$.StateMachine.Id",
                    "Name.$": f"States.Format('{{}}-{{}}', $.run, {next_})",
                    "Input": {
                        **same,
                        "turn": 0,
                        "generation.$": next_,
                        "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id",
                    },
                },
                # An execution of this name was started before, by a try without answer.
                "Retry": [{"ErrorEquals": _TAKEN, "MaxAttempts": 0}, _RETRY],
                "Catch": [{"ErrorEquals": _TAKEN, "Next": "Done"}],
                "ResultPath": "$.continued",
                "Next": "Done",
            },
            "Done": {"Type": "Succeed"},
            "Unknown": {
                "Type": "Fail",
                "Error": "UnknownAnswer",
                "Cause": "The function answered with a state that this state machine "
                "does not know: run tapgen bootstrap --engine again",
            },
        },
    }


def _integration(action: str) -> str:
    return names.arn("states", action, region="", account="")


def _is(state: str) -> dict[str, str]:
    return {"Variable": "$.answer.state", "StringEquals": state}


def most_events(machine: Mapping[str, Any], turns: int = TURNS) -> int:
    """Return how many events an execution of `turns` can have, by its definition.

    A state is entered and exited; a task is scheduled, started and ends, with each try.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
    """

    def of(name: str) -> int:
        state = machine["States"][name]
        tries = 1 + sum(r["MaxAttempts"] for r in state.get("Retry", ()))
        return 2 + (3 * tries if state["Type"] == "Task" else 0)

    turn = sum(of(name) for name in ("Advance", "Answer", "Pause", "Count"))
    return 2 + turns * turn + of("Continue") + of("Done")


def _machine(t: Template, key: Any, turns: int) -> Any:
    role = security.service_role(
        t,
        "MachineRole",
        name=_role_name("machine"),
        service="states.amazonaws.com",
        description="Calls the rollout engine, turn by turn",
        allow=_of_machine(),
        when=[
            security.own_account(),
            ArnLike({"aws:SourceArn": names.sub(f"{_MACHINE}*")}),
        ],
    )
    group = monitoring.log_group(
        t,
        "MachineLogs",
        name=_MACHINE_LOGS,
        key_arn=GetAtt(key, "Arn"),
        retention_days=_LOG_DAYS,
    )
    return t.add_resource(
        stepfunctions.StateMachine(
            "Machine",
            StateMachineName=NAME,
            StateMachineType="STANDARD",
            RoleArn=GetAtt(role, "Arn"),
            # As text: CloudFormation may turn numbers of an object into text.
            DefinitionString=json.dumps(definition(turns), indent=1),
            DefinitionSubstitutions={
                "Function": names.sub(_FUNCTION),
                "Invoke": names.sub(_integration("lambda:invoke")),
                "Start": names.sub(_integration("states:startExecution")),
            },
            LoggingConfiguration=stepfunctions.LoggingConfiguration(
                Level="ERROR",
                IncludeExecutionData=False,
                Destinations=[
                    stepfunctions.LogDestination(
                        CloudWatchLogsLogGroup=stepfunctions.CloudWatchLogsLogGroup(
                            LogGroupArn=GetAtt(group, "Arn")
                        )
                    )
                ],
            ),
            Tags=Tags(Name=NAME),
        )
    )


# Approval by a link -------------------------------------------------------------------


def _document(t: Template) -> Any:
    """Add the document that approves a gate, as who has started it, and the policy for
    people who may.

    The document acts as a role of its own: nobody else calls the function with `approve`.
    Who has started it is what Systems Manager says, and no parameter.
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_AutomationExecution.html
    """
    role = security.service_role(
        t,
        "ApproveRole",
        name=_role_name("approve"),
        service="ssm.amazonaws.com",
        description="Approves gates of rollouts, for whoever has started the document",
        allow=_of_approval(),
        when=[
            security.own_account(),
            ArnLike(
                {"aws:SourceArn": names.sub(names.arn("ssm", "automation-execution/*"))}
            ),
        ],
    )
    t.add_resource(
        roles.ManagedPolicy(
            "Approvers",
            ManagedPolicyName=names.sub(_role_name("approvers")),
            Description="May approve gates of rollouts that the engine runs",
            PolicyDocument=security.document(
                *operators.start(APPROVE, ["${AWS::Region}"], _role_name("approve"))
            ),
        )
    )
    given = ("System", "Run", "Gate")
    payload = {f"{name.lower()}": f"{{{{ {name} }}}}" for name in given}
    document = drills.runbook(
        t,
        "ApproveDocument",
        name=APPROVE,
        procedure="approve",
        description="Approves a gate at which a rollout of tapgen waits.",
        role_arn=GetAtt(role, "Arn"),
        parameters={
            "System": _parameter("The system with its suffix: payments-dr-prod"),
            "Run": _parameter("The run, as the notification names it"),
            "Gate": _parameter("The gate, as the notification names it"),
        },
        steps=[
            {
                "name": "who",
                "action": "aws:executeAwsApi",
                "onFailure": "Abort",
                "inputs": {
                    "Service": "ssm",
                    "Api": "GetAutomationExecution",
                    "AutomationExecutionId": "{{ automation:EXECUTION_ID }}",
                },
                "outputs": [
                    {
                        "Name": "Arn",
                        "Selector": "$.AutomationExecution.ExecutedBy",
                        "Type": "String",
                    }
                ],
            },
            {
                "name": "approve",
                "action": "aws:invokeLambdaFunction",
                "onFailure": "Abort",
                "inputs": {
                    "InvocationType": "RequestResponse",
                    "FunctionName": NAME,
                    "InputPayload": {
                        "do": "approve",
                        **payload,
                        "by": "{{ who.Arn }}",
                    },
                },
            },
        ],
    )
    document.Content["outputs"] = ["approve.Payload"]
    return document


def _parameter(description: str) -> dict[str, str]:
    return {
        "type": "String",
        "description": description,
        "allowedPattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
    }


# Alarms -------------------------------------------------------------------------------


def _alarms(t: Template, function: Any, machine: Any, topic: Any) -> None:
    of_machine: dict[str, Any] = {
        "namespace": "AWS/States",
        "dimensions": {"StateMachineArn": Ref(machine)},
    }
    of_function: dict[str, Any] = {
        "namespace": "AWS/Lambda",
        "dimensions": {"FunctionName": Ref(function)},
    }
    once: dict[str, Any] = {
        "period": 60,
        "datapoints": (1, 1),
        "comparison": ">=",
        "threshold": 1,
        "missing": "notBreaching",
    }
    for metric, what in (
        ("ExecutionsFailed", "has failed: its turns failed again and again"),
        ("ExecutionsTimedOut", "has timed out"),
    ):
        monitoring.alarm(
            t,
            f"{metric}Alarm",
            name=f"{NAME}-{metric}",
            description=f"What advances a rollout {what}; tapgen status SYSTEM",
            metric=metric,
            statistic="Sum",
            topic_arn=Ref(topic),
            **of_machine,
            **once,
        )
    for metric, what in (("Errors", "fails"), ("Throttles", "is throttled")):
        monitoring.alarm(
            t,
            f"Function{metric}Alarm",
            name=f"{NAME}-{metric}",
            description=f"The rollout engine {what}, three minutes out of five",
            metric=metric,
            statistic="Sum",
            topic_arn=Ref(topic),
            **of_function,
            **{**once, "datapoints": (3, 5)},
        )
    # It is never in ALARM: after it has had data, having none says that the schedule calls
    # nobody. "breaching" would go off as soon as the stack is made.
    alarm = monitoring.alarm(
        t,
        "NotLookingAlarm",
        name=f"{NAME}-not-looking",
        description="No data: for half an hour nobody has looked for runs that nobody "
        "advances",
        metric="Invocations",
        statistic="Sum",
        topic_arn=Ref(topic),
        **of_function,
        **{
            **once,
            "period": 300,
            "datapoints": (6, 6),
            "comparison": "<",
            "missing": "missing",
        },
    )
    alarm.InsufficientDataActions = [Ref(topic)]
