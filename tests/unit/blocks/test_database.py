"""PostgreSQL and what may read its secret."""

from __future__ import annotations

from troposphere import Ref, Template, encode_to_dict

from tapgen.blocks import database, names


def test_the_parameter_group_follows_the_major_version() -> None:
    t = Template()
    database.place(
        t,
        identifier="sn-x",
        name="sn-x",
        parameter_group_name="sn-postgres${Major}",
        key_arn=Ref("Key"),
        retention_days=30,
    )
    group = t.to_dict()["Resources"]["ParameterGroup"]["Properties"]
    for key in ("DBParameterGroupName", "Family"):
        text, values = group[key]["Fn::Sub"]
        assert text.endswith("postgres${Major}")
        select = values["Major"]["Fn::Select"]
        assert select == [0, {"Fn::Split": [".", {"Ref": "PostgresVersion"}]}]
    assert group["Parameters"]["rds.force_ssl"] == "1"


def test_the_secret_is_found_by_name_and_its_six_random_characters() -> None:
    name = names.name("sn", "db-owner", "primary")
    read, decrypt = (
        encode_to_dict(s)
        for s in database.read_secret(name, region="us-east-1", key_arn=Ref("Key"))
    )
    (arn,) = read["Resource"]
    assert arn["Fn::Sub"].endswith(f":secret:{name}-??????")
    assert decrypt["Condition"]["StringEquals"]["kms:ViaService"] == {
        "Fn::Sub": "secretsmanager.us-east-1.${AWS::URLSuffix}"
    }
