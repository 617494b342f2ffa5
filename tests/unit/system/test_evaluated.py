"""Templates as each target gets them."""

from __future__ import annotations

import json
from typing import Any

from tapgen.system import evaluated
from tests.rules import examples

SYSTEM = """\
network:
  regions: [us-east-1, eu-west-1]
  template:
    Resources:
      Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
    Outputs:
      Id: {Value: !Ref Vpc}
      Where: {Value: !Sub '${AWS::Region}-a'}
app:
  regions: [us-east-1, eu-west-1]
  parameters:
    VpcId: {output: network.Id}
    Where: {output: network.Where}
    Days: 7
    Secret: s3cret
  overrides: [{region: eu-west-1, parameters: {Days: 30}}]
  template:
    Parameters:
      VpcId: {Type: String, Default: vpc-0}
      Where: {Type: String}
      Days: {Type: Number}
      Secret: {Type: String, NoEcho: true, Default: hidden}
      Image: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /image}
    Mappings: {Sizes: {us-east-1: {Size: large}, eu-west-1: {Size: small}}}
    Conditions:
      Home: !Equals [!Ref AWS::Region, us-east-1]
      Chosen: !Equals [!Ref VpcId, vpc-1]
      Both: !And [!Condition Home, !Condition Chosen]
    Resources:
      Log:
        Type: AWS::Logs::LogGroup
        Condition: Home
        Metadata: {checkov: {skip: [{id: CKV_AWS_158, comment: no data}]}}
        Properties: {RetentionInDays: !Ref Days}
      Disk:
        Type: AWS::EC2::LaunchTemplate
        Properties:
          LaunchTemplateData:
            UserData: '7'
            BlockDeviceMappings: [{Ebs: {VolumeSize: !Ref Days, Encrypted: 'true'}}]
      One:
        Type: AWS::SSM::Parameter
        Condition: Both
        Properties:
          Type: String
          Name: !Sub '${Where}/${VpcId}'
          Value: !FindInMap [Sizes, !Ref AWS::Region, Size]
          Description: !If [Home, !Ref Secret, !Ref Image]
    Outputs:
      Days: {Value: !Ref Days, Condition: Home, Export: {Name: !Sub '${AWS::Region}-d'}}
"""


def built() -> dict[str, Any]:
    texts = evaluated.files(examples.system(SYSTEM))
    return {path: json.loads(text) for path, text in texts.items()}


def test_each_target_has_a_template_of_its_own() -> None:
    assert sorted(built()) == [
        f"example/dev/{part}/{examples.ACCOUNT}.{region}.json"
        for part in ("app", "network")
        for region in ("eu-west-1", "us-east-1")
    ]


def test_what_is_known_is_filled_in() -> None:
    found = built()
    here = found[f"example/dev/app/{examples.ACCOUNT}.us-east-1.json"]
    away = found[f"example/dev/app/{examples.ACCOUNT}.eu-west-1.json"]

    log = here["Resources"]["Log"]
    assert log["Properties"] == {"RetentionInDays": 7} and "Condition" not in log
    assert here["Resources"]["Disk"]["Properties"]["LaunchTemplateData"] == {
        "UserData": "7",
        "BlockDeviceMappings": [{"Ebs": {"VolumeSize": 7, "Encrypted": True}}],
    }
    assert log["Metadata"]["checkov"]["skip"]
    assert "Log" not in away["Resources"] and "One" not in away["Resources"]
    assert here["Resources"]["One"]["Properties"]["Value"] == "large"
    assert here["Resources"]["One"]["Properties"]["Name"] == {
        "Fn::Sub": "us-east-1-a/${VpcId}"
    }
    assert here["Outputs"] == {
        "Days": {"Value": "7", "Export": {"Name": "us-east-1-d"}}
    }
    assert "Mappings" not in here and "Conditions" not in away


def test_what_only_aws_knows_stays_as_written() -> None:
    here = built()[f"example/dev/app/{examples.ACCOUNT}.us-east-1.json"]

    one = here["Resources"]["One"]
    assert one["Condition"] == "Both"
    assert one["Properties"]["Description"] == {"Ref": "Secret"}
    assert here["Parameters"] == {
        "VpcId": {"Type": "String"},
        "Secret": {"Type": "String", "NoEcho": True},
    }
    assert here["Conditions"]["Both"] == {
        "Fn::And": [
            {"Fn::Equals": ["true", "true"]},
            {"Fn::Equals": [{"Ref": "VpcId"}, "vpc-1"]},
        ]
    }


def test_no_secret_is_written() -> None:
    text = json.dumps(built())

    assert "s3cret" not in text and "hidden" not in text
