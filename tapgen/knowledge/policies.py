"""Where policies stand, what attaches them, and which conditions limit nobody."""

from __future__ import annotations

OPEN_TO_ALL: dict[str, frozenset[str]] = {
    key.lower(): frozenset(values)
    for key, values in {
        # What every caller chooses freely. Amazon S3 user guide, "Blocking public access
        # to your Amazon S3 storage", "The meaning of public", lists the keys that limit;
        # IAM user guide, "AWS global condition context keys", warns of the last two.
        "aws:CurrentTime": (),
        "aws:EpochTime": (),
        "aws:RequestedRegion": (),
        "aws:SecureTransport": (),
        "aws:Referer": (),
        "aws:UserAgent": (),
        "s3:TlsVersion": (),
        "s3:delimiter": (),
        "s3:max-keys": (),
        "s3:prefix": (),
        "s3:x-amz-acl": (),
        "s3:x-amz-content-sha256": (),
        "s3:x-amz-server-side-encryption": (),
        # Lambda developer guide, "Control access to Lambda function URLs": NONE admits
        # callers without a signature.
        "lambda:FunctionUrlAuthType": ("none",),
        "lambda:InvokedViaFunctionUrl": (),
    }.items()
}
"""Key of a condition → its values that limit nobody, none for any value."""

NAMED = r".*(?:Policy|Policies|PolicyText|PolicyDocument|PolicyTemplate)|Statement"
"""How properties are called that hold a policy, where the schema takes any object."""

TEXTS: dict[str, tuple[str, ...]] = {
    "AWS::AIOps::InvestigationGroup": ("InvestigationGroupPolicy",),
    "AWS::APS::ResourcePolicy": ("PolicyDocument",),
    "AWS::BedrockAgentCore::ResourcePolicy": ("Policy",),
    "AWS::Comprehend::DocumentClassifier": ("ModelPolicy",),
    "AWS::Comprehend::EntityRecognizer": ("ModelPolicy",),
    "AWS::DSQL::Cluster": ("PolicyDocument",),
    "AWS::ECR::RepositoryCreationTemplate": ("RepositoryPolicy",),
    "AWS::EKS::PodIdentityAssociation": ("Policy",),
    "AWS::IAM::ManagedPolicy": ("PolicyDocument",),
    "AWS::Logs::Destination": ("DestinationPolicy",),
    "AWS::MediaStore::Container": ("Policy",),
    "AWS::ODB::OdbNetwork": (
        "KmsPolicyDocument",
        "S3PolicyDocument",
        "StsPolicyDocument",
    ),
    "AWS::Organizations::Policy": ("Content",),
    "AWS::Organizations::ResourcePolicy": ("Content",),
    "AWS::PaymentCryptography::Key": ("Policy",),
    "AWS::RUM::AppMonitor": ("ResourcePolicy/PolicyDocument",),
    "AWS::RolesAnywhere::Profile": ("SessionPolicy",),
    "AWS::Transfer::User": ("Policy",),
    "AWS::XRay::ResourcePolicy": ("PolicyDocument",),
}
"""Type → properties that hold a policy as text or under another name, which no schema
says. Source: the resource reference of each."""

OTHERS: dict[str, str] = {
    "AWS::Logs::LogGroup DataProtectionPolicy": "what is masked",
    "AWS::Logs::LogGroup FieldIndexPolicies/*": "what is indexed",
    "AWS::NetworkManager::CoreNetwork PolicyDocument": "segments and routes",
    "AWS::RAM::Permission PolicyTemplate": "actions without whom they are for; "
    "a share names both",
    "AWS::SNS::Subscription DeliveryPolicy": "retries",
    "AWS::SNS::Subscription FilterPolicy": "which messages are delivered",
    "AWS::SNS::Subscription RedrivePolicy": "where failed messages go",
    "AWS::SNS::Subscription ReplayPolicy": "which messages are sent again",
    "AWS::SNS::Topic ArchivePolicy": "how long messages are kept",
    "AWS::SNS::Topic DataProtectionPolicy": "what is masked",
    "AWS::SQS::Queue RedriveAllowPolicy": "whose dead-letter queue it is",
    # text
    "AWS::Config::ConfigRule Source/CustomPolicyDetails/PolicyText": "a check",
    "AWS::Config::OrganizationConfigRule "
    "OrganizationCustomPolicyRuleMetadata/PolicyText": "a check",
    "AWS::EC2::ClientVpnEndpoint AuthorizationPolicy/PolicyDocument": "Cedar, not IAM",
    "AWS::EC2::VerifiedAccessEndpoint PolicyDocument": "Cedar, not IAM",
    "AWS::EC2::VerifiedAccessGroup PolicyDocument": "Cedar, not IAM",
    "AWS::ECR::Repository LifecyclePolicy/LifecyclePolicyText": "which images expire",
    "AWS::ECR::RepositoryCreationTemplate LifecyclePolicy": "which images expire",
    "AWS::Logs::AccountPolicy PolicyDocument": "what is masked, indexed or forwarded",
    "AWS::MediaStore::Container LifecyclePolicy": "which objects expire",
    "AWS::OpenSearchServerless::AccessPolicy Policy": "rules of its own form; read by "
    "`policies.statements`",
    "AWS::OpenSearchServerless::LifecyclePolicy Policy": "which indexes expire",
    "AWS::OpenSearchServerless::SecurityPolicy Policy": "encryption and networks",
}
"""Properties with such a name that hold no IAM policy: type and path → what they hold."""

PRIVATE: frozenset[str] = frozenset(
    {
        # A gateway between a network and a service, for those who are in the network:
        # AWS PrivateLink guide, "Control access to VPC endpoints using endpoint policies".
        "AWS::EC2::VPCEndpoint",
        "AWS::ODB::OdbNetwork",
    }
)
"""Types whose policies make nothing public, whoever they name."""

WITHOUT: dict[str, dict[str, object]] = {
    # "The default endpoint policy allows full access to the service."
    "AWS::EC2::VPCEndpoint": {
        "Statement": {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "*",
            "Resource": "*",
        }
    },
}
"""Type → the policy that AWS uses where a resource has none."""

GIVEN_TO: dict[str, tuple[str, ...]] = {
    "AWS::IAM::GroupPolicy": ("GroupName",),
    "AWS::IAM::ManagedPolicy": ("Groups", "Roles", "Users"),
    "AWS::IAM::Policy": ("Groups", "Roles", "Users"),
    "AWS::IAM::RolePolicy": ("RoleName",),
    "AWS::IAM::UserPolicy": ("UserName",),
    "AWS::Kinesis::ResourcePolicy": ("ResourceArn",),
    "AWS::MSK::ClusterPolicy": ("ClusterArn",),
    "AWS::S3::BucketPolicy": ("Bucket",),
    "AWS::S3Express::BucketPolicy": ("Bucket",),
    "AWS::SNS::TopicInlinePolicy": ("TopicArn",),
    "AWS::SNS::TopicPolicy": ("Topics",),
    "AWS::SQS::QueueInlinePolicy": ("Queue",),
    "AWS::SQS::QueuePolicy": ("Queues",),
    "AWS::SecretsManager::ResourcePolicy": ("SecretId",),
    "AWS::VpcLattice::AuthPolicy": ("ResourceIdentifier",),
}
"""Type → properties that name whom, or what, its policy is for."""

ATTACHED: dict[str, dict[str, str]] = {
    "AWS::Cognito::IdentityPoolRoleAttachment": {"Roles": "newly gives the role"},
    "AWS::EKS::AccessEntry": {
        "AccessPolicies": "newly attaches",
        "KubernetesGroups": "newly belongs to the group",
    },
    "AWS::IAM::Group": {"ManagedPolicyArns": "newly attaches"},
    "AWS::IAM::InstanceProfile": {"Roles": "newly gives the role"},
    "AWS::IAM::Role": {"ManagedPolicyArns": "newly attaches"},
    "AWS::IAM::User": {
        "ManagedPolicyArns": "newly attaches",
        "Groups": "newly attaches",
    },
    "AWS::IAM::UserToGroupAddition": {"Users": "newly gives its permissions to"},
    "AWS::RAM::ResourceShare": {
        "Principals": "is newly shared with",
        "ResourceArns": "newly shares",
        "PermissionArns": "newly attaches",
    },
    "AWS::RolesAnywhere::Profile": {
        "ManagedPolicyArns": "newly attaches",
        "RoleArns": "newly gives the role",
    },
    "AWS::SSO::PermissionSet": {
        "ManagedPolicies": "newly attaches",
        "CustomerManagedPolicyReferences": "newly attaches",
    },
}
"""Type → properties that list other sources of permissions, or who gets them."""
