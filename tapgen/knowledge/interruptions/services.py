"""What interrupts brokers, compute, networks and entry points."""

from __future__ import annotations

from tapgen.knowledge.interruptions.model import (
    REFERENCE,
    Effect,
    Interruption,
    one,
    stops,
)

SERVICES: tuple[Interruption, ...] = (
    # brokers and streams
    one(
        "AWS::AmazonMQ::Broker",
        "Configuration EngineVersion HostInstanceType",
        Effect.REBOOT,
        "restarts: a single instance is away, a standby takes over",
        f"{REFERENCE}; Amazon MQ developer guide, Rebooting a broker",
    ),
    one(
        "AWS::MSK::Cluster",
        "BrokerNodeGroupInfo/InstanceType ConfigurationInfo KafkaVersion",
        Effect.ROLLING,
        "its brokers restart one after another",
        "MSK developer guide, Updating the broker size; Apache Kafka version",
    ),
    one(
        "AWS::KinesisAnalyticsV2::Application",
        "ApplicationConfiguration",
        Effect.REBOOT,
        "restarts from its latest snapshot",
        "Managed Service for Apache Flink developer guide, UpdateApplication",
    ),
    one(
        "AWS::DMS::ReplicationInstance",
        "EngineVersion ReplicationInstanceClass",
        Effect.DOWNTIME,
        "its tasks pause while it is changed",
        "DMS user guide, Modifying a replication instance",
    ),
    # compute
    one(
        "AWS::EC2::Instance",
        "Affinity EbsOptimized HostId InstanceType KernelId PrivateDnsNameOptions "
        "RamdiskId Tenancy UserData",
        Effect.REBOOT,
        "stops and starts again; a public address that is not elastic changes",
        f"{REFERENCE}; EC2 user guide, Change the instance type",
    ),
    one(
        "AWS::EC2::Instance",
        "BlockDeviceMappings SecurityGroupIds",
        Effect.BRIEF,
        "may be interrupted",
    ),
    one(
        "AWS::EC2::EIP",
        "InstanceId PublicIpv4Pool",
        Effect.BRIEF,
        "connections to the address are cut",
        f"{REFERENCE}: updates may require some interruptions",
    ),
    stops(
        "AWS::AutoScaling::AutoScalingGroup",
        "DesiredCapacity MaxSize",
        "0",
        "all its instances are terminated",
        "EC2 Auto Scaling user guide, Setting capacity limits",
    ),
    one(
        "AWS::AutoScaling::AutoScalingGroup",
        "LaunchConfigurationName LaunchTemplate MixedInstancesPolicy VPCZoneIdentifier",
        Effect.ROLLING,
        "its instances are replaced in batches, by its UpdatePolicy",
        "UpdatePolicy attribute: AutoScalingRollingUpdate",
    ),
    one(
        "AWS::Batch::ComputeEnvironment",
        "ComputeResources",
        Effect.BRIEF,
        "running jobs may be stopped, by its update policy",
    ),
    stops(
        "AWS::Lambda::Function",
        "ReservedConcurrentExecutions",
        "0",
        "every call of the function is throttled: it no longer runs",
        "Lambda developer guide, Reserved concurrency: set it to 0 to throttle all "
        "requests",
    ),
    stops(
        "AWS::Lambda::EventSourceMapping",
        "Enabled",
        "false",
        "the function no longer gets events",
        "resource reference: when false, the mapping is paused",
    ),
    stops(
        "AWS::ECS::Service",
        "DesiredCount",
        "0",
        "all its tasks are stopped",
        "ECS developer guide, Service definition parameters",
    ),
    one(
        "AWS::ECS::Service",
        "TaskDefinition NetworkConfiguration LoadBalancers",
        Effect.ROLLING,
        "its tasks are replaced one after another",
        "ECS developer guide, Rolling updates",
    ),
    one(
        "AWS::EKS::Nodegroup",
        "AmiType LaunchTemplate ReleaseVersion Version",
        Effect.ROLLING,
        "its nodes are drained and replaced one after another",
        "EKS user guide, Managed node update behavior",
    ),
    one(
        "AWS::EKS::Cluster",
        "Version",
        Effect.ROLLING,
        "its control plane is replaced one server after another",
        "EKS user guide, Update existing cluster to new Kubernetes version",
    ),
    one(
        "AWS::EMR::Cluster",
        "Instances",
        Effect.BRIEF,
        "nodes may be taken away from running steps",
    ),
    one(
        "AWS::MWAA::Environment",
        "AirflowConfigurationOptions AirflowVersion EnvironmentClass ExecutionRoleArn "
        "PluginsS3ObjectVersion PluginsS3Path RequirementsS3ObjectVersion "
        "RequirementsS3Path Schedulers StartupScriptS3ObjectVersion StartupScriptS3Path",
        Effect.DOWNTIME,
        "its schedulers and workers restart, for 20 minutes and more",
    ),
    one(
        "AWS::SageMaker::NotebookInstance",
        "InstanceType VolumeSizeInGB",
        Effect.REBOOT,
        "stops and starts again",
        f"{REFERENCE}: expect some interruption of service",
    ),
    one(
        "AWS::WorkSpaces::Workspace",
        "WorkspaceProperties/ComputeTypeName WorkspaceProperties/RootVolumeSizeGib "
        "WorkspaceProperties/UserVolumeSizeGib",
        Effect.REBOOT,
        "the user is cut off while it restarts",
        "WorkSpaces administration guide, Modify a WorkSpace",
    ),
    # network and entry points
    one(
        "AWS::ElasticLoadBalancing::LoadBalancer",
        "Listeners",
        Effect.BRIEF,
        "listeners that change are deleted and created again",
    ),
    one(
        "AWS::ElasticLoadBalancing::LoadBalancer",
        "AvailabilityZones Subnets",
        Effect.BRIEF,
        "instances in zones that go get no more traffic",
    ),
    one(
        "AWS::ElasticLoadBalancingV2::Listener",
        "Port Protocol",
        Effect.DOWNTIME,
        "clients of the port or protocol until now are refused",
        "Elastic Load Balancing user guides, Update a listener",
    ),
    one(
        "AWS::EC2::VPNConnection",
        "VpnTunnelOptionsSpecifications CustomerGatewayId TransitGatewayId VpnGatewayId",
        Effect.DOWNTIME,
        "its tunnels are away while they are changed",
        "Site-to-Site VPN user guide, Modify tunnel options",
    ),
    one(
        "AWS::Transfer::Server",
        "EndpointDetails EndpointType Protocols",
        Effect.DOWNTIME,
        "stops and starts again",
    ),
    stops(
        "AWS::CloudFront::Distribution",
        "DistributionConfig/Enabled",
        "false",
        "it no longer answers",
        "CloudFront developer guide, Distribution settings: distribution state",
    ),
    stops(
        "AWS::GlobalAccelerator::Accelerator",
        "Enabled",
        "false",
        "it no longer takes traffic",
        "Global Accelerator developer guide, Disable an accelerator",
    ),
    stops(
        "AWS::ApiGateway::RestApi",
        "DisableExecuteApiEndpoint",
        "true",
        "its own address no longer answers",
        "API Gateway developer guide, Disable the default endpoint",
    ),
    stops(
        "AWS::ApiGatewayV2::Api",
        "DisableExecuteApiEndpoint",
        "true",
        "its own address no longer answers",
        "API Gateway developer guide, Disable the default endpoint",
    ),
    stops(
        "AWS::Events::Rule",
        "State",
        "DISABLED",
        "it no longer matches events or runs on schedule",
        "resource reference: when a rule is disabled, EventBridge does not match events",
    ),
    stops(
        "AWS::Scheduler::Schedule",
        "State",
        "DISABLED",
        "it no longer runs",
        "resource reference: whether the schedule is enabled or disabled",
    ),
    stops(
        "AWS::Pipes::Pipe",
        "DesiredState",
        "STOPPED",
        "it no longer moves events",
        "resource reference: the state the pipe should be in",
    ),
)
