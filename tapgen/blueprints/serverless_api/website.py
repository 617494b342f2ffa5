"""The website: two buckets with replication, and CloudFront."""

from __future__ import annotations

from troposphere import GetAtt, Ref, Sub, Tags, Template, cloudfront

from tapgen.blocks import frame, names, storage
from tapgen.blueprints.serverless_api.shape import (
    REPLICATED,
    RULE,
    WEBSITE,
    WEBSITE_COPY,
    Shape,
    name,
    start,
    website_buckets,
)

# Ids of AWS managed policies, the same in every account.
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-response-headers-policies.html
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"

_PAGES = storage.Website()


def cdn() -> Template:
    """CloudFront in front of both buckets; it uses the second if the first fails."""
    t = start("CloudFront distribution of the website", role=frame.GLOBAL)
    control = t.add_resource(
        cloudfront.OriginAccessControl(
            "OriginAccess",
            OriginAccessControlConfig=cloudfront.OriginAccessControlConfig(
                Name=names.sub(name("website")),
                Description="Signs what the distribution asks of the buckets",
                OriginAccessControlOriginType="s3",
                SigningBehavior="always",
                SigningProtocol="sigv4",
            ),
        )
    )
    origins = [
        cloudfront.Origin(
            Id=role,
            # With the region, or S3 answers the first requests of a new bucket with a
            # redirect.
            DomainName=names.sub(
                f"{bucket.name}.s3.{bucket.region}.${{AWS::URLSuffix}}"
            ),
            OriginAccessControlId=GetAtt(control, "Id"),
            # Empty, but required by CloudFront: the older access method.
            S3OriginConfig=cloudfront.S3OriginConfig(OriginAccessIdentity=""),
        )
        for role, bucket in zip(("source", "target"), website_buckets(), strict=True)
    ]
    distribution = t.add_resource(
        cloudfront.Distribution(
            "Distribution",
            DistributionConfig=cloudfront.DistributionConfig(
                Enabled=True,
                Comment=names.sub(name("website")),
                DefaultRootObject=_PAGES.index,
                HttpVersion="http2and3",
                IPV6Enabled=True,
                PriceClass="PriceClass_100",
                Origins=origins,
                OriginGroups=_both(),
                DefaultCacheBehavior=cloudfront.DefaultCacheBehavior(
                    TargetOriginId="both",
                    ViewerProtocolPolicy="redirect-to-https",
                    AllowedMethods=["GET", "HEAD"],
                    Compress=True,
                    CachePolicyId=CACHING_OPTIMIZED,
                    ResponseHeadersPolicyId=SECURITY_HEADERS,
                ),
                CustomErrorResponses=[
                    # S3's answer for a missing object without permission to list the
                    # bucket.
                    cloudfront.CustomErrorResponse(
                        ErrorCode=403,
                        ResponseCode=404,
                        ResponsePagePath=f"/{_PAGES.error}",
                        ErrorCachingMinTTL=10,
                    )
                ],
            ),
            Tags=Tags(Name=names.sub(name("website"))),
        )
    )
    arn = names.arn("cloudfront", "distribution/${Distribution}", region="")
    frame.output(
        t,
        "WebsiteUrl",
        Sub("https://${Distribution.DomainName}"),
        description="Address of the website",
    )
    frame.output(
        t, "DistributionId", Ref(distribution), description="Id of the distribution"
    )
    frame.output(
        t, "DistributionArn", names.sub(arn), description="ARN of the distribution"
    )
    return t


def _both() -> cloudfront.OriginGroups:
    return cloudfront.OriginGroups(
        Quantity=1,
        Items=[
            cloudfront.OriginGroup(
                Id="both",
                FailoverCriteria=cloudfront.OriginGroupFailoverCriteria(
                    StatusCodes=cloudfront.StatusCodes(
                        Quantity=4, Items=[500, 502, 503, 504]
                    )
                ),
                Members=cloudfront.OriginGroupMembers(
                    Quantity=2,
                    Items=[
                        cloudfront.OriginGroupMember(OriginId="source"),
                        cloudfront.OriginGroupMember(OriginId="target"),
                    ],
                ),
            )
        ],
    )


def website_target(shape: Shape) -> Template:
    """The destination bucket of the pages."""
    t = start("Replica of the website", role="target")
    _bucket(t, shape, WEBSITE_COPY, None)
    storage.latency_alarm(
        t,
        "ReplicationLatencyAlarm",
        name=name("replication-latency", "target"),
        replicated=REPLICATED,
        topic_arn=frame.alert_topic(t),
    )
    return t


def website(shape: Shape) -> Template:
    """The source bucket of the pages."""
    t = start("Website, replicated to the target region", role="source")
    destination = frame.arn(
        t,
        "DestinationBucketArn",
        "ARN of the bucket to replicate to; it must exist.",
        frame.BUCKET_ARN_PATTERN,
        "bucket",
    )
    replication = storage.replication(t, destination=destination, rule=RULE)
    _bucket(t, shape, WEBSITE, replication)
    storage.failed_alarm(
        t,
        "ReplicationFailedAlarm",
        name=name("replication-failed", "source"),
        replicated=REPLICATED,
        topic_arn=frame.alert_topic(t),
    )
    return t


def _bucket(
    t: Template, shape: Shape, bucket: str, replication: storage.Replication | None
) -> None:
    """Add one of the two buckets, readable by everybody or by CloudFront only."""
    days = storage.noncurrent_days(t, "pages")
    policy = []
    if shape.cloudfront:
        distribution = frame.arn(
            t,
            "DistributionArn",
            "ARN of the CloudFront distribution that reads the pages.",
            r"^arn:aws[a-z-]*:cloudfront::\d{12}:distribution/[A-Z0-9]+$",
            "distribution",
        )
        policy = storage.Bucket(bucket).serve_to(distribution)
    storage.bucket(
        t,
        "Website",
        name=bucket,
        purpose="website",
        key_arn=None,
        lifecycle=storage.lifecycle(noncurrent_days=days),
        replication=replication,
        website=None if shape.cloudfront else _PAGES,
        policy=policy,
        # The bucket in the target region has what S3 copies to it, and nothing else.
        kinds=["unlogged website", *([] if replication else ["copy"])],
    )
    frame.output(t, "BucketName", Ref("Website"), description="Bucket of the pages")
    frame.output(
        t, "BucketArn", GetAtt("Website", "Arn"), description="ARN of the bucket"
    )
    if not shape.cloudfront:
        frame.output(
            t,
            "WebsiteUrl",
            GetAtt("Website", "WebsiteURL"),
            description="Address of the website in this region",
        )
