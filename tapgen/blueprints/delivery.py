"""Templates for the delivery of a system from its repository: a pipeline of CodePipeline,
and roles for jobs on GitHub. They have no keys that live longer than a job.

Who plans may read, who deploys may change the stack sets of one environment. In the account
of its own, tapgen reads stacks as its caller, so both have what the operator role has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from awacs import (
    cloudformation,
    codebuild,
    codeconnections,
    codepipeline,
    codestar_connections,
    iam,
    kms,
    logs,
    s3,
    sns,
    sts,
)
from awacs.aws import (
    Allow,
    ArnEquals,
    Condition,
    Principal,
    Statement,
    StringEquals,
    StringLike,
)
from troposphere import Equals, GetAtt, If, Join, Output, Parameter, Ref, Tags, Template
from troposphere import codebuild as builds
from troposphere import codepipeline as pipelines
from troposphere import events
from troposphere import iam as roles
from troposphere import kms as kms_resource
from troposphere import logs as groups
from troposphere import s3 as s3_resource
from troposphere import scheduler
from troposphere import sns as sns_resource

from tapgen.blocks import monitoring, names, security, storage
from tapgen.blueprints import bootstrap, encoding
from tapgen.errors import BlueprintError
from tapgen.frozen import dataclass
from tapgen.model import CHANGE_SETS, STACKS_IN_REVIEW
from tapgen.system import templates_out

_GITHUB = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"
_ROLE_NAME = 64  # characters (IAM quotas)
_LONGEST_BUILD = 480  # minutes; CodeBuild allows more
_CHECK_MINUTES = 60
_DRILL = "-drill"  # the end of the name of the pipeline that drills
_IMAGE = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
# https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html
_LOG_DAYS = 365
_ARTIFACT_DAYS = 30

_BUCKETS = "arn:${AWS::Partition}:s3:::tapgen-artifacts-${AWS::AccountId}-*"

_READ = (
    cloudformation.DescribeStackInstance,
    cloudformation.DescribeStackSet,
    cloudformation.DescribeStackSetOperation,
    cloudformation.ListStackInstances,
    cloudformation.ListStackSetOperationResults,
    cloudformation.ListStackSetOperations,
)
_CHANGE = (
    cloudformation.CreateStackInstances,
    cloudformation.CreateStackSet,
    cloudformation.DeleteStackInstances,
    cloudformation.DeleteStackSet,
    cloudformation.StopStackSetOperation,
    cloudformation.TagResource,
    cloudformation.UpdateStackInstances,
    cloudformation.UpdateStackSet,
)


@dataclass(frozen=True)
class Environment:
    """An environment that is delivered to: its name, the options that choose it for
    commands, its prefix (`payments-dr-prod`), and whether it may be drilled."""

    name: str
    choice: str
    prefix: str
    drills: bool = False


# -- what tapgen needs ---------------------------------------------------------------


def planning(prefix: str) -> Iterator[Statement]:
    """Allow what `tapgen plan` and `tapgen verify` call as the caller."""
    yield from reading(prefix)
    yield security.statement(
        "ReadWhereNoResourceCanBeNamed",
        [
            cloudformation.DescribeStackDriftDetectionStatus,
            cloudformation.ListStackSets,
            cloudformation.ListStacks,
            s3.ListAllMyBuckets,
            *bootstrap.QUOTA_ACTIONS,
            *bootstrap.WATCHING_ACTIONS,
        ],
        ["*"],
    )


def reading(*prefixes: str) -> Iterator[Statement]:
    """Allow reading what is of some systems: stack sets, stacks, roles and journals."""
    own = [
        names.arn("cloudformation", f"stack/{start}{prefix}-*", region="*")
        for prefix in prefixes
        for start in ("StackSet-", STACKS_IN_REVIEW)
    ]
    sets = [
        names.arn("cloudformation", f"stackset/{prefix}-*", region="*")
        for prefix in prefixes
    ]
    operators = [
        names.arn("iam", f"role/tapgen-{prefix}-operator", region="", account="*")
        for prefix in prefixes
    ]
    yield security.statement("ReadStackSets", _READ, sets)
    yield security.statement("ReadStacks", bootstrap.OPERATOR_ACTIONS, own)
    yield security.statement(
        "ReadRoles",
        [iam.GetRole],
        [names.arn("iam", "role/tapgen-*", region="")],
    )
    yield security.statement("ActAsOperator", [sts.AssumeRole], operators)
    yield security.statement("ListJournals", [s3.ListBucket], [_BUCKETS])
    yield security.statement("ReadJournals", [s3.GetObject], _objects(prefixes))


def _objects(prefixes: Iterable[str], artifacts: bool = True) -> list[str]:
    """Return the objects in artifact buckets that are of some systems, and templates and
    `artifacts` by their content."""
    own = ("runs/{}/*", "snapshots/{}/*", "overrides/{}-*", "leftovers/{}.json")
    keys = [one.format(prefix) for prefix in prefixes for one in own]
    shared = ("artifacts/*", "templates/*") if artifacts else ("templates/*",)
    return [f"{_BUCKETS}/{key}" for key in (*keys, *shared)]


def deploying(*prefixes: str, uploads: bool = True) -> Iterator[Statement]:
    """Allow what `tapgen rollout` and `tapgen rollback` call besides; `uploads` says
    whether that is also to upload artifacts, such as the code of functions."""
    yield security.statement(
        "ChangeStackSets",
        _CHANGE,
        [
            names.arn("cloudformation", f"{kind}/{prefix}-*", region="*")
            for prefix in prefixes
            for kind in ("stackset", "stackset-target")
        ]
        + [names.arn("cloudformation", "type/resource/*", region="*", account="*")],
    )
    yield security.statement(
        "ChangeSetsOfTapgen",
        [
            cloudformation.CreateChangeSet,
            cloudformation.DeleteChangeSet,
            cloudformation.DescribeChangeSet,
        ],
        [
            names.arn("cloudformation", f"stack/StackSet-{prefix}-*", region="*")
            for prefix in prefixes
        ],
        StringLike({"cloudformation:ChangeSetName": f"{CHANGE_SETS}*"}),
    )
    yield security.statement(
        "GiveStackSetsTheirRole",
        [iam.PassRole],
        [names.arn("iam", "role/tapgen-administration-*", region="")],
        StringEquals({"iam:PassedToService": "cloudformation.amazonaws.com"}),
    )
    written = _objects(prefixes, artifacts=uploads)
    yield security.statement("WriteJournals", [s3.PutObject], written)


# -- GitHub --------------------------------------------------------------------------


def github(
    system: str, environments: Sequence[Environment], repository: str, branch: str
) -> str:
    """Return the template of the roles that jobs on GitHub assume by OpenID Connect: for
    each environment one that plans, and one that deploys, once a reviewer has approved.

    https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
    """
    t = _start(f"tapgen: roles with which GitHub delivers {system}")
    given = t.add_parameter(
        Parameter(
            "ProviderArn",
            Type="String",
            Default="",
            AllowedPattern=r"^(arn:aws[a-z-]*:iam::\d{12}:oidc-provider/.+)?$",
            Description="ARN of the identity provider of GitHub, of which an account has "
            "one; empty to create it",
        )
    )
    t.add_condition("MakesProvider", Equals(Ref(given), ""))
    provider = t.add_resource(
        roles.OIDCProvider(
            "Provider",
            Condition="MakesProvider",
            Url=f"https://{_GITHUB}",
            ClientIdList=[_AUDIENCE],
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )
    arn = If("MakesProvider", GetAtt(provider, "Arn"), Ref(given))
    here = f"repo:{repository}"
    for one in environments:
        title = _title(one.name)
        planned = [f"{here}:pull_request", f"{here}:ref:refs/heads/{branch}"]
        plan = _job_role(t, f"{title}Plan", one, "plan", arn, planned)
        approved = [f"{here}:environment:{one.name}"]
        deploy = _job_role(t, f"{title}Deploy", one, "deploy", arn, approved)
        for role in (plan, deploy):
            t.add_output(Output(f"{role.title}RoleArn", Value=GetAtt(role, "Arn")))
    return _rendered(t)


def _job_role(
    t: Template,
    title: str,
    environment: Environment,
    what: str,
    provider: object,
    subjects: Sequence[str],
) -> roles.Role:
    trust = Statement(
        Sid="JobsOfTheRepository",
        Effect=Allow,
        Principal=Principal("Federated", provider),
        Action=[sts.AssumeRoleWithWebIdentity],
        Condition=Condition(
            [
                # Exactly these: a pattern would also trust other repositories or jobs.
                StringEquals(
                    {f"{_GITHUB}:aud": _AUDIENCE, f"{_GITHUB}:sub": [*subjects]}
                )
            ]
        ),
    )
    found: roles.Role = t.add_resource(
        roles.Role(
            title,
            RoleName=_role_name(environment, f"github-{what}"),
            Description=f"Jobs on GitHub {what} {environment.prefix} with this role",
            AssumeRolePolicyDocument=security.document(trust),
            MaxSessionDuration=43200 if what == "deploy" else 3600,
            Policies=[_policy("Delivery", _needs(environment, what))],
        )
    )
    return found


# -- CodePipeline --------------------------------------------------------------------


def code_pipeline(
    system: str,
    environments: Sequence[Environment],
    repository: str,
    branch: str,
    where: str = "",
    drill: str = "",
) -> str:
    """Return the template of a pipeline: source, checks, and for each environment the plan,
    an approval, and a rollout of exactly that plan, which is verified, and taken back where
    it is not well. With `drill`, a schedule, another pipeline drills by it the environments
    that may be drilled.

    In the mode SUPERSEDED a stage has one execution at a time, and the newest of those that
    wait goes on. `where` are the options that commands get for the folder of configs.
    https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
    """
    t = _start(f"tapgen: pipeline that delivers {system}")
    connection = t.add_parameter(
        Parameter(
            "ConnectionArn",
            Type="String",
            AllowedPattern=r"^arn:aws[a-z-]*:(codeconnections|codestar-connections):"
            r"[a-z0-9-]+:\d{12}:connection/.+$",
            Description="ARN of the connection to the repository, which somebody has "
            "completed in the console",
        )
    )
    called = f"tapgen-{system.replace('_', '-')}"
    around = _around(t, called, system)
    steps = _checks(f"{system}{where}")
    check = _project(t, "Check", f"{called}-check", (), around, steps)
    stages = [
        _stage("source", [_source(connection, repository, branch)]),
        _stage("check", [_build("check", check, "Source")]),
    ]
    for one in environments:
        title = _title(one.name)
        plan, deploy = (
            _project(
                t,
                f"{title}{what.title()}",
                _role_name(one, what),
                _needs(one, what),
                around,
                steps,
            )
            for what, steps in (("plan", _plans(one)), ("deploy", _deploys(one)))
        )
        stages.append(_stage(one.name, _delivers(one.name, plan, deploy, around)))
    drilled = {
        one.name: _drilling(t, one, around)
        for one in environments
        if drill and one.drills
    }
    projects = [r for r in t.resources.values() if isinstance(r, builds.Project)]
    needs = _runs(connection, projects, around)
    also = [f"{called}{_DRILL}"] if drilled else []
    _pipeline(t, called, stages, around, needs, also)
    if drilled:
        source = _source(connection, repository, branch, starts=False)
        _drill_pipeline(t, called, source, drilled, around, drill)
    return _rendered(t)


@dataclass(frozen=True)
class _Around:
    """What the pipeline and its projects share."""

    key: kms_resource.Key
    bucket: s3_resource.Bucket
    topic: sns_resource.Topic

    def statements(self) -> Iterator[Statement]:
        """Allow reading and writing what one action hands to the next."""
        yield security.statement(
            "HandOn",
            [s3.GetObject, s3.GetObjectVersion, s3.PutObject],
            [Join("", [GetAtt(self.bucket, "Arn"), "/*"])],
        )
        yield security.statement(
            "Artifacts", [s3.GetBucketLocation], [GetAtt(self.bucket, "Arn")]
        )
        yield from security.use_key([GetAtt(self.key, "Arn")])


def _around(t: Template, called: str, system: str) -> _Around:
    name = f"{called}-delivery"
    key = security.key(
        t,
        "Key",
        name=name,
        description=f"Encrypts the artifacts and logs of the delivery of {system}",
        policy=[
            security.logs_statement(f"/aws/codebuild/{called}-*"),
            _events_may_use_keys(),
        ],
    )
    topic = monitoring.plain_topic(t, "Topic", name=name, key_arn=GetAtt(key, "Arn"))
    storage.bucket(
        t,
        "Artifacts",
        # Unique in all accounts, and 63 characters at most.
        name=f"{called[:30].rstrip('-')}-${{AWS::AccountId}}-${{AWS::Region}}",
        purpose="delivery",
        key_arn=GetAtt(key, "Arn"),
        lifecycle=storage.lifecycle(
            noncurrent_days=_ARTIFACT_DAYS, expire_days=_ARTIFACT_DAYS
        ),
    )
    return _Around(key, t.resources["Artifacts"], topic)


def _project(
    t: Template,
    title: str,
    name: str,
    needs: Iterable[Statement],
    around: _Around,
    steps: Mapping[str, Any],
    variables: Mapping[str, Any] = {},
) -> builds.Project:
    """Add a project with a role of its own and its log group."""
    log = t.add_resource(
        groups.LogGroup(
            f"{title}Log",
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            LogGroupName=f"/aws/codebuild/{name}",
            RetentionInDays=_LOG_DAYS,
            KmsKeyId=GetAtt(around.key, "Arn"),
        )
    )
    role = security.service_role(
        t,
        f"{title}Role",
        name=name,
        service="codebuild.amazonaws.com",
        description=f"The jobs of {name} in the pipeline",
        allow=[
            security.statement(
                "WriteLog",
                [logs.CreateLogStream, logs.PutLogEvents],
                [GetAtt(log, "Arn")],
            ),
            *around.statements(),
            *needs,
        ],
    )
    minutes = _CHECK_MINUTES if title == "Check" else _LONGEST_BUILD
    found: builds.Project = t.add_resource(
        builds.Project(
            title,
            Name=name,
            Description=f"tapgen: {title}",
            ServiceRole=GetAtt(role, "Arn"),
            EncryptionKey=GetAtt(around.key, "Arn"),
            Artifacts=builds.Artifacts(Type="CODEPIPELINE"),
            Environment=builds.Environment(
                Type="LINUX_CONTAINER",
                ComputeType="BUILD_GENERAL1_MEDIUM",
                Image=_IMAGE,
                EnvironmentVariables=[
                    builds.EnvironmentVariable(Name=name, Value=value)
                    for name, value in {
                        "ACCOUNT": Ref("AWS::AccountId"),
                        "CI": "true",
                        **variables,
                    }.items()
                ],
            ),
            Source=builds.Source(
                Type="CODEPIPELINE",
                BuildSpec=json.dumps({"version": 0.2, **steps}, indent=1),
            ),
            LogsConfig=builds.LogsConfig(
                CloudWatchLogs=builds.CloudWatchLogs(
                    Status="ENABLED", GroupName=Ref(log)
                )
            ),
            TimeoutInMinutes=minutes,
            Tags=Tags(Name=name),
        )
    )
    return found


def _commands(*commands: str, **more: Any) -> dict[str, Any]:
    install = {"commands": ["pip install -r requirements.txt"]}
    phases = {"install": install, "build": {"commands": [*commands]}}
    return {"env": {"shell": "bash"}, "phases": phases} | more


def _checks(chosen: str) -> dict[str, Any]:
    return _commands(
        f"tapgen templates {chosen} --check",
        f"tapgen lint {chosen}",
        "if [ -d tests ]; then python -m pytest tests; fi",
        f"tapgen rollout {chosen} --local --yes",
        f"tapgen verify {chosen} --local",
    )


def _plans(one: Environment) -> dict[str, Any]:
    """Plan, and hand the plan on by its digest; an empty file where nothing changes."""
    return _commands(
        f"""code=0
tapgen plan {one.choice} --account "$ACCOUNT" --out plan.json || code=$?
if [ "$code" -ne 0 ] && [ "$code" -ne 2 ]; then exit "$code"; fi
export CHANGES=false
if [ "$code" -eq 2 ]; then export CHANGES=true; fi
[ -f plan.json ] || : > plan.json
export DIGEST=$(sha256sum plan.json | cut -d " " -f 1)""",
        artifacts={"files": ["plan.json"]},
        env={"shell": "bash", "exported-variables": ["CHANGES", "DIGEST"]},
    )


def _deploys(one: Environment) -> dict[str, Any]:
    """Roll out the plan that was approved, and verify; take it back if it is not well."""
    drill = (
        f"""
tapgen drill {one.choice} --account "$ACCOUNT" --yes --report drill.json"""
        if one.drills
        else ""
    )
    return _commands(f"""set -e
plan="$CODEBUILD_SRC_DIR_{_artifact(one.name)}/plan.json"
echo "$DIGEST  $plan" | sha256sum --check
if [ "$CHANGES" = true ]; then
  tapgen rollout {one.choice} --account "$ACCOUNT" --plan "$plan" --yes
fi
tapgen verify {one.choice} --account "$ACCOUNT" --wait 15m --output json > verified.json || true
verdict=$(jq -r .verdict verified.json)
jq -r '.found[] | select(.verdict == "fails" or .verdict == "unknown")
  | "\\(.verdict): \\(.region) \\(.part): \\(.kind) \\(.name) \\(.words)"' verified.json
case "$verdict" in
  holds | expected | unknown) ;;
  *)
    if [ "$CHANGES" = true ]; then tapgen rollback {one.choice} --account "$ACCOUNT" --yes; fi
    exit 1 ;;
esac{drill}""")


def _drills(one: Environment) -> dict[str, Any]:
    """Drill; the log keeps the report, also where a goal was missed."""
    return _commands(f"""code=0
tapgen drill {one.choice} --account "$ACCOUNT" --assume-role "$DRILL_ROLE" --yes \\
  --report drill.md || code=$?
if [ -f drill.md ]; then cat drill.md; fi
exit $code""")


def drill_role(one: Environment) -> str:
    """Return the parameter with the name of the role that drills an environment."""
    return f"{_title(one.name)}Driller"


def _drilling(t: Template, one: Environment, around: _Around) -> builds.Project:
    """Add the project that drills an environment, by a role that the user names: what a
    drill may do is on the resources of the system."""
    title = _title(one.name)
    role = t.add_parameter(
        Parameter(
            drill_role(one),
            Type="String",
            AllowedPattern=r"^[\w+=,.@/-]{1,512}$",
            Description=f"Name of the role that may drill {one.prefix}, with the actions "
            "that tapgen drill --dry-run lists; it trusts the role of the project",
        )
    )
    acts = security.statement(
        "ActAsDriller",
        [sts.AssumeRole],
        [names.arn("iam", f"role/${{{role.title}}}", region="", account="*")],
    )
    return _project(
        t,
        f"{title}Drill",
        _role_name(one, "drill"),
        [*planning(one.prefix), acts],
        around,
        _drills(one),
        {"DRILL_ROLE": Ref(role)},
    )


# -- the pipeline itself -------------------------------------------------------------


def _stage(name: str, actions: Iterable[pipelines.Actions]) -> pipelines.Stages:
    return pipelines.Stages(Name=name, Actions=[*actions])


def _source(
    connection: Parameter, repository: str, branch: str, *, starts: bool = True
) -> pipelines.Actions:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodestarConnectionSource.html"""
    return _action(
        "repository",
        ("Source", "CodeStarSourceConnection"),
        {
            "ConnectionArn": Ref(connection),
            "FullRepositoryId": repository,
            "BranchName": branch,
            "OutputArtifactFormat": "CODE_ZIP",
            "DetectChanges": str(starts).lower(),
        },
        OutputArtifacts=[pipelines.OutputArtifacts(Name="Source")],
    )


def _delivers(
    name: str, plan: builds.Project, deploy: builds.Project, around: _Around
) -> Iterator[pipelines.Actions]:
    """Plan, wait for an approval, and deploy: one after the other in a stage, so that a
    later execution plans only when this one has ended."""
    place, handed = f"plan-{name}", _artifact(name)
    yield _build(
        "plan",
        plan,
        "Source",
        Namespace=place,
        OutputArtifacts=[pipelines.OutputArtifacts(Name=handed)],
    )
    yield _action(
        "approve",
        ("Approval", "Manual"),
        {
            "NotificationArn": Ref(around.topic),
            "CustomData": f"{name}: changes: #{{{place}.CHANGES}}; the plan is in the "
            f"log of the action plan, its SHA-256 is #{{{place}.DIGEST}}",
        },
        RunOrder=2,
    )
    found = _build("deploy", deploy, "Source", handed, RunOrder=3)
    found.Configuration["EnvironmentVariables"] = json.dumps(
        [
            {"name": variable, "value": f"#{{{place}.{variable}}}"}
            for variable in ("CHANGES", "DIGEST")
        ]
    )
    yield found


def _build(
    name: str, project: builds.Project, *handed: str, **more: Any
) -> pipelines.Actions:
    given = {"ProjectName": Ref(project), "PrimarySource": handed[0]}
    inputs = [pipelines.InputArtifacts(Name=one) for one in handed]
    kind = ("Build", "CodeBuild")
    return _action(name, kind, given, InputArtifacts=inputs, **more)


def _action(
    name: str, kind: tuple[str, str], given: Mapping[str, Any], **more: Any
) -> pipelines.Actions:
    category, provider = kind
    return pipelines.Actions(
        Name=name,
        ActionTypeId=pipelines.ActionTypeId(
            Category=category, Owner="AWS", Provider=provider, Version="1"
        ),
        Configuration=dict(given),
        **{"RunOrder": 1, **more},
    )


def _runs(
    connection: Parameter, projects: Sequence[builds.Project], around: _Around
) -> Iterator[Statement]:
    """Allow what the pipeline itself does.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html
    """
    yield from around.statements()
    # Both: the prefix has changed, and a connection has the one of its time.
    # https://docs.aws.amazon.com/dtconsole/latest/userguide/rename.html
    yield security.statement(
        "ReadRepository",
        [codeconnections.UseConnection, codestar_connections.UseConnection],
        [Ref(connection)],
    )
    yield security.statement(
        "RunProjects",
        [codebuild.BatchGetBuilds, codebuild.StartBuild],
        [GetAtt(project, "Arn") for project in projects],
    )
    yield security.statement("AskForApproval", [sns.Publish], [Ref(around.topic)])


def _pipeline(
    t: Template,
    name: str,
    stages: Sequence[pipelines.Stages],
    around: _Around,
    needs: Iterable[Statement],
    also: Sequence[str],
) -> None:
    """Add the pipeline, and the rule that reports when it or one of `also` has ended.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
    """
    role = security.service_role(
        t,
        "PipelineRole",
        name=f"{name}-pipeline",
        service="codepipeline.amazonaws.com",
        description="The pipeline starts its projects with this role",
        allow=[*needs],
    )
    pipeline = _add_pipeline(t, "Pipeline", name, GetAtt(role, "Arn"), stages, around)
    rule = t.add_resource(
        events.Rule(
            "Ended",
            Name=f"{name}-ended",
            Description="A delivery that is done, has failed or was stopped is reported",
            EventPattern={
                "source": ["aws.codepipeline"],
                "detail-type": ["CodePipeline Pipeline Execution State Change"],
                "detail": {
                    "pipeline": [name, *also],
                    "state": ["FAILED", "STOPPED", "SUCCEEDED"],
                },
            },
            Targets=[events.Target(Id="topic", Arn=Ref(around.topic))],
        )
    )
    t.add_resource(
        sns_resource.TopicPolicy(
            "TopicPolicy",
            Topics=[Ref(around.topic)],
            PolicyDocument=security.document(
                security.statement(
                    "EventsMayPublish",
                    [sns.Publish],
                    [Ref(around.topic)],
                    ArnEquals({"aws:SourceArn": GetAtt(rule, "Arn")}),
                    service="events.amazonaws.com",
                )
            ),
        )
    )
    t.add_output(Output("PipelineName", Value=Ref(pipeline)))
    t.add_output(Output("TopicArn", Value=Ref(around.topic)))


def _drill_pipeline(
    t: Template,
    name: str,
    source: pipelines.Actions,
    projects: Mapping[str, builds.Project],
    around: _Around,
    schedule: str,
) -> None:
    """Add a pipeline that drills one environment after the other, and a schedule that starts
    it.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
    """
    called = f"{name}{_DRILL}"
    actions = [
        _build(stage, project, "Source", RunOrder=number)
        for number, (stage, project) in enumerate(projects.items(), 1)
    ]
    stages = [_stage("source", [source]), _stage("drill", actions)]
    pipeline = _add_pipeline(
        t, "DrillPipeline", called, GetAtt("PipelineRole", "Arn"), stages, around
    )
    arn = names.sub(names.arn("codepipeline", called))
    role = security.service_role(
        t,
        "ScheduleRole",
        name=f"{called}-schedule",
        service="scheduler.amazonaws.com",
        description="The schedule starts the pipeline that drills with this role",
        allow=[
            security.statement(
                "StartDrills", [codepipeline.StartPipelineExecution], [arn]
            )
        ],
    )
    t.add_resource(
        scheduler.Schedule(
            "DrillSchedule",
            DependsOn=pipeline.title,
            Name=called,
            Description="Starts the drills",
            ScheduleExpression=schedule,
            ScheduleExpressionTimezone="UTC",
            FlexibleTimeWindow=scheduler.FlexibleTimeWindow(Mode="OFF"),
            Target=scheduler.Target(Arn=arn, RoleArn=GetAtt(role, "Arn")),
        )
    )


def _add_pipeline(
    t: Template,
    title: str,
    name: str,
    role_arn: Any,
    stages: Sequence[pipelines.Stages],
    around: _Around,
) -> pipelines.Pipeline:
    return t.add_resource(
        pipelines.Pipeline(
            title,
            Name=name,
            RoleArn=role_arn,
            PipelineType="V2",
            ExecutionMode="SUPERSEDED",
            ArtifactStore=pipelines.ArtifactStore(
                Type="S3",
                Location=Ref(around.bucket),
                EncryptionKey=pipelines.EncryptionKey(
                    Id=GetAtt(around.key, "Arn"), Type="KMS"
                ),
            ),
            Stages=[*stages],
            Tags=Tags(Name=name),
        )
    )


def _artifact(name: str) -> str:
    return f"Plan_{name.replace('-', '_')}"


# -- both ----------------------------------------------------------------------------


def _needs(environment: Environment, what: str) -> list[Statement]:
    found = [*planning(environment.prefix)]
    if what == "deploy":
        found += deploying(environment.prefix)
    return found


def _policy(name: str, statements: Sequence[Statement]) -> roles.Policy:
    return roles.Policy(PolicyName=name, PolicyDocument=security.document(*statements))


def _role_name(environment: Environment, what: str) -> str:
    name = f"tapgen-{environment.prefix}-{what}"
    if len(name) > _ROLE_NAME:
        raise BlueprintError(
            f"role name {name} has {len(name)} characters, IAM allows {_ROLE_NAME}; "
            "shorten the system's name or the suffix"
        )
    return name


def _title(name: str) -> str:
    return "".join(word.title() for word in name.replace("_", "-").split("-"))


def _start(description: str) -> Template:
    t = Template(Description=description)
    t.set_version()
    return t


def _rendered(t: Template) -> str:
    return templates_out.render(encoding.data(t), ours=True)


def _events_may_use_keys() -> Statement:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-target-permissions.html"""
    return security.statement(
        "EventsMayEncrypt",
        [kms.Decrypt, kms.GenerateDataKey],
        ["*"],
        security.own_account(),
        service="events.amazonaws.com",
    )
