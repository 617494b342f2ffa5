"""What AWS does as time goes by, when the clock is moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen.emulator.server import lifecycle
from tapgen.emulator.services import behaviours
from tapgen.emulator.services.patches.alarm_states import state
from tests.emulator.conftest import Aws, template

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600


class Clock:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def forward(self, seconds: float) -> str:
        return lifecycle.move_clock(self.folder, seconds)


@pytest.fixture
def clock(server: lifecycle.Server) -> Iterator[Clock]:
    yield Clock(server.folder)
    lifecycle.release_clock(server.folder)


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_a_replica_is_not_promoted_while_it_is_backed_up(
    aws: Aws, clock: Clock
) -> None:
    rds = aws.client("rds")
    minute = int(clock.forward(0)[14:16])  # it stands still from here on
    hour = int(clock.forward((60 - minute) * MINUTE)[11:13])
    window = f"{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00"
    rds.create_db_instance(
        DBInstanceIdentifier="source",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="admin1",
        MasterUserPassword="a-password",
        BackupRetentionPeriod=7,
    )
    rds.create_db_instance_read_replica(
        DBInstanceIdentifier="copy", SourceDBInstanceIdentifier="source"
    )

    def status() -> str:
        [found] = rds.describe_db_instances(DBInstanceIdentifier="copy")["DBInstances"]
        return str(found["DBInstanceStatus"])

    assert status() == "creating"
    clock.forward(5 * MINUTE)
    rds.modify_db_instance(DBInstanceIdentifier="copy", PreferredBackupWindow=window)
    assert status() == "modifying"
    clock.forward(5 * MINUTE)
    assert status() == "available"
    clock.forward(2 * HOUR)
    assert status() == "backing-up"
    promote = {"DBInstanceIdentifier": "copy"}
    assert refused(rds.promote_read_replica, **promote) == "InvalidDBInstanceState"
    clock.forward(HOUR)
    assert status() == "available"
    rds.promote_read_replica(**promote)
    clock.forward(4 * MINUTE)
    assert status() == "modifying"
    lifecycle.release_clock(clock.folder)  # ends what has begun
    assert status() == "available"
    [source] = rds.describe_db_instances(DBInstanceIdentifier="source")["DBInstances"]
    assert source["ReadReplicaDBInstanceIdentifiers"] == []
    second = {"DBInstanceIdentifier": "second"}
    rds.create_db_instance_read_replica(**second, SourceDBInstanceIdentifier="source")
    rds.modify_db_instance(**second, PreferredBackupWindow=window)
    clock.forward(0)
    rds.promote_read_replica(**second)
    clock.forward(5 * MINUTE)
    [found] = rds.describe_db_instances(**second)["DBInstances"]
    assert found["DBInstanceStatus"] == "available"
    assert refused(rds.promote_read_replica, **promote) == "InvalidDBInstanceState"


def test_a_replica_reports_its_lag(aws: Aws, clock: Clock) -> None:
    source = aws.client("rds").create_db_instance(
        DBInstanceIdentifier="source",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="admin1",
        MasterUserPassword="a-password",
        BackupRetentionPeriod=7,
    )["DBInstance"]
    replica = {
        "DBInstanceIdentifier": "copy",
        "SourceDBInstanceIdentifier": source["DBInstanceArn"],
    }
    resource = {"Type": "AWS::RDS::DBInstance", "Properties": replica}
    stacks = aws.client("cloudformation", region="us-west-2")
    stacks.create_stack(StackName="copy", TemplateBody=template({"Copy": resource}))
    waiter = stacks.get_waiter("stack_create_complete")
    waiter.wait(StackName="copy", WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    cloudwatch = aws.client("cloudwatch", region="us-west-2")
    cloudwatch.put_metric_alarm(
        AlarmName="lag",
        Namespace="AWS/RDS",
        MetricName="ReplicaLag",
        Dimensions=[{"Name": "DBInstanceIdentifier", "Value": "copy"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=3,
        Threshold=60,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="breaching",
    )

    def state() -> str:
        [alarm] = cloudwatch.describe_alarms(AlarmNames=["lag"])["MetricAlarms"]
        return str(alarm["StateValue"])

    clock.forward(0)
    clock.forward(5 * MINUTE)
    assert state() == "OK"
    with unavailable(clock, aws, "us-east-1"):
        clock.forward(MINUTE)
        assert state() == "OK"
        clock.forward(5 * MINUTE)
        assert state() == "ALARM"
    clock.forward(5 * MINUTE)
    assert state() == "OK"


def test_a_certificate_waits_for_its_record(aws: Aws, clock: Clock) -> None:
    acm, route53 = aws.client("acm"), aws.client("route53")
    zone = route53.create_hosted_zone(Name="a.test", CallerReference="1")["HostedZone"]

    def request(domain: str) -> str:
        found = acm.request_certificate(DomainName=domain, ValidationMethod="DNS")
        return str(found["CertificateArn"])

    def status(arn: str) -> str:
        found = acm.describe_certificate(CertificateArn=arn)["Certificate"]
        return str(found["Status"])

    assert status(request("now.a.test")) == "ISSUED"
    clock.forward(0)
    proven, other = request("one.a.test"), request("two.a.test")
    assert status(proven) == "PENDING_VALIDATION"
    [option] = acm.describe_certificate(CertificateArn=proven)["Certificate"][
        "DomainValidationOptions"
    ]
    record = option["ResourceRecord"]
    entry = {
        **{"Name": record["Name"], "Type": record["Type"], "TTL": 300},
        "ResourceRecords": [{"Value": record["Value"]}],
    }
    change = {"Action": "CREATE", "ResourceRecordSet": entry}
    route53.change_resource_record_sets(
        HostedZoneId=zone["Id"], ChangeBatch={"Changes": [change]}
    )
    clock.forward(DAY)
    assert (status(proven), status(other)) == ("ISSUED", "PENDING_VALIDATION")
    clock.forward(2 * DAY)
    assert (status(proven), status(other)) == ("ISSUED", "VALIDATION_TIMED_OUT")


def test_an_alarm_without_data_and_with_data_again(aws: Aws, clock: Clock) -> None:
    cloudwatch = aws.client("cloudwatch")
    for name, missing in {"lag": "missing", "silence": "breaching"}.items():
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="App",
            MetricName="Lag",
            Dimensions=[{"Name": "Replica", "Value": "one"}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=10,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData=missing,
        )

    def report(value: float, replica: str = "one") -> None:
        dimensions = [{"Name": "Replica", "Value": replica}]
        data = {"MetricName": "Lag", "Value": value, "Dimensions": dimensions}
        cloudwatch.put_metric_data(Namespace="App", MetricData=[data])

    def states() -> dict[str, str]:
        found = cloudwatch.describe_alarms()["MetricAlarms"]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}

    clock.forward(0)
    report(50)
    assert states() == {"lag": "ALARM", "silence": "ALARM"}
    clock.forward(10 * MINUTE)
    report(0, "another")
    assert states() == {"lag": "INSUFFICIENT_DATA", "silence": "ALARM"}
    report(1)
    assert states() == {"lag": "OK", "silence": "OK"}


def test_a_key_is_gone_after_its_waiting_period(aws: Aws, clock: Clock) -> None:
    kms = aws.client("kms")
    key, kept = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.create_alias(AliasName="alias/gone", TargetKeyId=key)
    for one in (key, kept):
        kms.schedule_key_deletion(KeyId=one, PendingWindowInDays=7)
    clock.forward(6 * DAY)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=kept)
    clock.forward(2 * DAY)
    assert refused(kms.describe_key, KeyId=key) == "NotFoundException"
    assert kms.list_aliases()["Aliases"] == []
    assert kms.describe_key(KeyId=kept)["KeyMetadata"]["KeyState"] == "Disabled"


def test_an_accelerator_leaves_a_security_group(aws: Aws, clock: Clock) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{zone}"
        )["Subnet"]["SubnetId"]
        for n, zone in enumerate("ab")
    ]
    [balancer] = aws.client("elbv2").create_load_balancer(Name="b", Subnets=subnets)[
        "LoadBalancers"
    ]
    edge = aws.client("globalaccelerator", region="us-west-2")
    made = edge.create_accelerator(Name="a", IdempotencyToken="a")["Accelerator"]
    listener = edge.create_listener(
        AcceleratorArn=made["AcceleratorArn"],
        PortRanges=[{"FromPort": 443, "ToPort": 443}],
        Protocol="TCP",
        IdempotencyToken="l",
    )["Listener"]
    group = edge.create_endpoint_group(
        ListenerArn=listener["ListenerArn"],
        EndpointGroupRegion="us-east-1",
        EndpointConfigurations=[{"EndpointId": balancer["LoadBalancerArn"]}],
        IdempotencyToken="g",
    )["EndpointGroup"]

    def health() -> str:
        found = edge.describe_endpoint_group(EndpointGroupArn=group["EndpointGroupArn"])
        return str(found["EndpointGroup"]["EndpointDescriptions"][0]["HealthState"])

    assert health() == "HEALTHY"
    match = {"service": "elasticloadbalancing", "account": aws.account}
    fault = {"effect": "unavailable", "match": match}
    [added] = lifecycle.add_faults(clock.folder, [fault])
    assert health() == "UNHEALTHY"
    lifecycle.clear_faults(clock.folder, added["id"])

    def groups() -> list[str]:
        filters = [{"Name": "vpc-id", "Values": [vpc]}]
        found = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
        return sorted(one["GroupName"] for one in found)

    assert groups() == ["default"]
    clock.forward(MINUTE)
    edge.delete_endpoint_group(EndpointGroupArn=group["EndpointGroupArn"])
    clock.forward(MINUTE)
    assert groups() == ["GlobalAccelerator", "default"]


def test_a_target_is_initial_until_its_first_check(aws: Aws, clock: Clock) -> None:
    balancers = aws.client("elbv2")
    [group] = balancers.create_target_group(
        Name="t",
        Protocol="HTTP",
        Port=80,
        TargetType="ip",
        HealthCheckIntervalSeconds=10,
    )["TargetGroups"]
    arn = group["TargetGroupArn"]

    def health() -> dict[str, str]:
        found = balancers.describe_target_health(TargetGroupArn=arn)
        return {
            one["Target"]["Id"]: one["TargetHealth"]["State"]
            for one in found["TargetHealthDescriptions"]
        }

    old, new = "10.0.0.1", "10.0.0.2"
    balancers.register_targets(TargetGroupArn=arn, Targets=[{"Id": old}])
    clock.forward(0)
    balancers.register_targets(TargetGroupArn=arn, Targets=[{"Id": new}])
    assert health() == {old: "healthy", new: "initial"}
    clock.forward(10)
    assert health() == {old: "healthy", new: "healthy"}


def test_an_object_is_pending_until_its_replica_is_there(
    aws: Aws, clock: Clock
) -> None:
    home, away = aws.client("s3"), aws.client("s3", region="us-west-2")
    source, replica = f"from-{aws.account}", f"to-{aws.account}"
    home.create_bucket(Bucket=source)
    place = {"LocationConstraint": "us-west-2"}
    away.create_bucket(Bucket=replica, CreateBucketConfiguration=place)
    for client, bucket in ((home, source), (away, replica)):
        client.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    rule = {
        "ID": "all",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{replica}"},
    }
    role = f"arn:aws:iam::{aws.account}:role/replication"
    home.put_bucket_replication(
        Bucket=source, ReplicationConfiguration={"Role": role, "Rules": [rule]}
    )

    def status(client: Any, bucket: str, key: str) -> str:
        try:
            head = client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return str(head.get("ReplicationStatus"))

    def put(key: str) -> tuple[str, str]:
        home.put_object(Bucket=source, Key=key, Body=key.encode(), Tagging="a=b")
        return both(key)

    def both(key: str) -> tuple[str, str]:
        return status(home, source, key), status(away, replica, key)

    assert put("now") == ("COMPLETED", "REPLICA")
    clock.forward(0)
    assert put("later") == ("PENDING", "404")
    clock.forward(14 * MINUTE)
    assert both("later") == ("PENDING", "404")
    clock.forward(MINUTE)
    assert both("later") == ("COMPLETED", "REPLICA")
    tags = away.get_object_tagging(Bucket=replica, Key="later")["TagSet"]
    assert tags == [{"Key": "a", "Value": "b"}]
    home.delete_object(Bucket=source, Key="later")
    assert both("later") == ("404", "REPLICA")
    lifecycle.release_clock(clock.folder)
    assert both("later") == ("404", "404")
    with unavailable(clock, aws, "us-west-2"):
        assert put("lost") == ("PENDING", "503")
    assert both("lost") == ("COMPLETED", "REPLICA")


@contextmanager
def unavailable(clock: Clock, aws: Aws, region: str) -> Iterator[None]:
    """A region that is away."""
    match = {"account": aws.account, "region": region}
    lifecycle.add_faults(clock.folder, [{"effect": "unavailable", "match": match}])
    try:
        yield
    finally:
        lifecycle.clear_faults(clock.folder)


def test_writes_reach_other_regions_later(aws: Aws, clock: Clock) -> None:
    home, away = aws.client("dynamodb"), aws.client("dynamodb", region="us-west-2")
    key = {"AttributeName": "id", "AttributeType": "S"}
    home.create_table(
        TableName="items",
        AttributeDefinitions=[key],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def add_replica(region: str) -> None:
        new = [{"Create": {"RegionName": region}}]
        home.update_table(TableName="items", ReplicaUpdates=new)

    def write(client: Any, id_: str, value: str) -> None:
        client.put_item(TableName="items", Item={"id": {"S": id_}, "v": {"S": value}})

    def read(client: Any, id_: str) -> str | None:
        found = client.get_item(TableName="items", Key={"id": {"S": id_}})
        return found["Item"]["v"]["S"] if "Item" in found else None

    def statuses() -> dict[str, str]:
        table = home.describe_table(TableName="items")["Table"]
        return {r["RegionName"]: r["ReplicaStatus"] for r in table["Replicas"]}

    add_replica("us-west-2")
    write(home, "now", "1")
    assert read(away, "now") == "1"
    clock.forward(0)
    write(home, "later", "1")
    assert (read(home, "later"), read(away, "later")) == ("1", None)
    write(home, "both", "first")
    write(away, "both", "last")
    clock.forward(1)
    assert read(away, "later") == "1"
    assert (read(home, "both"), read(away, "both")) == ("last", "last")
    add_replica("eu-west-1")
    assert statuses() == {"us-west-2": "ACTIVE", "eu-west-1": "CREATING"}
    clock.forward(10 * MINUTE)
    assert statuses() == {"us-west-2": "ACTIVE", "eu-west-1": "ACTIVE"}
    write(home, "here", "1")
    with unavailable(clock, aws, "us-east-1"):
        clock.forward(HOUR)
        assert read(away, "here") is None  # not lost: it comes when the region is back
        write(away, "here", "2")
    lifecycle.release_clock(clock.folder)
    assert (read(home, "here"), read(away, "here")) == ("2", "2")


# The tables of "Configuring how CloudWatch alarms treat missing data": the last data
# points with the newest at the end (X breaches), then the states by TreatMissingData.
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
OK, NOW, BAD, NONE = "OK", "now", "ALARM", "INSUFFICIENT_DATA"
THREE_OF_THREE = {
    "0-X-X": (OK, OK, OK, OK),
    "----0": (OK, OK, OK, OK),
    "-----": (NONE, NOW, BAD, OK),
    "0XX-X": (BAD, BAD, BAD, BAD),
    "--X--": (BAD, NOW, BAD, OK),
}
TWO_OF_THREE = {
    "0-X-X": (BAD, BAD, BAD, BAD),
    "00X0X": (BAD, BAD, BAD, BAD),
    "0-X--": (BAD, NOW, BAD, OK),
    "----0": (OK, OK, BAD, OK),
    "---X-": (BAD, NOW, BAD, OK),
}


@pytest.mark.parametrize("to_alarm, rows", [(3, THREE_OF_THREE), (2, TWO_OF_THREE)])
def test_missing_data(to_alarm: int, rows: dict[str, tuple[str, ...]]) -> None:
    meaning = {"X": True, "0": False, "-": None}
    for points, expected in rows.items():
        newest_first = [meaning[point] for point in reversed(points)]
        found = tuple(state(newest_first, 3, to_alarm, t, "now") for t in TREATMENTS)
        assert found == expected, points


def test_the_page_has_the_list() -> None:
    page = Path(__file__).parents[3] / "docs" / "local.md"
    assert behaviours.table() in page.read_text(), behaviours.table()
