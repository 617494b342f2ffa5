"""Elastic Load Balancing: log accounts and hosted zones by region, and log buckets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tapgen.rules.values import Path, absent, arn, get, items, text
from tapgen.rules.view import Resource

TYPES = (
    "AWS::ElasticLoadBalancing::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
)
_DNS_NAME = re.compile(r".*\.([a-z]{2}(?:-[a-z]+)+-\d)\.elb\.amazonaws\.com\.?")

# From "Enable access logs for your Application Load Balancer": the service principal
# `LOG_SERVICES[0]` writes logs in every region, and AWS recommends it; these accounts, of
# regions available before August 2022, are still supported. Regions that are not in the
# list never supported an account.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
_LOG_ACCOUNTS: Mapping[str, str] = {
    "127311923021": "us-east-1",
    "033677994240": "us-east-2",
    "027434742980": "us-west-1",
    "797873946194": "us-west-2",
    "098369216593": "af-south-1",
    "754344448648": "ap-east-1",
    "582318560864": "ap-northeast-1",
    "600734575887": "ap-northeast-2",
    "383597477331": "ap-northeast-3",
    "718504428378": "ap-south-1",
    "114774131450": "ap-southeast-1",
    "783225319266": "ap-southeast-2",
    "589379963580": "ap-southeast-3",
    "985666609251": "ca-central-1",
    "054676820928": "eu-central-1",
    "897822967062": "eu-north-1",
    "635631232127": "eu-south-1",
    "156460612806": "eu-west-1",
    "652711504416": "eu-west-2",
    "009996457667": "eu-west-3",
    "076674570225": "me-south-1",
    "507241528517": "sa-east-1",
    "190560391635": "us-gov-east-1",
    "048591011584": "us-gov-west-1",
}
LOG_SERVICES = (
    "logdelivery.elasticloadbalancing.amazonaws.com",
    "delivery.logs.amazonaws.com",
)
# From "Elastic Load Balancing endpoints and quotas": zones of Application and Classic
# Load Balancers.
ZONES: Mapping[str, str] = {
    "Z35SXDOTRQ7X7K": "us-east-1",
    "Z3AADJGX6KTTL2": "us-east-2",
    "Z368ELLRRE2KJ0": "us-west-1",
    "Z1H1FL5HABSF5": "us-west-2",
    "Z268VQBMOI5EKX": "af-south-1",
    "Z3DQVH9N71FHZ0": "ap-east-1",
    "Z14GRHDCWA56QT": "ap-northeast-1",
    "ZWKZPGTI48KDX": "ap-northeast-2",
    "Z5LXEXXYW11ES": "ap-northeast-3",
    "ZP97RAFLXTNZK": "ap-south-1",
    "Z0173938T07WNTVAEPZN": "ap-south-2",
    "Z1LMS91P8CMLE5": "ap-southeast-1",
    "Z1GM3OXH4ZPM65": "ap-southeast-2",
    "Z08888821HLRG5A9ZRTER": "ap-southeast-3",
    "Z09517862IB2WZLPXG76F": "ap-southeast-4",
    "ZQSVJUPU6J1EY": "ca-central-1",
    "Z06473681N0SF6OS049SD": "ca-west-1",
    "Z215JYRZR1TBD5": "eu-central-1",
    "Z06391101F2ZOEP8P5EB3": "eu-central-2",
    "Z23TAZ6LKFMNIO": "eu-north-1",
    "Z3ULH7SSC9OV64": "eu-south-1",
    "Z0956581394HF5D5LXGAP": "eu-south-2",
    "Z32O12XQLNTSW2": "eu-west-1",
    "ZHURV8PSTC4K8": "eu-west-2",
    "Z3Q77PNBQS71R4": "eu-west-3",
    "Z09170902867EHPV2DABU": "il-central-1",
    "Z08230872XQRWHG2XF6I": "me-central-1",
    "ZS929ML54UICD": "me-south-1",
    "Z2P70J7HTTTPLU": "sa-east-1",
    "Z166TLBEWOO7G0": "us-gov-east-1",
    "Z33AYJ8TM3BH4J": "us-gov-west-1",
}


def log_region(principal: str) -> tuple[str, str]:
    """Return the account of a principal, and the region whose load balancers use it to
    write logs; empty if it is no such account."""
    found = arn(principal)
    account = found.account if found else principal
    return account, _LOG_ACCOUNTS.get(account, "")


def region_of(it: Resource, name: object) -> str:
    """Return the region of the load balancer with this DNS name; empty if not known."""
    match = _DNS_NAME.fullmatch(text(name) or "")
    if match:
        return match[1]
    if isinstance(name, Mapping) and isinstance(name.get("Fn::GetAtt"), list):
        owner = str(name["Fn::GetAtt"][0])
        if any(balancer.id == owner for balancer in it.place.of(*TYPES)):
            return it.place.region
    return ""


def log_buckets(it: Resource) -> Iterator[tuple[Path, object]]:
    """Yield the buckets that a load balancer certainly logs to, with their paths."""
    if it.type == "AWS::ElasticLoadBalancing::LoadBalancer":
        if text(it.properties, "AccessLoggingPolicy", "Enabled") == "true":
            steps = ("AccessLoggingPolicy", "S3BucketName")
            yield steps, get(it.properties, *steps)
        return
    kind = (
        "application" if absent(it.properties, "Type") else text(it.properties, "Type")
    )
    if kind != "application":
        return  # access logs of network load balancers support KMS
    attributes = items(it.properties, "LoadBalancerAttributes")
    values = {text(one, "Key"): text(one, "Value") for one in attributes}
    for index, one in enumerate(attributes):
        logs = values.get("access_logs.s3.enabled") == "true"
        if logs and text(one, "Key") == "access_logs.s3.bucket":
            path = ("LoadBalancerAttributes", index, "Value")
            yield path, get(one, "Value")
