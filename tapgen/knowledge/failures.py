"""What AWS says when a rollout fails, and what to do about it.

AWS publishes no list of the reasons that it gives. Each entry has an example and the page
that the advice follows from; `example` is in AWS's words with names that are made up, or
in tapgen's own, where `source` is empty.
"""

from __future__ import annotations

from tapgen.frozen import dataclass

_CFN = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide"
_TROUBLE = f"{_CFN}/troubleshooting.html"
_STACK_SETS = f"{_CFN}/stacksets-troubleshooting.html"
_IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide"
_DENIED = f"{_IAM}/troubleshoot_access-denied.html"
_S3_ERRORS = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg"
_EC2_ERRORS = (
    "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"
)


@dataclass(frozen=True)
class Known:
    """One known failure: a pattern of its reason, ignoring case, and what to do then.

    Groups of the pattern are filled in in the advice.
    """

    pattern: str
    advice: str
    example: str
    source: str = ""


# The first match counts, so the special ones come before the general ones.
FAILURES = (
    # -- who may do what -----------------------------------------------------------------
    Known(
        r"should have '[^']+' role with trust relationship",
        "run tapgen bootstrap for this system and account; if it has run, somebody has "
        "changed the trust policy of that role, or a service control policy denies "
        "sts:AssumeRole",
        "Account 111111111111 should have 'demo-execution' role with trust relationship "
        "to Role 'demo-administration'.",
        f"{_CFN}/stacksets-prereqs-self-managed.html",
    ),
    Known(
        r"explicit deny in a service control policy",
        "a service control policy of the organization denies it, and no role of the "
        "account can allow it: let its owner exempt the execution role, or take the "
        "resource out of the template",
        "User: arn:aws:sts::111111111111:assumed-role/demo/x is not authorized to perform: "
        "iam:CreateUser with an explicit deny in a service control policy",
        _DENIED,
    ),
    Known(
        r"no permissions boundary allows|explicit deny in a permissions boundary",
        "the permissions boundary of the role does not allow it: run tapgen bootstrap, "
        "which writes the boundary anew; a boundary of your own must allow the action too",
        "User: arn:aws:sts::111111111111:assumed-role/demo/x is not authorized to perform: "
        "sqs:CreateQueue because no permissions boundary allows the sqs:CreateQueue action",
        _DENIED,
    ),
    Known(
        r"explicit deny in a resource-based policy|no resource-based policy allows",
        "the policy of the resource refuses the role: change that policy (of the bucket, "
        "key, queue, topic or repository), because the role's own permissions do not "
        "override it",
        "User: arn:aws:sts::111111111111:assumed-role/demo/x is not authorized to perform: "
        "secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:us-east-1:"
        "222222222222:secret:a because no resource-based policy allows the "
        "secretsmanager:GetSecretValue action",
        _DENIED,
    ),
    Known(
        r"explicit deny in a VPC endpoint policy|no VPC endpoint policy allows",
        "the policy of the VPC endpoint refuses it: allow the action there, or call from "
        "outside of the VPC",
        "User: arn:aws:iam::111111111111:user/a is not authorized to perform: "
        "codecommit:ListRepositories because no VPC endpoint policy allows the "
        "codecommit:ListRepositories action",
        _DENIED,
    ),
    Known(
        r"refused for the caller in",
        "the credentials that tapgen was started with lack a permission: choose others "
        "with --profile, or allow the action; if the error stays, a service control policy "
        "may deny it",
        "refused for the caller in 111111111111/us-east-1: User: arn:aws:iam::111111111111:"
        "user/a is not authorized to perform: cloudformation:DescribeStackSet",
    ),
    Known(
        r"refused for role",
        "the role that tapgen assumes lacks a permission: run tapgen bootstrap, which "
        "creates and repairs the operator role; if the error stays, a service control "
        "policy may deny it",
        "refused for role demo-operator in 111111111111/us-east-1: User: x is not "
        "authorized to perform: cloudformation:DescribeStacks",
    ),
    Known(
        r"must be the management account or delegated admin",
        "service-managed stack sets belong to the management account: roll out from there, "
        "or let it register this account as a delegated administrator of StackSets",
        "You must be the management account or delegated admin account of an organization "
        "before operating a SERVICE_MANAGED stack set",
        f"{_CFN}/stacksets-orgs-delegated-admin.html",
    ),
    Known(
        r"must enable organizations access",
        "turn on trusted access of StackSets in the management account, once: aws "
        "cloudformation activate-organizations-access",
        "You must enable organizations access to operate a service managed stack set",
        f"{_CFN}/stacksets-orgs-activate-trusted-access.html",
    ),
    Known(
        r"Account \d+ is suspended",
        "take the account out of the file; tapgen repair removes it from its stack sets",
        "Account 111111111111 is suspended",
        f"{_CFN}/stacksets-concepts.html",
    ),
    Known(
        r"security token included in the request is (invalid|expired)",
        "the account has not enabled this region, or the credentials have expired: enable "
        "the region in the account's settings, or sign in again; then continue",
        "The security token included in the request is invalid (Service: AmazonSNS; Status "
        "Code: 403; Error Code: InvalidClientTokenId)",
        f"{_IAM}/id_credentials_temp_region-endpoints.html",
    ),
    Known(
        r"requires capabilities ?: ?\[(?P<capability>[\w, ]+)\]",
        "the template needs {capability}: a template of your own declares it under "
        "capabilities of its stack set in the file; then plan again",
        "Requires capabilities : [CAPABILITY_NAMED_IAM]",
        f"{_CFN}/control-access-with-iam.html",
    ),
    Known(
        r"role defined for the function cannot be assumed by Lambda",
        "the trust policy of the function's role must name lambda.amazonaws.com; where it "
        "does, IAM had not yet spread the new role: run this again",
        "The role defined for the function cannot be assumed by Lambda. (Service: Lambda, "
        "Status Code: 400)",
        f"{_LAMBDA}/troubleshooting-deployment.html",
    ),
    Known(
        r"Invalid principal in policy|MalformedPolicyDocument|MalformedPolicy",
        "a policy names a principal that does not exist, or not yet, or has an error: look "
        "for a deleted role, a wrong account number, or a role that is created later",
        "Invalid principal in policy (Service: Amazon S3; Status Code: 400; Error Code: "
        "MalformedPolicy)",
        "https://repost.aws/knowledge-center/s3-invalid-principal-in-policy-error",
    ),
    Known(
        r"new key policy will not allow you to update the key policy",
        "the key policy locks everybody out: let it allow kms:PutKeyPolicy to the account "
        "or to the execution role",
        "The new key policy will not allow you to update the key policy in the future. "
        "(Service: Kms, Status Code: 400)",
        "https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html",
    ),
    Known(
        r"KMS key does not exist or is not allowed to be used with",
        "the policy of the key does not let CloudWatch Logs of this region use it: allow "
        "logs.REGION.amazonaws.com in the key policy",
        "The specified KMS key does not exist or is not allowed to be used with Arn "
        "'arn:aws:logs:us-east-1:111111111111:log-group:a'",
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html",
    ),
    Known(
        r"KMSInvalidStateException|KMS.* (is )?(disabled|pending deletion)"
        r"|key.* is pending deletion",
        "the key is disabled or about to be deleted: cancel its deletion and enable it "
        "(aws kms cancel-key-deletion, enable-key), then run this again; what it encrypts "
        "is lost once it is deleted",
        "arn:aws:kms:us-east-1:111111111111:key/a is pending deletion. (Service: Kms, "
        "Status Code: 400, Error Code: KMSInvalidStateException)",
        "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
    ),
    Known(
        r"is not authorized to perform: (?P<action>[\w-]+:\w+)",
        "the execution role lacks {action}: run tapgen bootstrap, which derives its "
        "permissions from the templates; if the error stays, a service control policy may "
        "deny it",
        "User: arn:aws:sts::111111111111:assumed-role/demo/x is not authorized to perform: "
        "sqs:CreateQueue because no identity-based policy allows the sqs:CreateQueue action",
        _DENIED,
    ),
    Known(
        r"is not authorized to perform|AccessDenied|UnauthorizedOperation|API: \S+ Access "
        r"Denied",
        "the execution role lacks a permission: run tapgen bootstrap, which derives it "
        "from the templates; if the error stays, a service control policy may deny it",
        "You are not authorized to perform this operation. (Service: Ec2, Status Code: 403, "
        "Error Code: UnauthorizedOperation)",
        _EC2_ERRORS,
    ),
    # -- where ---------------------------------------------------------------------------
    Known(
        r"not (supported|available) in (this|the) region|opt-in|OptInRequired"
        r"|region .* is not enabled",
        "the account has not enabled this region, or the service does not exist there",
        "The AWS Access Key Id needs a subscription for the service (OptInRequired)",
        "https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html",
    ),
    Known(
        r"Unrecognized resource types?: \[(?P<types>[^\]]+)\]",
        "CloudFormation does not have {types} in this region: leave the region out, or the "
        "resource (tapgen lint checks types for each region)",
        "Template format error: Unrecognized resource types: [AWS::FIS::ExperimentTemplate]",
        _TROUBLE,
    ),
    Known(
        r"InsufficientInstanceCapacity|do(es)? not (currently )?have sufficient .*capacity",
        "AWS has no capacity of this instance type there now: run this again later, or use "
        "another type or more availability zones",
        "We currently do not have sufficient m7g.large capacity in the Availability Zone "
        "you requested (us-east-1a). (Error Code: InsufficientInstanceCapacity)",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html",
    ),
    # -- quotas and throttling -----------------------------------------------------------
    Known(
        r"UnreservedConcurrentExecution below its minimum",
        "reserved concurrency leaves the account too little: lower what the functions "
        "reserve, or request more concurrent executions in Service Quotas",
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100].",
        f"{_LAMBDA}/configuration-concurrency.html",
    ),
    Known(
        r"more vCPU capacity than your current vCPU limit of (?P<limit>\d+)",
        "the account may run instances of {limit} vCPUs of this kind in this region: request "
        "more in Service Quotas, or use fewer or smaller instances (tapgen limits counts "
        "them)",
        "You have requested more vCPU capacity than your current vCPU limit of 5 allows for "
        "the instance bucket that the specified instance type belongs to.",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html",
    ),
    Known(
        r"Rate exceeded|Throttling|TooManyRequests|RequestLimitExceeded",
        "AWS throttled the calls: run this again, or lower rollout.preferences",
        "Rate exceeded (Service: AmazonCloudFormation; Status Code: 400; Error Code: "
        "Throttling)",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html",
    ),
    Known(
        r"LimitExceeded|exceed(s|ed)? .*(quota|limit)|maximum number of",
        "a service quota is used up in this account and region: delete unused resources, "
        "or request an increase in Service Quotas",
        "The maximum number of VPCs has been reached. (Service: Ec2, Status Code: 400, "
        "Error Code: VpcLimitExceeded)",
        _TROUBLE,
    ),
    # -- names ---------------------------------------------------------------------------
    Known(
        r"secret with this name is already scheduled for deletion",
        "a deleted secret keeps its name during its recovery window: aws secretsmanager "
        "restore-secret brings it back, to be imported; or choose another suffix",
        "You can't create this secret because a secret with this name is already scheduled "
        "for deletion.",
        "https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_delete-secret.html",
    ),
    Known(
        r"CNAMEAlreadyExists|CNAMEs you provided are already associated",
        "another distribution has this domain name: take it away there first, or move it "
        "(aws cloudfront associate-alias)",
        "One or more of the CNAMEs you provided are already associated with a different "
        "resource. (Error Code: CNAMEAlreadyExists)",
        "https://docs.aws.amazon.com/AmazonCloudFront/latest/APIReference/"
        "API_AssociateAlias.html",
    ),
    Known(
        r"resource record set \[.*\] but it already exists",
        "the hosted zone has this record already: delete it there, or import it into the "
        "stack; two stacks must not write one record",
        "Tried to create resource record set [name='a.example.com.', type='A'] but it "
        "already exists",
        "https://docs.aws.amazon.com/Route53/latest/APIReference/"
        "API_ChangeResourceRecordSets.html",
    ),
    Known(
        r"custom-named resource requires replacing",
        "AWS makes the new resource before it deletes the old one, and the name is taken: "
        "give it another name, or roll out twice, first without it",
        "CloudFormation cannot update a stack when a custom-named resource requires "
        "replacing. Rename demo-queue and update the stack again.",
        f"{_CFN}/cloudformation-guide-naming.html",
    ),
    Known(
        r"conflicting (conditional )?operation is currently in progress",
        "S3 has not yet finished with a bucket of this name, which was deleted a short while "
        "ago: run this again in an hour, or choose another name",
        "A conflicting conditional operation is currently in progress against this "
        "resource. Please try again. (Service: S3, Status Code: 409)",
        _S3_ERRORS,
    ),
    Known(
        r"already exists?|AlreadyExists|already owned by you",
        "a resource of this name exists: another stack has it, an earlier stack retained "
        "it, or it was created by hand; choose another name or suffix, or import it into "
        "the stack",
        "Resource of type 'AWS::IAM::Role' with identifier 'demo-role' already exists. "
        "(HandlerErrorCode: AlreadyExists)",
        _STACK_SETS,
    ),
    # -- stacks that hang, or are gone ---------------------------------------------------
    Known(
        r"Stack \[?(arn:\S*/)?StackSet-\S* does not exist",
        "the stack was deleted other than through its stack set: tapgen repair removes the "
        "instance from it, then roll out again, which creates it, empty",
        "Stack [StackSet-demo-1b2c] does not exist",
        _STACK_SETS,
    ),
    Known(
        r"is (in )?(?P<status>\w+_FAILED|ROLLBACK_COMPLETE|INOPERABLE)"
        r"( state and can ?not be updated|, not CURRENT)",
        "it hangs in {status}, and no rollout can change it: tapgen repair shows the safe "
        "way out, and does it; while a run is open, with --supersede and its name",
        "Stack:arn:aws:cloudformation:us-east-1:111111111111:stack/a/b is in "
        "UPDATE_ROLLBACK_FAILED state and can not be updated.",
        _TROUBLE,
    ),
    Known(
        r"StackSetNotEmpty",
        "the stack set still has instances: list them with tapgen status; for accounts "
        "that are suspended or have left the organization, run delete-stack-instances "
        "--retain-stacks",
        "StackSet is not empty (StackSetNotEmptyException)",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/"
        "API_DeleteStackSet.html",
    ),
    Known(
        r"Another Operation on StackSet \S+ is in progress|OperationInProgress",
        "another operation holds the stack set: tapgen status says whose it is; wait for "
        "its end, then continue",
        "Another Operation on StackSet arn:aws:cloudformation:us-east-1:111111111111:"
        "stackset/a:b is in progress: c",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/"
        "API_UpdateStackSet.html",
    ),
    # -- what cannot be deleted ----------------------------------------------------------
    Known(
        r"deletion protection|DeletionProtection|termination protection"
        r"|delete protected DB",
        "turn the protection off in the settings, roll out, then run this again; where "
        "the stack was never complete, turn it off by hand and delete the stack",
        "Cannot delete protected DB Instance, please disable deletion protection and try "
        "again. (Service: Rds, Status Code: 400)",
        "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_DeleteInstance.html",
    ),
    Known(
        r"hosted zone contains non-required resource record sets|HostedZoneNotEmpty",
        "the zone has records that no stack created, such as those of certificates: delete "
        "them, then run this again",
        "The specified hosted zone contains non-required resource record sets and so "
        "cannot be deleted. (Error Code: HostedZoneNotEmpty)",
        "https://docs.aws.amazon.com/Route53/latest/APIReference/API_DeleteHostedZone.html",
    ),
    Known(
        r"cannot be deleted because it still contains images|RepositoryNotEmpty",
        "delete the images of the repository, then run this again",
        "The repository with name 'demo' in registry with id '111111111111' cannot be "
        "deleted because it still contains images",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DeleteRepository.html",
    ),
    Known(
        r"vault cannot be deleted.*recovery points",
        "the vault holds backups: delete its recovery points, or wait until they expire; "
        "those of a locked vault cannot be deleted earlier",
        "Backup vault cannot be deleted because it contains recovery points.",
        "https://docs.aws.amazon.com/aws-backup/latest/devguide/deleting-backups.html",
    ),
    Known(
        r"unable to delete .* because it is a replicated function",
        "CloudFront removes the copies of a Lambda@Edge function some hours after no "
        "distribution uses it: run this again then",
        "Lambda was unable to delete arn:aws:lambda:us-east-1:111111111111:function:a:1 "
        "because it is a replicated function.",
        "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/"
        "lambda-edge-delete-replicas.html",
    ),
    Known(
        r"Cannot delete entity, must|DeleteConflict",
        "something was attached to it other than through the stack, such as a policy or an "
        "access key: detach that, then run this again",
        "Cannot delete entity, must detach all policies first. (Service: Iam, Status Code: "
        "409, Error Code: DeleteConflict)",
        "https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html",
    ),
    Known(
        r"is not empty|BucketNotEmpty",
        "empty the bucket, then run this again",
        "The bucket you tried to delete is not empty. You must delete all versions in the "
        "bucket. (Service: S3, Error Code: BucketNotEmpty)",
        _S3_ERRORS,
    ),
    Known(
        r"The vpc '?(?P<vpc>vpc-\w+)'? has dependencies",
        "something that no stack created is still in the VPC, such as the security group "
        "GlobalAccelerator, which Global Accelerator never deletes, or a network "
        "interface of a service: list them with aws ec2 describe-security-groups "
        "--filters Name=vpc-id,Values={vpc}, delete them, then run this again",
        "The vpc 'vpc-0a1b' has dependencies and cannot be deleted. (Service: Ec2)",
        "https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html",
    ),
    Known(
        r"DependencyViolation|has a dependent object|has dependencies and cannot be",
        "something that no stack created uses it, such as a network interface or a "
        "security group of a service: delete that, then run this again",
        "resource sg-0a1b has a dependent object (Service: Ec2, Status Code: 400, Error "
        "Code: DependencyViolation)",
        _EC2_ERRORS,
    ),
    Known(
        r"Export \S+ cannot be (updated|deleted) as it is in use by (?P<user>.+)",
        "{user} imports this export: change or remove the import there first",
        "Export demo-vpc cannot be deleted as it is in use by other-stack",
        f"{_CFN}/using-cfn-stack-exports.html",
    ),
    # -- what is missing -----------------------------------------------------------------
    Known(
        r"No export named (?P<name>\S+) found",
        "no stack in this account and region exports {name}: deploy it there first, or use "
        "an output reference, which tapgen orders",
        "No export named demo-vpc found. Rollback requested by user.",
        f"{_CFN}/using-cfn-stack-exports.html",
    ),
    Known(
        r"Unable to fetch parameters \[(?P<names>[^\]]+)\] from parameter store",
        "Parameter Store of this account and region has no {names}: create it there, then "
        "run this again",
        "Unable to fetch parameters [/demo/ami] from parameter store for this account.",
        f"{_CFN}/cloudformation-supplied-parameter-types.html",
    ),
    Known(
        r"CloudWatch Logs role ARN must be set in account settings",
        "API Gateway of this account and region has no role for its logs: set "
        "account_baseline: create for one system, or create the role by hand",
        "CloudWatch Logs role ARN must be set in account settings to enable logging "
        "(Service: ApiGateway, Status Code: 400)",
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html",
    ),
    Known(
        r"Error occurred while GetObject|S3 Error Code: (NoSuchKey|PermanentRedirect)",
        "Lambda cannot read the code: its object must be in a bucket of the same region, "
        "and the execution role must be allowed s3:GetObject; tapgen rollout uploads "
        "artifacts that are missing",
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The "
        "specified key does not exist.",
        f"{_LAMBDA}/troubleshooting-deployment.html",
    ),
    Known(
        r"Parameter validation failed: parameter value .* does not exist",
        "the value names a resource that this account and region do not have: give each "
        "region its own value, by overrides or an output reference",
        "Parameter validation failed: parameter value sg-0a1b for parameter name Group does "
        "not exist. Rollback requested by user.",
        f"{_CFN}/cloudformation-supplied-parameter-types.html",
    ),
    # -- what CloudFormation will not take -----------------------------------------------
    Known(
        r"hook\(s\) failed|HookFailed|hook.* failed with message",
        "a CloudFormation hook of the account or organization refuses the resource: mend "
        "what it complains of, or ask its owner",
        "The following hook(s) failed: [Demo::Guard::Hook]",
        "https://docs.aws.amazon.com/cloudformation-cli/latest/hooks-userguide/"
        "what-is-cloudformation-hooks.html",
    ),
    Known(
        r"extraneous key \[(?P<key>\w+)\] is not permitted|unsupported property (?P<name>\w+)",
        "the resource type has no such property here: correct the template; tapgen lint "
        "finds it before a rollout",
        "Properties validation failed for resource Queue with message: #: extraneous key "
        "[Colour] is not permitted",
        _TROUBLE,
    ),
    Known(
        r"Model validation failed|Properties validation failed|Property validation failure"
        r"|cannot be empty|Value of property \S+ must be",
        "a property has a value that its type does not allow: correct it in the file or the "
        "template; look at values that differ by region first",
        "Model validation failed (#/VisibilityTimeout: 99999 is not less or equal to 43200)",
        _TROUBLE,
    ),
    Known(
        r"Cannot find version \S+ for|combination of (DB )?instance class|OrderableDB",
        "RDS does not offer this version or instance class in this region: list what it "
        "offers with aws rds describe-orderable-db-instance-options",
        "Cannot find version 16.99 for postgres (Service: Rds, Status Code: 400)",
        "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/"
        "API_DescribeOrderableDBInstanceOptions.html",
    ),
    Known(
        r"Transform \S+ failed|No transform named",
        "the macro of the template failed, or is not in this account and region: read its "
        "log, or deploy it there first",
        "Transform 111111111111::Demo failed with: no luck",
        f"{_CFN}/template-macros-author.html",
    ),
    # -- what took too long, or broke ----------------------------------------------------
    Known(
        r"Failed to receive \d+ resource signal|WaitCondition timed out",
        "the instance did not report in time: read its /var/log/cfn-init.log and "
        "/var/log/cloud-init-output.log, and let it reach CloudFormation (route, security "
        "group, endpoint)",
        "Failed to receive 1 resource signal(s) within the specified duration",
        _TROUBLE,
    ),
    Known(
        r"did not receive a response from your Custom Resource"
        r"|Custom Resource failed to stabilize",
        "the function behind the custom resource crashed, timed out or cannot reach S3: "
        "read its log group, and let it answer failures too",
        "CloudFormation did not receive a response from your Custom Resource. Please check "
        "your logs for requestId [a].",
        _TROUBLE,
    ),
    Known(
        r"Received response status \[FAILED\] from custom resource",
        "the function behind the custom resource reported the failure: its log group has "
        "the details",
        "Received response status [FAILED] from custom resource. Message returned: no luck",
        f"{_CFN}/crpg-ref-responses.html",
    ),
    Known(
        r"NotStabilized|did not stabilize|Exceeded attempts to wait"
        r"|circuit breaker|ServiceNotStabilized",
        "the service took the resource, and it never became ready: look at its own events, "
        "tasks and logs there (health check, image, network), then run this again",
        "Exceeded attempts to wait (RequestToken: a, HandlerErrorCode: NotStabilized)",
        f"{_TROUBLE}#troubleshooting-resource-did-not-stabilize",
    ),
    Known(
        r"Internal Failure|InternalFailure|ServiceInternalError|Service Unavailable"
        r"|ServiceUnavailable",
        "AWS had an error of its own: run this again; if it stays, look at AWS Health, and "
        "open a support case with the operation id",
        "Internal Failure (HandlerErrorCode: InternalFailure)",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html",
    ),
    # -- tapgen's own --------------------------------------------------------------------
    Known(
        r"^gate (all )?alarms\b",
        "an alarm is in ALARM, or cannot be read: the evidence of the gate names it (tapgen "
        "history SYSTEM RUN); when it is quiet again, continue",
        "gate all alarms quiet for 10m: payments-errors is in ALARM",
    ),
    Known(
        r"^gate \S+",
        "the gate did not hold: tapgen history SYSTEM RUN shows its evidence; mend the cause, "
        "then run this again",
        "gate command ./smoke.sh: exit code 1",
    ),
)

# Where a reason names the property that is wrong.
PROPERTIES = (
    # Model validation failed (#/Name: …); validation failed … with message: #/Name/0: …
    r"#/(?P<property>[\w/]+)",
    # #: extraneous key [Name] is not permitted; #: required key [Name] not found
    r"(?:extraneous|required) key \[(?P<property>\w+)\]",
    # Property validation failure: [Value of property {/Name} does not match type {String}]
    r"\{/(?P<property>[\w/]+)\}",
    r"[Uu]nsupported property (?P<property>\w+)",
    r"Value of property (?P<property>\w+) must",
    r"Property (?P<property>\w+) cannot be empty",
)
"""Patterns of reasons with the path of a property below the resource's properties
(https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html).
"""
