"""Resources that are a snapshot of another one, and do not follow its changes.

A version of a function has the code and settings of the moment in which it was created,
and an alias goes on pointing at it (Lambda developer guide, Manage Lambda function
versions); the same for deployments of an API (API Gateway developer guide, Deploy REST
APIs) and versions of state machines, guardrails, prompts and flows.
"""

from __future__ import annotations

from tapgen.frozen import dataclass


@dataclass(frozen=True)
class Snapshot:
    """A type that is a snapshot: `source` is its property that refers to a resource of
    type `of`, or to what resources of the types `parts` belong to by the same property.

    Changes of the properties in `live` reach users without a new snapshot.
    """

    type: str
    source: str
    of: str
    live: frozenset[str] = frozenset({"Tags"})
    parts: frozenset[str] = frozenset()


SNAPSHOTS: tuple[Snapshot, ...] = (
    Snapshot(
        "AWS::Lambda::Version",
        "FunctionName",
        "AWS::Lambda::Function",
        frozenset(
            {
                "CodeSigningConfigArn",
                "RecursiveLoop",
                "ReservedConcurrentExecutions",
                "RuntimeManagementConfig",
                "Tags",
            }
        ),
    ),
    Snapshot(
        "AWS::StepFunctions::StateMachineVersion",
        "StateMachineArn",
        "AWS::StepFunctions::StateMachine",
    ),
    Snapshot(
        "AWS::ApiGateway::Deployment",
        "RestApiId",
        "AWS::ApiGateway::RestApi",
        frozenset(
            {
                "ApiKeySourceType",
                "Description",
                "DisableExecuteApiEndpoint",
                "EndpointConfiguration",
                "Name",
                "Tags",
            }
        ),
        frozenset(
            {
                "AWS::ApiGateway::Authorizer",
                "AWS::ApiGateway::GatewayResponse",
                "AWS::ApiGateway::Method",
                "AWS::ApiGateway::Model",
                "AWS::ApiGateway::RequestValidator",
                "AWS::ApiGateway::Resource",
            }
        ),
    ),
    Snapshot(
        "AWS::Bedrock::GuardrailVersion",
        "GuardrailIdentifier",
        "AWS::Bedrock::Guardrail",
    ),
    Snapshot("AWS::Bedrock::PromptVersion", "PromptArn", "AWS::Bedrock::Prompt"),
    Snapshot("AWS::Bedrock::FlowVersion", "FlowArn", "AWS::Bedrock::Flow"),
)
"""Types that are snapshots of other resources."""
