"""Properties that `aws cloudformation package` fills in, where a template may name a file.

Source: AWS CLI command reference, `cloudformation package`, and the property types in
CloudFormation's template reference.
"""

from __future__ import annotations

from collections.abc import Mapping

LOCATIONS: Mapping[str, Mapping[tuple[str, ...], str]] = {
    "AWS::ApiGateway::RestApi": {("BodyS3Location",): "Bucket and Key"},
    "AWS::AppSync::FunctionConfiguration": {
        ("CodeS3Location",): "",
        ("RequestMappingTemplateS3Location",): "",
        ("ResponseMappingTemplateS3Location",): "",
    },
    "AWS::AppSync::GraphQLSchema": {("DefinitionS3Location",): ""},
    "AWS::AppSync::Resolver": {
        ("CodeS3Location",): "",
        ("RequestMappingTemplateS3Location",): "",
        ("ResponseMappingTemplateS3Location",): "",
    },
    "AWS::CloudFormation::ModuleVersion": {("ModulePackage",): ""},
    "AWS::CloudFormation::ResourceVersion": {("SchemaHandlerPackage",): ""},
    "AWS::CodeCommit::Repository": {("Code", "S3"): "Bucket and Key"},
    "AWS::ElasticBeanstalk::ApplicationVersion": {
        ("SourceBundle",): "S3Bucket and S3Key"
    },
    "AWS::Glue::Job": {("Command", "ScriptLocation"): ""},
    "AWS::Lambda::Function": {("Code",): "S3Bucket and S3Key, or ZipFile"},
    "AWS::Lambda::LayerVersion": {("Content",): "S3Bucket and S3Key"},
    "AWS::StepFunctions::StateMachine": {("DefinitionS3Location",): "Bucket and Key"},
}
"""Resource type → the path of a property → the keys that it takes; empty for a property
that takes the URL of an object."""

URLS = ("s3://", "http://", "https://", "{{resolve:")
"""What the URL of an object, or a reference to one, begins with."""
