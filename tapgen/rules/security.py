"""Secrets in plain text, and rules silenced without a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tapgen.rules.base import USER_GUIDE, Found, ResourceRule, Rule, deployed_to
from tapgen.rules.values import Path, get, items, text
from tapgen.rules.view import Resource, View

_SHAPES = (
    (re.compile(r"(?:AKIA|ASIA)(?!.*EXAMPLE)[0-9A-Z]{16}"), "an AWS access key id"),
    (re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"), "a private key"),
    (re.compile(r"gh[pousr]_[0-9A-Za-z]{36}"), "a GitHub token"),
    (re.compile(r"xox[abps]-[0-9A-Za-z-]{20,}"), "a Slack token"),
)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|api_?key|private_?key|secret_?(?:access_?)?key|"
    r"client_?secret|auth_?token)$",
    re.IGNORECASE,
)
# Values that refer to a secret.
_NAMES_ONE = re.compile(r"^(?:arn:|/|https?://|\{\{resolve:|\$\{|alias/)|^\s*$")
_ENVIRONMENTS: Mapping[str, tuple[str, ...]] = {
    "AWS::Lambda::Function": ("Environment", "Variables"),
    "AWS::Batch::JobDefinition": ("ContainerProperties", "Environment"),
    "AWS::CodeBuild::Project": ("Environment", "EnvironmentVariables"),
}


class SecretInTemplate(ResourceRule):
    id = "W9560"
    shortdesc = "A secret is written in the template"
    description = (
        "Templates are committed, uploaded to S3, and visible to everyone who may"
        " describe the stack set. Environment variables of functions and containers"
        " are visible to everyone who may describe those. Store the secret in Secrets"
        " Manager or Parameter Store and refer to it with"
        " {{resolve:secretsmanager:…}}, or read it at run time."
    )
    source_url = f"{USER_GUIDE}dynamic-references.html"
    at = "Resources/Function/Properties/Environment/Variables/DB_PASSWORD"
    _function = """\
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Role: !Sub arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/orders
      Runtime: python3.13
      Handler: index.handler
      Code: {{ZipFile: 'def handler(event, context): pass'}}
      Environment:
        Variables:
          {variable}
"""
    bad = _function.format(variable="DB_PASSWORD: correct-horse-battery")
    good = _function.format(variable="DB_SECRET_ID: orders/database")

    def check_resource(self, it: Resource) -> Iterator[Found]:
        yield from self._shaped(it)
        steps = _ENVIRONMENTS.get(it.type)
        if steps:
            yield from self._named(steps, get(it.properties, *steps))
        for index, container in enumerate(items(it.properties, "ContainerDefinitions")):
            path = ("ContainerDefinitions", index, "Environment")
            yield from self._named(path, get(container, "Environment"))

    @staticmethod
    def _shaped(it: Resource) -> Iterator[Found]:
        for path, value in it.leaves:
            for pattern, what in _SHAPES:
                if isinstance(value, str) and pattern.search(value):
                    yield path, f"this looks like {what}; store it in Secrets Manager"

    @staticmethod
    def _named(path: Path, variables: object) -> Iterator[Found]:
        pairs: list[tuple[Path, str, object]] = []
        if isinstance(variables, Mapping):
            pairs = [((k,), str(k), v) for k, v in variables.items()]
        elif isinstance(variables, list):
            pairs = [
                ((i, "Value"), text(v, "Name") or "", get(v, "Value"))
                for i, v in enumerate(variables)
                if text(v, "Type") in (None, "PLAINTEXT")
            ]
        for steps, name, value in pairs:
            if not _SECRET_NAME.search(name) or not isinstance(value, str):
                continue
            if not _NAMES_ONE.search(value):
                yield (*path, *steps), (
                    f"{name} is plain text in the template; refer to a secret instead"
                )


class SecretParameterInClear(Rule):
    id = "W9561"
    shortdesc = "A NoEcho parameter has its value in plain text"
    description = (
        "NoEcho hides a value only in the responses of CloudFormation. A default in"
        " the template, or a value in the YAML file and its manifest, is committed,"
        " and everyone can read it. Use a reference to a secret instead."
    )
    source_url = f"{USER_GUIDE}parameters-section-structure.html"
    deployment = deployed_to("us-east-1", parameters={"Token": "correct-horse-battery"})
    at = "Parameters/Token"
    _body = """\
Parameters:
  Token: {{Type: String{more}}}
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      SecretString: !Ref Token
"""
    bad = _body.format(more=", NoEcho: true")
    good = """\
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      GenerateSecretString: {PasswordLength: 32}
"""

    def check(self, view: View) -> Iterator[Found]:
        declared = get(view.template, "Parameters")
        if not isinstance(declared, Mapping):
            return
        for name, parameter in declared.items():
            if (text(parameter, "NoEcho") or "").lower() != "true":
                continue
            if self._clear(get(parameter, "Default")):
                yield ("Parameters", str(name), "Default"), (
                    f"the default of NoEcho parameter {name} is plain text in the template;"
                    " refer to a secret instead"
                )
            given = [get(s, "parameters", str(name)) for s in view.stack_sets] + [
                get(override, "parameters", str(name))
                for s in view.stack_sets
                for override in items(s, "overrides")
            ]
            if any(map(self._clear, given)):
                yield ("Parameters", str(name)), (
                    f"the value of NoEcho parameter {name} is plain text in the"
                    " manifest; refer to a secret instead"
                )

    @staticmethod
    def _clear(value: object) -> bool:
        return isinstance(value, str) and not _NAMES_ONE.search(value)


class SilencedWithoutReason(Rule):
    id = "W9563"
    shortdesc = "A rule is silenced without a reason"
    description = (
        "A check that is disabled in the metadata of a template stays disabled for"
        " years. Give the reason beside it, in Metadata.cfn-lint.reasons, from rule to"
        " text. This applies only to the rules of this pack."
    )
    source_url = (
        "https://github.com/aws-cloudformation/cfn-lint#template-based-metadata"
    )
    sees_macros = True
    at = "Resources/Bucket/Metadata/cfn-lint/config/ignore_checks/0"
    _body = """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Metadata:
      cfn-lint:
        config: {{ignore_checks: [E9501]}}
{reasons}\
"""
    bad = _body.format(reasons="")
    good = _body.format(reasons="        reasons: {E9501: targets one region only}\n")

    def check(self, view: View) -> Iterator[Found]:
        places: list[tuple[Path, object]] = [((), view.template)]
        resources = get(view.template, "Resources")
        if isinstance(resources, Mapping):
            places += [(("Resources", str(k)), v) for k, v in resources.items()]
        for path, node in places:
            about = get(node, "Metadata", "cfn-lint")
            for index, ignored in enumerate(items(about, "config", "ignore_checks")):
                ours = isinstance(ignored, str) and ignored[1:3] in ("95",)
                if ours and not text(about, "reasons", ignored):
                    steps = ("Metadata", "cfn-lint", "config", "ignore_checks", index)
                    yield (*path, *steps), (
                        f"give the reason in Metadata.cfn-lint.reasons.{ignored}"
                    )
