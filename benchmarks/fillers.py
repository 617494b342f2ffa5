"""What a public template expects to be there: values of its parameters, by their type
and name, the things in an account that they name, and the output of a build."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from re import _constants as parts  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import boto3

from tapgen.emulator.server import lifecycle
from tapgen.errors import TapgenError
from tapgen.template import decode

_BY_SSM = "AWS::SSM::Parameter::Value<"
SECRET = {"username": "fillername", "password": "fillerPassw0rd"}
_MANIFESTS = ("requirements.txt", "package.json", "pom.xml", "build.gradle", "go.mod")
_MANIFESTS += ("Gemfile", "Cargo.toml")
_CODE = {"CodeUri", "ContentUri"}

# Part of a parameter's name, in lower case → the thing that it names.
_BY_NAME = (
    ("stack", "text"),
    ("networkacl", "acl"),
    ("routetable", "table"),
    ("vpccidr|cidr", "cidr"),
    ("vpc", "vpc"),
    ("subnets|subnetids|subnetlist", "subnets"),
    ("subnet", "subnet"),
    ("securitygroup|sgid|^sg$", "group"),
    ("keypair|keyname|sshkey", "pair"),
    ("hostedzoneid|zoneid", "zone"),
    ("hostedzone|domain|hostname|dnsname|fqdn|recordname", "domain"),
    ("certif|acmarn", "certificate"),
    ("kms.*arn|keyarn", "key"),
    ("kms|keyid", "key_id"),
    ("role.*arn|rolearn", "role"),
    ("rolename", "role_name"),
    ("topic", "topic"),
    ("queue.*arn", "queue"),
    ("secret.*arn|secretarn", "secret"),
    ("bucket.*arn", "bucket_arn"),
    ("bucket", "bucket"),
    ("email|mail|subscriber", "email"),
    ("accountid|account$|accounts", "account"),
    ("orgid|organizationid", "organization"),
    ("ouid|organizationalunit|rootou", "unit"),
    ("url|endpoint|uri", "url"),
    ("amiid|ami$|imageid", "image"),
    ("ipaddress|^ip$|publicip|myip", "address"),
    ("ip", "cidr32"),
    ("region", "region"),
    ("az|availabilityzone|zone", "az"),
    ("password|secret", "password"),
    ("user", "user"),
    ("port", "number"),
    ("layer", "layer"),
    ("arn", "topic"),
    ("version", "version"),
    ("listener", "listener"),
    ("loadbalancer.*arn|albarn", "balancer"),
    ("cluster", "cluster"),
    ("lambda|function", "function"),
)
_BY_TYPE = {
    "AWS::EC2::VPC::Id": "vpc",
    "AWS::EC2::Subnet::Id": "subnet",
    "List<AWS::EC2::Subnet::Id>": "subnets",
    "AWS::EC2::SecurityGroup::Id": "group",
    "List<AWS::EC2::SecurityGroup::Id>": "group",
    "AWS::EC2::SecurityGroup::GroupName": "group_name",
    "AWS::EC2::KeyPair::KeyName": "pair",
    "AWS::EC2::Image::Id": "image",
    "AWS::EC2::Instance::Id": "instance",
    "AWS::EC2::Volume::Id": "volume",
    "AWS::Route53::HostedZone::Id": "zone",
    "AWS::EC2::AvailabilityZone::Name": "az",
    "List<AWS::EC2::AvailabilityZone::Name>": "azs",
    "AWS::SSM::Parameter::Name": "parameter",
    "Number": "number",
    "List<Number>": "number",
}


class Things:
    """What exists in the account, each made when it is first named."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        self.subnets = self.zones = self.names = 0
        folder = Path(".tapgen")
        serve = [sys.executable, "-m", "tapgen", "local", "serve"]
        self.url = lifecycle.start(folder, serve).url

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def __call__(self, name: str) -> str:
        if name == "subnet":
            self.subnets += 1
            return self("subnets").split(",")[(self.subnets - 1) % 3]
        # Whoever asks for two wants different ones.
        if name in ("acl", "table"):
            return str(getattr(self, f"_{name}")())
        if name == "az":
            self.zones += 1
            return self("azs").split(",")[(self.zones - 1) % 3]
        if name not in self.made:
            self.made[name] = getattr(self, f"_{name}", lambda: _TEXTS[name])()
        return self.made[name]

    def _vpc(self) -> str:
        made = self.client("ec2").create_vpc(CidrBlock="10.77.0.0/16")
        return str(made["Vpc"]["VpcId"])

    def _subnets(self) -> str:
        ec2, vpc = self.client("ec2"), self("vpc")
        made = [
            ec2.create_subnet(
                VpcId=vpc,
                CidrBlock=f"10.77.{n}.0/24",
                AvailabilityZone=f"us-east-1{'abc'[n]}",
            )
            for n in range(3)
        ]
        return ",".join(one["Subnet"]["SubnetId"] for one in made)

    def _group(self) -> str:
        made = self.client("ec2").create_security_group(
            GroupName="filler", Description="filler", VpcId=self("vpc")
        )
        return str(made["GroupId"])

    def _group_name(self) -> str:
        self("group")
        return "filler"

    def _acl(self) -> str:
        made = self.client("ec2").create_network_acl(VpcId=self("vpc"))
        return str(made["NetworkAcl"]["NetworkAclId"])

    def _table(self) -> str:
        made = self.client("ec2").create_route_table(VpcId=self("vpc"))
        return str(made["RouteTable"]["RouteTableId"])

    def _pair(self) -> str:
        self.client("ec2").create_key_pair(KeyName="filler")
        return "filler"

    def _instance(self) -> str:
        made = self.client("ec2").run_instances(
            ImageId=self("image"), MinCount=1, MaxCount=1, SubnetId=self("subnet")
        )
        return str(made["Instances"][0]["InstanceId"])

    def _volume(self) -> str:
        made = self.client("ec2").create_volume(AvailabilityZone="us-east-1a", Size=1)
        return str(made["VolumeId"])

    def _zone(self) -> str:
        made = self.client("route53").create_hosted_zone(
            Name="example.com", CallerReference="filler"
        )
        return str(made["HostedZone"]["Id"]).rpartition("/")[2]

    def _domain(self) -> str:
        self("zone")
        return "example.com"

    def _certificate(self) -> str:
        made = self.client("acm").request_certificate(DomainName="example.com")
        return str(made["CertificateArn"])

    def _key(self) -> str:
        return str(self.client("kms").create_key()["KeyMetadata"]["Arn"])

    def _key_id(self) -> str:
        return self("key").rpartition("/")[2]

    def _role(self) -> str:
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": _SERVICES},
            "Action": "sts:AssumeRole",
        }
        made = self.client("iam").create_role(
            RoleName="filler", AssumeRolePolicyDocument=json.dumps({"Statement": trust})
        )
        return str(made["Role"]["Arn"])

    def _role_name(self) -> str:
        self("role")
        return "filler"

    def _topic(self) -> str:
        return str(self.client("sns").create_topic(Name="filler")["TopicArn"])

    def _queue(self) -> str:
        self.client("sqs").create_queue(QueueName="filler")
        return "arn:aws:sqs:us-east-1:000000000000:filler"

    def _bucket(self) -> str:
        self.client("s3").create_bucket(Bucket="filler-bucket")
        return "filler-bucket"

    def _bucket_arn(self) -> str:
        return f"arn:aws:s3:::{self('bucket')}"

    def _secret(self) -> str:
        made = self.client("secretsmanager").create_secret(
            Name="filler", SecretString=json.dumps(SECRET)
        )
        return str(made["ARN"])

    def _reference(self) -> str:
        self("secret")
        return "{{resolve:secretsmanager:filler:SecretString:password}}"

    def _cluster(self) -> str:
        self.client("ecs").create_cluster(clusterName="filler")
        return "filler"

    def _balancer(self) -> str:
        made = self.client("elbv2").create_load_balancer(
            Name="filler", Subnets=self("subnets").split(",")
        )
        return str(made["LoadBalancers"][0]["LoadBalancerArn"])

    def _listener(self) -> str:
        answer = {
            "Type": "fixed-response",
            "FixedResponseConfig": {"StatusCode": "200"},
        }
        made = self.client("elbv2").create_listener(
            LoadBalancerArn=self("balancer"),
            Protocol="HTTP",
            Port=80,
            DefaultActions=[answer],
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def _layer(self) -> str:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("python/filler.py", "")
        made = self.client("lambda").publish_layer_version(
            LayerName="filler", Content={"ZipFile": packed.getvalue()}
        )
        return str(made["LayerVersionArn"])

    def _parameter(self) -> str:
        self.client("ssm").put_parameter(Name="/filler", Value="filler", Type="String")
        return "/filler"

    def secret(self, name: str, key: str) -> None:
        """Let a secret have a key."""
        client = self.client("secretsmanager")
        value = json.dumps({**SECRET, key: "filler"} if key else SECRET)
        try:
            client.create_secret(Name=name, SecretString=value)
        except client.exceptions.ResourceExistsException:
            known = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
            value = json.dumps({**known, key: "filler"})
            client.put_secret_value(SecretId=name, SecretString=value)

    def parameter(self, name: str, value: str) -> None:
        """Let an SSM parameter exist."""
        self.client("ssm").put_parameter(
            Name=name, Value=value, Type="String", Overwrite=True
        )

    def named(self, wanted: str) -> str:
        """The name of an SSM parameter with a value of a type."""
        name = f"/filler/{re.sub('[^a-z0-9]', '', wanted.lower())}"
        value = self(_BY_TYPE.get(wanted, "text"))
        if name not in self.made:
            self.made[name] = name
            self.parameter(name, value)
        return name


_TEXTS = {
    "account": "000000000000",
    "address": "203.0.113.7",
    "azs": "us-east-1a,us-east-1b,us-east-1c",
    "cidr": "10.78.0.0/16",
    "cidr32": "203.0.113.7/32",
    "email": "filler@example.com",
    "function": "filler",
    "image": "ami-0abcdef1234567890",
    "number": "80",
    "organization": "o-abcdefghij",
    "password": SECRET["password"],
    "region": "us-east-1",
    "text": "filler",
    "unit": "ou-abcd-abcdefgh",
    "url": "https://example.com/filler",
    "user": "filleruser",
    "version": "1.0",
}
_PLACEHOLDER = re.compile("[a-z]+-0+")  # an id for the user to replace: acl-0000000
_SERVICES = [
    f"{name}.amazonaws.com"
    for name in "lambda ecs-tasks ec2 states events codepipeline codebuild".split()
]


def values(template: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the values of the parameters that need one, and the roles among them; what
    they name exists afterwards, as what the template imports does."""
    try:
        text = template.read_text("utf-8-sig")
        body = decode.template(text, str(template), lambda found: found)
    except (TapgenError, UnicodeDecodeError):
        return {}, []
    things = Things()
    names = {*_own_names(body)}
    _resolve(things, text)
    found = {
        name: (
            _new(things, parameter)
            if name in names
            else _value(things, name, parameter)
        )
        for name, parameter in body.get("Parameters", {}).items()
        if parameter.get("Default") is None
        or _PLACEHOLDER.fullmatch(str(parameter["Default"]))
        or (
            parameter["Default"] == ""
            and (_is_required(body) or not _accepts("", parameter))
        )
    }
    defaults = {
        name: str(parameter["Default"])
        for name, parameter in body.get("Parameters", {}).items()
        if parameter.get("Default") is not None
    }
    for name, parameter in body.get("Parameters", {}).items():
        kind, default = str(parameter.get("Type")), defaults.get(name, "")
        if (
            kind.startswith(_BY_SSM)
            and default
            and not default.lstrip("/").startswith("aws/")
        ):
            things.parameter(default, _value(things, name, {"Type": _inner(kind)}))
    _export(things, body, {**defaults, **found})
    roles = [{"role": things.made.get("role", ""), "to": _SERVICES}]
    return found, roles if "role" in things.made else []


def _value(things: Things, name: str, parameter: Mapping[str, Any]) -> str:
    kind = str(parameter.get("Type", "String"))
    if kind.startswith(_BY_SSM):
        return things.named(_inner(kind))
    if str(parameter.get("NoEcho")).lower() == "true":
        return things("reference")
    if allowed := parameter.get("AllowedValues"):
        return _text(allowed[0])
    if kind in ("Number", "List<Number>"):
        return _text(parameter.get("MinValue", parameter.get("MaxValue", 80)))
    if kind in _BY_TYPE:
        return things(_BY_TYPE[kind])
    plain = name.lower().replace("_", "").replace("-", "")
    likely = [thing for pattern, thing in _BY_NAME if re.search(pattern, plain)]
    for thing in [*likely, "text", *_TEXTS, "topic", "certificate", "role", "key"]:
        if _accepts(things(thing), parameter):
            return things(thing)
    pattern = str(parameter.get("AllowedPattern", "[a-z]*"))
    shortest = int(parameter.get("MinLength", 1))
    try:
        return "".join(_matching(parser.parse(pattern), shortest))
    except (re.error, NotImplementedError):
        return "filler"


def _inner(kind: str) -> str:
    return kind.partition("<")[2][:-1]


def _own_names(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parameters from which resources of the template get their names."""
    for resource in body["Resources"].values():
        properties = resource.get("Properties")
        for key, value in properties.items() if isinstance(properties, dict) else ():
            if key.endswith("Name") and isinstance(value, dict):
                kind = str(resource.get("Type")).rpartition("::")[2]
                if key == "Name" or key.removesuffix("Name") in kind:
                    yield str(value.get("Ref"))


def _new(things: Things, parameter: Mapping[str, Any]) -> str:
    things.names += 1
    own = f"fillernew{things.names}"
    for text in (own, f"{own}.example.com", f"/filler/{own}"):
        if _accepts(text, parameter):
            return text
    return _value(things, "", parameter)


def _resolve(things: Things, text: str) -> None:
    """Create what dynamic references name."""
    for secret, key in re.findall(
        r"\{\{resolve:secretsmanager:([\w/+=.@-]+)(?::SecretString:(\w*))?", text
    ):
        things.secret(secret, key)
    for name in re.findall(r"\{\{resolve:ssm:([\w/.-]+)", text):
        if not name.lstrip("/").startswith("aws/"):  # AWS's own are there
            things.parameter(name, "filler")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _accepts(text: str, parameter: Mapping[str, Any]) -> bool:
    pattern = str(parameter.get("AllowedPattern", ".*"))
    least, most = parameter.get("MinLength", 0), parameter.get("MaxLength", 10**6)
    try:
        fits = re.fullmatch(pattern, text) is not None
    except re.error:  # written for Java
        fits = True
    return fits and int(least) <= len(text) <= int(most)


def _matching(parsed: Any, shortest: int) -> Iterator[str]:
    """Yield the pieces of a text that a regular expression matches."""
    for kind, given in parsed:
        if kind in (parts.MAX_REPEAT, parts.MIN_REPEAT):
            least, most, inner = given
            for _ in range(min(max(least, shortest), most)):
                yield from _matching(inner, 1)
        elif kind is parts.SUBPATTERN:
            yield from _matching(given[-1], shortest)
        elif kind is parts.BRANCH:
            yield from _matching(given[1][0], shortest)
        elif kind is parts.LITERAL:
            yield chr(given)
        elif kind is parts.IN:
            yield _one_of(given)
        elif kind in (parts.ANY, parts.CATEGORY):
            yield "1"
        elif kind not in (parts.AT, parts.ASSERT, parts.ASSERT_NOT):
            raise NotImplementedError(kind)


def _one_of(given: Any) -> str:
    kind, value = given[0]
    if kind is parts.RANGE:
        return chr(value[0])
    if kind is parts.LITERAL:
        return chr(value)
    return "a" if kind is parts.NEGATE else "1"


def _export(things: Things, body: Mapping[str, Any], values: Mapping[str, str]) -> None:
    """Create a stack with the exports that a template imports."""
    names = {name for one in _imports(body) if (name := _evaluated(one, values))}
    outputs = {
        f"Out{number}": {
            "Value": _exported(things, name),
            "Export": {"Name": name},
        }
        for number, name in enumerate(sorted(names))
    }
    if outputs:
        topic = {"Type": "AWS::SNS::Topic"}
        text = json.dumps({"Resources": {"It": topic}, "Outputs": outputs})
        client = things.client("cloudformation")
        client.create_stack(StackName="filler", TemplateBody=text)
        client.get_waiter("stack_create_complete").wait(
            StackName="filler", WaiterConfig={"Delay": 1}
        )


def _exported(things: Things, name: str) -> str:
    plain = re.split("[-:]", name.lower())[-1].replace("_", "")
    for pattern, thing in _BY_NAME:
        if re.search(pattern, plain):
            return things(thing)
    return things("text")


def _imports(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        if "Fn::ImportValue" in node:
            yield node["Fn::ImportValue"]
        for value in node.values():
            yield from _imports(value)
    elif isinstance(node, list):
        for value in node:
            yield from _imports(value)


def _evaluated(node: Any, values: Mapping[str, str]) -> str:
    """The name of an export, as far as parameters and pseudo parameters make it."""
    known = {**values, "AWS::Region": "us-east-1", "AWS::AccountId": "000000000000"}
    if isinstance(node, str):
        return node
    if isinstance(node, dict) and len(node) == 1:
        [(function, given)] = node.items()
        if function == "Ref":
            return known.get(given, "")
        if function == "Fn::Sub" and isinstance(given, str):
            return re.sub(r"\$\{([^}]+)\}", lambda m: known.get(m[1], m[0]), given)
        if function == "Fn::Join":
            return str(given[0]).join(_evaluated(one, values) for one in given[1])
    return ""


def build(template: Path, repository: Path) -> Path:
    """Do what tapgen asks for: `sam build`, without the libraries, and local files for
    nested templates of the same repository. Return the template to use."""
    try:
        text = template.read_text("utf-8-sig")
        body = decode.template(text, str(template), lambda found: found)
    except (TapgenError, UnicodeDecodeError):
        return template
    for resource in [*body["Resources"].values(), *_globals(body)]:
        properties = resource.get("Properties")
        for key in _CODE if isinstance(properties, dict) else ():
            path = properties.get(key)
            if isinstance(path, str) and "://" not in path:
                _built(template.parent / path)
    changed = _unbuilt(body) | _unchecked(body) | _nested(body, template, repository)
    if not changed:
        return template
    written = template.with_suffix(".built.json")
    written.write_text(json.dumps(body))
    return written


def _unbuilt(body: Mapping[str, Any]) -> bool:
    found = [r["Metadata"] for r in body["Resources"].values() if r.get("Metadata")]
    methods = [one.pop("BuildMethod", None) for one in found if isinstance(one, dict)]
    return any(methods)


def _unchecked(body: Mapping[str, Any]) -> bool:
    """Drop what the text of a dynamic reference breaks."""
    keys = ("AllowedPattern", "AllowedValues", "MaxLength", "MinLength")
    secret = [
        parameter
        for parameter in (body.get("Parameters") or {}).values()
        if str(parameter.get("NoEcho")).lower() == "true"
    ]
    return any([one.pop(key, None) is not None for one in secret for key in keys])


def _nested(body: Mapping[str, Any], template: Path, repository: Path) -> bool:
    """Put nested templates beside the one that names them."""
    changed = False
    for resource in body["Resources"].values():
        if resource.get("Type") == "AWS::CloudFormation::Stack":
            url = resource.get("Properties", {}).get("TemplateURL")
            if isinstance(url, str) and (template.parent / url).is_file():
                continue
            address = json.dumps(url)
            name = re.search(r"([\w.-]+\.(?:ya?ml|json|template))[^/]*$", address)
            files = sorted(repository.rglob(name[1])) if name else []
            own = template.read_bytes()
            files = [file for file in files if file.read_bytes() != own]
            if files:
                copy = template.parent / f"nested-{files[0].name}"
                copy.write_bytes(files[0].read_bytes())
                inner = build(copy, repository)
                resource["Properties"]["TemplateURL"] = inner.name
                changed = True
    return changed


def _globals(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for properties in (body.get("Globals") or {}).values():
        yield {"Properties": properties}


def _built(place: Path) -> None:
    if place.suffix in (".zip", ".jar") and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip file
    elif not place.exists():
        place.mkdir(parents=True)
        (place / "bootstrap").write_text("built\n")
    elif place.is_dir():
        for name in _MANIFESTS:
            (place / name).unlink(missing_ok=True)
        if not any(place.iterdir()):
            (place / "bootstrap").write_text("built\n")


def _is_required(body: Mapping[str, Any]) -> bool:
    """Whether rules of a template ask for values that have an empty default."""
    return "are required" in json.dumps(body.get("Rules", ""))
