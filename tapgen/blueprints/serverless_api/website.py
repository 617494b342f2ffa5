"""The website: two buckets with replication, and CloudFront."""

from __future__ import annotations

from typing import Any

from troposphere import FindInMap, GetAtt, Ref, Sub, Tags, Template, cloudfront

from tapgen.blocks import dns, frame, names, storage
from tapgen.blueprints.serverless_api.shape import (
    REPLICATED,
    RULE,
    WEBSITE,
    WEBSITE_COPY,
    Shape,
    describe,
    name,
    start,
    website_buckets,
)

# Ids of AWS managed policies, the same in every account.
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-response-headers-policies.html
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"

# Of the alias records of every distribution, by partition.
# https://docs.aws.amazon.com/general/latest/gr/cf_region.html
CLOUDFRONT_ZONES = {"aws": "Z2FDTNDATAQYW2", "aws-cn": "Z3RFFRIM2A3IF5"}

_PAGES = storage.Website()

INDEX_DOCUMENTS = """\
function handler(event) {
    var request = event.request, path = request.uri;
    if (path.endsWith('/')) {
        request.uri = path + 'INDEX';
    } else if (!path.split('/').pop().includes('.')) {
        var asked = request.querystring, pairs = [];
        Object.keys(asked).forEach(function (key) {
            (asked[key].multiValue || [asked[key]]).forEach(function (one) {
                pairs.push(one.value ? key + '=' + one.value : key);
            });
        });
        // One slash: with two at its start, it would lead to another host.
        var to = path.replace(/^\\/+/, '/') + '/';
        return {
            statusCode: 302,
            statusDescription: 'Found',
            headers: { location: { value: to + (pairs.length ? '?' + pairs.join('&') : '') } }
        };
    }
    return request;
}
""".replace("INDEX", _PAGES.index)
"""What CloudFront does to a request before anything else: `/docs/` gets the index document
there, as from a website endpoint of S3, and `/docs` leads to `/docs/`. A distribution
itself has an index document for its root only.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DefaultRootObject.html
"""


def cdn(shape: Shape) -> Template:
    """CloudFront in front of both buckets; it uses the second if the first fails.

    So a domain name of the website leads to the distribution, and no record has to move.
    """
    t = start("CloudFront distribution of the website", role=frame.GLOBAL)
    named = _domain(t) if shape.website_domain else {}
    index_documents = t.add_resource(
        cloudfront.Function(
            "IndexDocuments",
            Name=names.sub(name("index-documents")),
            AutoPublish=True,
            FunctionCode=INDEX_DOCUMENTS,
            FunctionConfig=cloudfront.FunctionConfig(
                Comment="Gives index documents below the root",
                Runtime="cloudfront-js-2.0",
            ),
        )
    )
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
                **named,
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
                    FunctionAssociations=[
                        cloudfront.FunctionAssociation(
                            EventType="viewer-request",
                            FunctionARN=GetAtt(index_documents, "FunctionARN"),
                        )
                    ],
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
    if named:
        _records(t, distribution)
    arn = names.arn("cloudfront", "distribution/${Distribution}", region="")
    frame.output(
        t,
        "WebsiteUrl",
        Sub("https://${DomainName}" if named else "https://${Distribution.DomainName}"),
        description="Address of the website",
    )
    frame.output(
        t, "DistributionId", Ref(distribution), description="Id of the distribution"
    )
    frame.output(
        t, "DistributionArn", names.sub(arn), description="ARN of the distribution"
    )
    return t


def _domain(t: Template) -> dict[str, Any]:
    """Return what a distribution with a domain has, with the parameters for it."""
    certificate = frame.parameter(
        t,
        "CertificateArn",
        description="ARN of the domain's ACM certificate, in us-east-1.",
        pattern=frame.CERTIFICATE_PATTERN,
        constraint="the ARN of a certificate",
    )
    return {
        "Aliases": [dns.domain(t, what="website")],
        "ViewerCertificate": cloudfront.ViewerCertificate(
            AcmCertificateArn=certificate,
            SslSupportMethod="sni-only",
            MinimumProtocolVersion="TLSv1.2_2021",
        ),
    }


def _records(t: Template, distribution: Any) -> None:
    t.add_mapping("CloudFront", {p: {"Zone": z} for p, z in CLOUDFRONT_ZONES.items()})
    dns.aliases(
        t,
        "Website",
        zone=dns.zone(t),
        domain=Ref("DomainName"),
        to=dns.Alias(
            GetAtt(distribution, "DomainName"),
            FindInMap("CloudFront", Ref("AWS::Partition"), "Zone"),
        ),
    )


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
    describe(t)
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
    describe(t)
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
