"""Dynamic references: `{{resolve:…}}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.rules.base import DOCS, USER_GUIDE, Found, Rule, deployed_to
from tapgen.rules.values import Path, beginning
from tapgen.rules.view import Resource, View
from tapgen.rules.wide import FoundAt, WideRule, World

_REFERENCE = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):")
_SECRET = re.compile(r"\{\{resolve:(?:secretsmanager|ssm-secure):")
_ARN = re.compile(
    r"\{\{resolve:secretsmanager:(arn:[a-z-]+:secretsmanager:([a-z0-9-]+):\d{12}:)"
)


def _texts(node: Any) -> Iterator[tuple[Path, str]]:
    """Yield all text below a node, also within functions and in their known beginnings;
    its path ends at the function."""
    yield from ((path, known) for path, known, _ in _written(node))


def _written(
    node: Any, path: Path = (), depth: int = 0
) -> Iterator[tuple[Path, str, Any]]:
    """Yield the same as `_texts`, each with the text or the function that has it."""
    if depth > 60:
        return
    known = node if isinstance(node, str) else beginning(node)
    if known is not None:
        yield path, known, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            function = str(key).startswith("Fn::") and len(node) == 1
            step = path if function else (*path, str(key))
            yield from _written(value, step, depth + 1)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _written(item, (*path, index), depth + 1)


class ReferenceInMetadata(Rule):
    id = "E9602"
    shortdesc = "A dynamic reference is in Metadata"
    description = (
        "CloudFormation resolves {{resolve:…}} in properties, and not in Metadata: what"
        " reads it, such as cfn-init with AWS::CloudFormation::Init, gets the text of"
        " the reference. Read the parameter or the secret on the instance itself, or"
        " pass an SSM parameter as a parameter of the template."
    )
    source_url = (
        f"{DOCS}secretsmanager/latest/userguide/cfn-example_reference-secret.html"
    )
    _server = """\
Resources:
  Server:
    Type: AWS::EC2::Instance
    Metadata:
      AWS::CloudFormation::Init:
        config:
          files:
            /etc/app.conf:
              content: {content}
    Properties:
      InstanceType: t3.micro
      ImageId: '{{{{resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64}}}}'
"""
    at = (
        "Resources/Server/Metadata/AWS::CloudFormation::Init/config/files/"
        "/etc/app.conf/content"
    )
    bad = _server.format(content="!Sub '{{resolve:ssm:/app/${AWS::Region}/token}}'")
    good = _server.format(content="!Sub 'token: /app/${AWS::Region}/token'")

    def check(self, view: View) -> Iterator[Found]:
        parts: list[tuple[Path, Any]] = [(("Metadata",), view.template.get("Metadata"))]
        for place in view.places:
            parts += [
                (("Resources", it.id, "Metadata"), it.attributes.get("Metadata"))
                for it in place.of()
            ]
        for start, node in parts:
            for path, known in _texts(node):
                if _REFERENCE.search(known):
                    yield (*start, *path), (
                        "CloudFormation does not resolve references in Metadata; read"
                        " the value where it is used"
                    )


class SecretOfAnotherRegion(WideRule):
    id = "E9603"
    shortdesc = "A dynamic reference is about a secret of another region"
    description = (
        "CloudFormation asks Secrets Manager in the region of the stack. It does not"
        " find a secret whose ARN is of another region, and the stack fails with"
        " ResourceNotFoundException. Replicate the secret (ReplicaRegions) and write"
        " ${AWS::Region} in the ARN, or give the name of the secret."
    )
    source_url = f"{USER_GUIDE}dynamic-references-secretsmanager.html"
    needs_targets = True
    deployment = deployed_to("us-east-1", "eu-west-1")
    at = "Resources/User/Properties/Passwords/0"
    _user = """\
Resources:
  User:
    Type: AWS::ElastiCache::User
    Properties:
      UserId: orders
      UserName: orders
      Engine: redis
      AccessString: on ~* +@all
      Passwords:
        - !Sub '{{{{resolve:secretsmanager:arn:${{AWS::Partition}}:secretsmanager:{region}:${{AWS::AccountId}}:secret:orders-a1b2c3:SecretString:password}}}}'
"""
    bad = _user.format(region="us-east-1")
    good = _user.format(region="${AWS::Region}")

    def check_world(self, world: World) -> Iterator[FoundAt]:
        for _, place in world.places:
            for it in place.of():
                for path, known, node in _written(it.properties):
                    for region in _regions(world, it, known, node):
                        if region != place.region:
                            yield it, path, (
                                f"the secret is in {region}, but the stack in"
                                f" {place.region} finds secrets of its own region only"
                            )


def _regions(world: World, it: Resource, known: str, node: Any) -> Iterator[str]:
    """Yield the region of each secret whose ARN is in a text; `known` is its beginning."""
    yield from (found[2] for found in _ARN.finditer(known))
    if known.endswith("{{resolve:secretsmanager:"):
        # The rest is a reference: to a secret of this system, it is its ARN.
        found = world.origin(it, node)
        if found and found[0].type == "AWS::SecretsManager::Secret":
            yield found[0].place.region


class SecretInAnOutput(Rule):
    id = "E9604"
    shortdesc = "An output contains a resolved secret"
    description = (
        "Everybody who may describe the stack reads its outputs. CloudFormation allows"
        " references to secrets in properties only. cfn-lint finds those that are"
        " written in an output as one text (E1051), but not those that functions,"
        " mappings or parameters bring there. Put out the ARN of the secret."
    )
    source_url = f"{USER_GUIDE}dynamic-references-secretsmanager.html"
    at = "Outputs/Password/Value"
    _secret = """\
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {{GenerateSecretString: {{PasswordLength: 32}}}}
Outputs:
  Password:
    Value: {value}
"""
    bad = _secret.format(
        value="!Join ['', ['{{resolve:secretsmanager:', !Ref Secret, '}}']]"
    )
    good = _secret.format(value="!Ref Secret")

    def check(self, view: View) -> Iterator[Found]:
        for place in view.places:
            for name, value in place.evaluated.outputs.items():
                if any(_SECRET.search(known) for _, known in _texts(value)):
                    yield ("Outputs", str(name), "Value"), (
                        "the value of the secret would be readable in the output; put"
                        " out the ARN of the secret"
                    )
