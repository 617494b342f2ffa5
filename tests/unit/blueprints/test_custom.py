"""Custom systems: the user's own templates and blueprints, and their errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tapgen import blueprints, config
from tapgen.errors import BlueprintError, ConfigError, TapgenError
from tapgen.model import System, Target
from tapgen.system import templates_out


@dataclass
class Project:
    """A folder with a config and the files that it refers to."""

    folder: Path

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def build(self, environment: str | None = None) -> System:
        path = self.folder / "shop.yaml"
        find = partial(blueprints.find, folder=self.folder)
        read = config.load(path, find, environment, blueprints.names)
        blueprint = find(read.blueprint)
        assert blueprint is not None
        return blueprint.build(read)

    def wrong(self, kind: type[TapgenError] = BlueprintError) -> str:
        with pytest.raises(kind) as error:
            self.build()
        return str(error.value).replace(f"{self.folder}/", "")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    before = [*sys.path]
    yield Project(tmp_path)
    sys.path[:] = before


CONFIG = """\
blueprint: custom
suffix: prod
stack_sets:
  net:
    template: {template}
    regions: [us-east-1, eu-west-1]
"""
YAML = """\
Parameters:
  Cidr: {Type: String, Default: 10.0.0.0/16, AllowedPattern: '[0-9./]+'}
Outputs:
  VpcId: {Value: !Ref Vpc}
Resources:
  Vpc:
    Properties: {CidrBlock: !Ref Cidr}
    Type: AWS::EC2::VPC
"""
VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Cidr"}}}


def test_a_template_in_yaml_becomes_json_in_the_order_of_the_documentation(
    project: Project,
) -> None:
    project.write("shop.yaml", CONFIG.format(template="net/net.yaml"))
    project.write("net/net.yaml", YAML)

    (net,) = project.build().stack_sets

    assert json.loads(net.template)["Resources"] == {"Vpc": VPC}
    assert [*json.loads(net.template)] == ["Parameters", "Resources", "Outputs"]
    assert [*json.loads(net.template)["Resources"]["Vpc"]] == ["Type", "Properties"]
    assert net.name == "shop-prod-net"
    assert net.role == "every"
    assert net.tags == {
        "Project": "shop",
        "Environment": "prod",
        "ManagedBy": "tapgen",
    }


def test_the_manifest_is_like_any_other(project: Project) -> None:
    project.write("code/index.py", "")
    project.write(
        "shop.yaml",
        CONFIG.format(template="net.yaml") + """\
    artifacts: {Code: {path: code}}
  app:
    template: net.yaml
    regions: [us-east-1]
    parameters: {Cidr: {output: net.VpcId, region: eu-west-1}, CodeBucket: x, CodeKey: y}
""",
    )
    text = YAML.replace(
        "Outputs:", "  CodeBucket: {Type: String}\n  CodeKey: {Type: String}\nOutputs:"
    )
    project.write("net.yaml", text)

    system = project.build()
    manifest = templates_out.manifest(system)
    net, app = manifest["stack_sets"]

    assert manifest["blueprint"] == "custom"
    assert manifest["regions"] == {"us-east-1": "us-east-1", "eu-west-1": "eu-west-1"}
    assert (net["wave"], net["role"]) == (1, "every")
    assert (app["wave"], app["role"]) == (2, "us-east-1")
    assert app["parameters"]["Cidr"] == {
        "output": "net.VpcId",
        "region": "eu-west-1",
        "account": "same",
    }
    assert app["depends_on"] == ["shop-prod-net"]
    key = net["artifacts"]["Code"]["key"]
    assert key.startswith("artifacts/") and key.endswith(".zip")
    assert net["artifacts"]["Code"]["buckets"] == {
        "self/us-east-1": "tapgen-artifacts-self-us-east-1",
        "self/eu-west-1": "tapgen-artifacts-self-eu-west-1",
    }
    assert set(templates_out.files(system)) == {
        "shop/net.json",
        "shop/app.json",
        "shop/manifest.json",
    }


PYTHON = """\
from troposphere import Output, Ref, Template, ec2

template = Template(Description="net")
vpc = template.add_resource(ec2.VPC("Vpc", CidrBlock="10.0.0.0/16"))
template.add_output(Output("VpcId", Value=Ref(vpc)))
"""


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("net.py", PYTHON),
        ("net.py:template", PYTHON),
        (
            "net.py",
            "def build():\n    from inner import template\n    return template\n",
        ),
        ("net.py:other", PYTHON + "def other():\n    return template.to_dict()\n"),
        ("net.py:text", PYTHON + "text = template.to_yaml()\n"),
    ],
)
def test_a_template_may_be_written_in_python(
    project: Project, reference: str, text: str
) -> None:
    project.write("shop.yaml", CONFIG.format(template=reference))
    project.write("net.py", text)
    project.write("inner.py", PYTHON)

    (net,) = project.build().stack_sets

    body = json.loads(net.template)
    assert body["Resources"]["Vpc"]["Type"] == "AWS::EC2::VPC"
    assert body["Outputs"]["VpcId"]["Value"] == {"Ref": "Vpc"}


def test_a_changed_file_is_run_again(project: Project) -> None:
    project.write("shop.yaml", CONFIG.format(template="net.py"))
    project.write("net.py", PYTHON)
    project.build()
    project.write("net.py", PYTHON.replace("10.0.0.0/16", "10.200.0.0/16"))

    assert "10.200.0.0/16" in project.build().stack_sets[0].template


LOOP = """\
Transform: AWS::LanguageExtensions
Parameters: {{Names: {{Type: CommaDelimitedList, Default: 'a,b'}}}}
Resources:
  Fn::ForEach::Roles:
    - Name
    - {collection}
    - Role${{Name}}:
        Type: {type}
        Properties: {{RoleName: !Sub 'shop-${{Name}}'}}
"""


def test_loops_are_sent_as_written_and_checked_expanded(
    project: Project,
) -> None:
    project.write("shop.yaml", CONFIG.format(template="net.yaml"))
    text = LOOP.format(collection="!Ref Names", type="AWS::IAM::Role")
    project.write("net.yaml", text)

    (net,) = project.build().stack_sets

    resources = json.loads(net.template)["Resources"]
    assert resources["Fn::ForEach::Roles"][:2] == ["Name", {"Ref": "Names"}]
    assert net.capabilities == ("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
    assert templates_out.manifest(project.build())["stack_sets"][0]["resources"] == 2


@pytest.mark.parametrize(
    ("collection", "kind", "said"),
    [
        ("a,b", "AWS::SNS::Topic", "net.yaml: Resources.Fn::ForEach::Roles: the coll"),
        (
            "[a, a]",
            "AWS::SNS::Topic",
            "Resources.Fn::ForEach::Roles: Rolea is created twi",
        ),
        (
            "[a]",
            "AWS::CloudFormation::Stack",
            "net.yaml: Resources.Fn::ForEach::Roles: a nested stack in a loop",
        ),
    ],
)
def test_a_wrong_loop_is_reported_with_file_stack_set_and_place(
    project: Project, collection: str, kind: str, said: str
) -> None:
    project.write("shop.yaml", CONFIG.format(template="net.yaml"))
    project.write("net.yaml", LOOP.format(collection=collection, type=kind))

    assert project.wrong().startswith(f"shop.yaml:4: stack_sets.net: {said}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"Transform": ["AWS::Serverless-2016-10-31", "Mine"]},
            "Transform AWS::Serverless-2016-10-31: only AWS can expand it; write out the "
            "result (tapgen supports AWS::LanguageExtensions, and "
            "AWS::Serverless-2016-10-31 alone)\n"
            "shop.yaml:4: stack_sets.net: net.json: Transform Mine: only AWS can expand "
            "it; write out the result (tapgen supports AWS::LanguageExtensions, and "
            "AWS::Serverless-2016-10-31 alone)",
        ),
        (
            {"Transform": [{"Name": "Mine", "Parameters": {}}]},
            "Transform Mine: only AWS can expand it; write out the result "
            "(tapgen supports AWS::LanguageExtensions, and AWS::Serverless-2016-10-31 "
            "alone)",
        ),
        (
            {"Mappings": {"M": {"Fn::Transform": {"Name": "Mine"}}}},
            "Mappings.M: only AWS can expand Fn::Transform; write out the result",
        ),
    ],
)
def test_what_only_aws_can_write_out_is_refused(
    project: Project, more: dict[str, Any], said: str
) -> None:
    project.write("shop.yaml", CONFIG.format(template="net.json"))
    resources = {"Topic": {"Type": "AWS::SNS::Topic"}}
    project.write("net.json", json.dumps({"Resources": resources, **more}))

    assert project.wrong() == f"shop.yaml:4: stack_sets.net: net.json: {said}"


@pytest.mark.parametrize(
    ("resources", "capabilities"),
    [
        ({"A": {"Type": "AWS::SNS::Topic"}}, ()),
        ({"A": {"Type": "AWS::IAM::Role"}}, ("CAPABILITY_IAM",)),
        (
            {"A": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "x"}}},
            ("CAPABILITY_NAMED_IAM",),
        ),
        (
            {"A": {"Type": "AWS::IAM::User"}, "B": {"Type": "AWS::SNS::Topic"}},
            ("CAPABILITY_IAM",),
        ),
    ],
)
def test_capabilities_are_those_that_resources_ask_for(
    project: Project, resources: dict[str, Any], capabilities: tuple[str, ...]
) -> None:
    project.write("shop.yaml", CONFIG.format(template="net.json"))
    project.write("net.json", json.dumps({"Resources": resources}))
    assert project.build().stack_sets[0].capabilities == capabilities

    more = "    capabilities: [CAPABILITY_IAM]\n"
    project.write("shop.yaml", CONFIG.format(template="net.json") + more)
    assert project.build().stack_sets[0].capabilities == ("CAPABILITY_IAM",)


def test_a_template_that_asks_for_the_suffix_gets_it(project: Project) -> None:
    text = CONFIG.format(template="net.yaml") + "environments: {s: {suffix: stg}}\n"
    project.write("shop.yaml", text)
    parameter = "  EnvironmentSuffix: {Type: String}\nOutputs:"
    project.write("net.yaml", YAML.replace("Outputs:", parameter))

    default, staging = project.build(), project.build("s")

    assert default.stack_sets[0].parameters == {"EnvironmentSuffix": "prod"}
    assert staging.stack_sets[0].parameters == {"EnvironmentSuffix": "stg"}
    assert default.stack_sets[0].template == staging.stack_sets[0].template
    assert set(templates_out.files(staging, default)) == {"shop/manifest.s.json"}


def test_what_templates_do_not_accept_is_reported_with_the_line_of_the_config(
    project: Project,
) -> None:
    project.write(
        "shop.yaml",
        CONFIG.format(template="net.yaml") + """\
    parameters: {Cdir: 1, Cidr: A}
  app: {template: net.yaml, regions: [us-east-1], parameters: {Cidr: {output: net.Id}}}
""",
    )
    project.write("net.yaml", YAML)

    assert project.wrong().splitlines() == [
        "shop.yaml:7: stack_sets.net.parameters.Cdir: the template has no parameter "
        "Cdir; it has Cidr",
        "shop.yaml:7: stack_sets.net.parameters.Cidr: 'A' does not match [0-9./]+",
        "shop.yaml:8: stack_sets.app.parameters.Cidr: net has no output Id; it has VpcId",
    ]


def test_a_wrong_value_has_its_own_line_and_key_in_overrides_and_environments(
    project: Project,
) -> None:
    project.write(
        "shop.yaml",
        CONFIG.format(template="net.yaml") + """\
    parameters:
      Cidr: 10.0.0.0/16
    overrides:
      - region: us-east-1
        parameters:
          Cidr: A
      - {region: eu-west-1, parameters: {Cidr: A}}
environments:
  dev:
    suffix: dev
    stack_sets:
      net:
        overrides: []
        parameters:
          Cidr: B
""",
    )
    project.write("net.yaml", YAML)

    assert project.wrong().splitlines() == [
        "shop.yaml:12: stack_sets.net.overrides[0].parameters.Cidr: 'A' does not match "
        "[0-9./]+",
        "shop.yaml:13: stack_sets.net.overrides[1].parameters.Cidr: 'A' does not match "
        "[0-9./]+",
    ]
    with pytest.raises(BlueprintError) as caught:
        project.build("dev")
    assert str(caught.value).endswith(
        "shop.yaml:21: environments.dev.stack_sets.net.parameters.Cidr: 'B' does not "
        "match [0-9./]+"
    )


def test_a_parameter_that_is_missing_is_reported_at_its_stack_set(
    project: Project,
) -> None:
    project.write("shop.yaml", CONFIG.format(template="net.yaml"))
    project.write("net.yaml", YAML.replace("Cidr:", "Size: {Type: Number}\n  Cidr:"))

    assert project.wrong().startswith("shop.yaml:4: stack_sets.net: parameter Size")


def test_every_template_that_cannot_be_read_is_reported(project: Project) -> None:
    project.write(
        "shop.yaml",
        CONFIG.format(template="net.yaml") + """\
  app: {template: app.py, regions: [us-east-1]}
  two: {template: two.json, regions: [us-east-1]}
""",
    )
    project.write("net.yaml", "Resources:\n  A: !Reff b\n")
    project.write("app.py", "template = 5\n")
    project.write("two.json", '{"Resources": ')

    assert project.wrong().splitlines() == [
        "shop.yaml:4: stack_sets.net: net.yaml:2: !Reff is not a short form in "
        "CloudFormation; correct it",
        "shop.yaml:7: stack_sets.app: app.py: returns int; return a troposphere.Template",
        "shop.yaml:8: stack_sets.two: two.json:1: column 15: expecting value",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("template = nme\n", "net.py:1: NameError: name 'nme' is not defined"),
        ("def build(:\n", "net.py:1: SyntaxError: "),
        (
            "import no_such_module_here\n",
            "net.py:1: ModuleNotFoundError: No module nam",
        ),
        (
            "\ndef build():\n    return 1 / 0\n",
            "net.py:3 in build(): ZeroDivisionError",
        ),
        ("import sys\nsys.exit('x')\n", "net.py:2: SystemExit: x"),
        ("import inner\n", "inner.py:2: KeyError: 'x'"),
        ("other = 1\n", "net.py: has no template and no build"),
        (
            "templte = 1\n",
            "net.py: has no template and no build; did you mean 'templte'?",
        ),
        # What Troposphere refuses when an object is created …
        (
            "from troposphere import Template, sqs\ntemplate = Template()\n"
            "template.add_resource(sqs.Queue('Work', QueueNam='x'))\n",
            "net.py:3: Work (AWS::SQS::Queue): there is no property QueueNam; it takes "
            "ContentBasedDeduplication, ",
        ),
        (
            "from troposphere import Template, sqs\ntemplate = Template()\n"
            "template.add_resource(sqs.Queue('Work', QueueNam='x'))\n",
            "; did you mean 'QueueName'?",
        ),
        (
            "from troposphere import sqs\nx = sqs.Queue('Work', QueueName=5)\n",
            "net.py:2: Work (AWS::SQS::Queue): QueueName is 5, int; it takes str",
        ),
        (
            "from troposphere import sqs\nx = sqs.Queue('Work', DelaySeconds='x')\n",
            "net.py:2: Work (AWS::SQS::Queue): DelaySeconds is 'x'; 'x' is not a valid",
        ),
        # … and when it renders the template.
        (
            "from troposphere import Template, ec2\ntemplate = Template()\n"
            "template.add_resource(ec2.Route('Out'))\n",
            "net.py: Out (AWS::EC2::Route): property RouteTableId is missing; it needs",
        ),
        (
            "from troposphere import Template, s3\ntemplate = Template()\n"
            "rule = s3.LifecycleRule(Id='x')\n"
            "lifecycle = s3.LifecycleConfiguration(Rules=[rule])\n"
            "template.add_resource(s3.Bucket('B', LifecycleConfiguration=lifecycle))\n",
            "net.py: B (LifecycleRule): property Status is missing; it needs Status",
        ),
    ],
)
def test_errors_in_python_are_reported_in_the_words_of_their_author(
    project: Project, text: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("shop.yaml", CONFIG.format(template="net.py"))
    project.write("net.py", text)
    project.write("inner.py", "\n{}['x']\n")

    said = project.wrong()

    assert said.startswith("shop.yaml:4: stack_sets.net: ")
    assert problem in said
    assert "\n" not in said and "site-packages" not in said
    # Troposphere's own message is suppressed.
    assert capsys.readouterr().err == ""


def test_what_their_code_prints_is_seen(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("shop.yaml", CONFIG.format(template="net.py"))
    project.write(
        "net.py",
        "import sys\nfrom troposphere import sqs\nprint('mine', file=sys.stderr)\n"
        "sqs.Queue('Work', DelaySeconds='x')\n",
    )

    project.wrong()

    assert capsys.readouterr().err == "mine\n"


# Blueprints of one's own ------------------------------------------------------------------

OWN = """\
from pydantic import BaseModel, ConfigDict
from troposphere import Ref, Template, sns

from tapgen.blocks import frame, names
from tapgen.blueprints.parts import Part, assemble

CODE = "own"
ROLES = ("primary", "dr")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    display: str = "hello"


def build(config):
    t = frame.start("own", role="every")
    name = names.sub(names.name(CODE, "t", names.THIS_ROLE))
    t.add_resource(sns.Topic("T", TopicName=name, DisplayName=config.settings.display))
    frame.output(t, "Arn", Ref("T"), description="it")
    return assemble(config, [Part("topics", "every", t, ("Arn",))])
"""
OWN_CONFIG = """\
blueprint: ./own.py:build
suffix: prod
regions: {primary: us-east-1, dr: us-west-2}
"""


def test_a_blueprint_may_be_a_function_in_a_file(project: Project) -> None:
    project.write("shop.yaml", OWN_CONFIG + "settings: {display: hi}\n")
    project.write("own.py", OWN)

    system = project.build()

    assert system.blueprint == "./own.py:build"
    (topics,) = system.stack_sets
    assert topics.targets == (Target("self", "us-east-1"), Target("self", "us-west-2"))
    assert '"DisplayName": "hi"' in topics.template


def test_a_blueprint_may_be_an_object_in_a_file_and_the_name_left_out(
    project: Project,
) -> None:
    project.write("shop.yaml", OWN_CONFIG.replace(":build", ""))
    text = OWN.replace("def build", "def make") + (
        "from tapgen.config import Blueprint\n"
        "BLUEPRINT = Blueprint('x', CODE, ROLES, Settings, make)\n"
    )
    project.write("own.py", text)

    assert project.build().blueprint == "./own.py"


def test_the_settings_of_a_blueprint_are_checked_like_any(project: Project) -> None:
    project.write("shop.yaml", OWN_CONFIG + "settings: {dsplay: x}\n")
    project.write("own.py", OWN)

    said = project.wrong(ConfigError)

    assert said == (
        "shop.yaml:4: settings.dsplay: unknown key; allowed: display; did you mean "
        "'display'?"
    )


@pytest.mark.parametrize(
    ("was", "becomes", "problem"),
    [
        (
            '"t", names',
            "u, names",
            "own.py:18 in build(): shop: NameError: name 'u' is",
        ),
        (
            "TopicName=",
            "TopicNme=",
            "own.py:19 in build(): shop: T (AWS::SNS::Topic): th",
        ),
        ("return assemble", "assemble", "build returned NoneType; return a System"),
        (
            '("Arn",)',
            "()",
            "shop: topics: output Arn is only in the template of the part",
        ),
        (
            "display)",
            "display, Subscription=[sns.Subscription()])",
            "shop: topics: T (Subscription): property Endpoint is missing; it needs",
        ),
    ],
)
def test_an_error_in_a_blueprint_is_reported_with_its_line(
    project: Project, was: str, becomes: str, problem: str
) -> None:
    project.write("shop.yaml", OWN_CONFIG)
    assert was in OWN
    project.write("own.py", OWN.replace(was, becomes))

    said = project.wrong()

    assert problem in said, said
    assert "site-packages" not in said and "\n" not in said


LAZY = """\
from functools import partial

from troposphere import Ref, Template, sns

from tapgen.blocks import frame
from tapgen.blueprints.parts import Part, assemble

ROLES = ("primary", "dr")


def topics(text):
    t = frame.start("own", role="every")
    t.add_resource(sns.Topic("T", DisplayName=text))
    return t


def build(config):
    parts = (Part(n, "every", partial(topics, text=n), ()) for n in ("one", "two"))
    return assemble(config, parts)
"""


@pytest.mark.parametrize(
    ("was", "becomes", "problem"),
    [
        (
            "DisplayName=text",
            "DisplyName=text",
            "own.py:13 in topics(): shop: one: T (AWS::SNS::Topic): there is no property "
            "DisplyName; it takes ",
        ),
        (
            "DisplayName=text",
            "DisplayName=None if text == 'two' else text",
            "own.py:13 in topics(): shop: two: T (AWS::SNS::Topic): DisplayName is None, "
            "NoneType; it takes str",
        ),
        (
            'sns.Topic("T", DisplayName=text)',
            'sns.SubscriptionResource("S")',
            "own.py: shop: one: S (AWS::SNS::Subscription): property Protocol is missing;"
            " it needs Protocol, TopicArn",
        ),
        (
            "    return t\n",
            "",
            "shop: one: returns NoneType; return a troposphere.Template",
        ),
        (
            "    t.add_resource(",
            "    t.add_resource(x)(",
            "own.py:13 in topics(): shop: one: NameError: name 'x' is not defined",
        ),
    ],
)
def test_an_error_in_the_function_of_a_part_names_its_stack_set(
    project: Project, was: str, becomes: str, problem: str
) -> None:
    project.write("shop.yaml", OWN_CONFIG)
    project.write("own.py", LAZY)
    assert [s.part for s in project.build().stack_sets] == ["one", "two"]
    assert was in LAZY
    project.write("own.py", LAZY.replace(was, becomes))

    said = project.wrong()

    assert problem in said, said
    assert "site-packages" not in said and "\n" not in said


@pytest.mark.parametrize(
    ("reference", "text", "problem"),
    [
        ("./no.py:build", "", "no.py does not exist; give the path of a Python file"),
        ("./own.py:biuld", OWN, "own.py: has no biuld; did you mean 'build'?"),
        ("./own.py:CODE", OWN, "own.py: str is not a blueprint; name a function build"),
        ("./own.py:build", "x = y\n", "own.py:1: NameError: name 'y' is not defined"),
        (
            "./own.py:build",
            OWN.replace('("primary", "dr")', '"primary"'),
            "own.py: ROLES is a str; give a tuple",
        ),
        (
            "./own.py:build",
            OWN.replace("Settings(BaseModel)", "Settings"),
            "own.py: Settings is not a pydantic.BaseModel",
        ),
        ("custm", "", "'custm' is not a blueprint; give custom, "),
        ("custm", "", "did you mean 'custom'?"),
    ],
)
def test_a_blueprint_that_cannot_be_had_is_a_mistake_of_the_config(
    project: Project, reference: str, text: str, problem: str
) -> None:
    project.write("shop.yaml", OWN_CONFIG.replace("./own.py:build", reference))
    project.write("own.py", text)

    said = project.wrong(ConfigError)

    assert said.startswith("shop.yaml:1: blueprint: ")
    assert problem in said, said


def install(project: Project, *lines: str) -> None:
    """A package with entry points, as an installer leaves it on the path."""
    project.write(
        "site/own-1.0.dist-info/entry_points.txt",
        "\n".join(["[tapgen.blueprints]", *lines]),
    )
    project.write("site/own-1.0.dist-info/METADATA", "Name: own\nVersion: 1.0\n")
    sys.path.append(str(project.folder / "site"))


def test_installed_packages_offer_blueprints_by_entry_points(project: Project) -> None:
    project.write("shop.yaml", OWN_CONFIG.replace("./own.py:build", "own_topics"))
    project.write("site/own_topics_package.py", OWN)
    install(project, "own_topics = own_topics_package:build")

    assert "own_topics" in blueprints.names()
    assert project.build().blueprint == "own_topics"
    assert blueprints.find("nobody_offers_this") is None


def test_an_entry_point_that_cannot_be_loaded_is_reported(project: Project) -> None:
    project.write("shop.yaml", OWN_CONFIG.replace("./own.py:build", "own_broken"))
    install(project, "own_broken = no_such_package_at_all:build")

    said = project.wrong(ConfigError)

    assert "entry point own_broken = no_such_package_at_all:build" in said
    assert "ModuleNotFoundError" in said


def test_files_of_two_systems_may_have_the_same_names(project: Project) -> None:
    project.write(
        "shop.yaml",
        CONFIG.format(template="a/net.py") + """\
  other: {template: b/net.py, regions: [us-east-1]}
""",
    )
    for folder, cidr in (("a", "10.1.0.0/16"), ("b", "10.2.0.0/16")):
        project.write(f"{folder}/net.py", "from inner import template\n")
        project.write(f"{folder}/inner.py", PYTHON.replace("10.0.0.0/16", cidr))

    one, two = project.build().stack_sets

    assert "10.1.0.0/16" in one.template and "10.2.0.0/16" in two.template
