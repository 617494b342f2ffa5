"""Where runs are recorded is read from files with mistakes, and never guessed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tapgen import blueprints, config
from tapgen.config import place
from tapgen.model import System, Target

ROOT = Path(__file__).parents[3]

PAYMENTS = """\
blueprint: payments_dr
suffix: prod
regions: {primary: us-east-1, dr: us-west-2}
admin: {account: "111111111111", region: us-east-2}
settings: {vpc_cidr: 10.0.0.0/16, dr_vpc_cidr: 10.1.0.0/16}
environments: {staging: {suffix: stg, regions: {dr: eu-west-1}}}
"""
OWN = """\
blueprint: custom
suffix: prod
stack_sets: {app: {template: app.yaml, regions: [eu-west-1, us-east-1]}}
"""


def read(folder: Path, text: str, environment: str | None = None) -> System | None:
    path = folder / "a_system.yaml"
    path.write_text(text)
    return place.read(path, partial(blueprints.find, folder=folder), environment)


def test_a_file_without_a_mistake_says_the_same_place() -> None:
    for path in (ROOT / "stacksets").glob("*.yaml"):
        find = partial(blueprints.find, folder=path.parent)
        for environment, whole in config.load_all(path, find).items():
            found = place.read(path, find, environment)
            assert found is not None, path
            for fact in ("suffix", "admin", "delegated"):
                assert getattr(found, fact) == getattr(whole, fact), path
            assert dict(found.regions).items() <= dict(whole.regions).items()


@pytest.mark.parametrize(
    "old, new",
    [
        ("settings: {", "settings: {colour: red, "),
        ("payments_dr", "payment_dr"),
        ("payments_dr", "./missing.py:build"),
        ("environments", "tagz: {}\nenvironments"),
        ("environments", "rollout: {gates: [1], order: [nowhere]}\nenvironments"),
        ("stg", "prod"),
        ("eu-west-1", "nowhere"),
    ],
)
def test_a_mistake_elsewhere_does_not_matter(
    tmp_path: Path, old: str, new: str
) -> None:
    found = read(tmp_path, PAYMENTS.replace(old, new))

    assert found is not None and found.prefix == "a-system-prod"
    assert found.admin == Target("111111111111", "us-east-2")
    assert [t.region for t in found.journal_copies] == ["us-east-1", "us-west-2"]


def test_an_environment_has_its_own_place(tmp_path: Path) -> None:
    found = read(tmp_path, PAYMENTS.replace("vpc_cidr", "vpc_sidr", 1), "staging")

    assert found is not None and found.prefix == "a-system-stg"
    assert [t.region for t in found.journal_copies] == ["eu-west-1", "us-east-1"]
    assert read(tmp_path, PAYMENTS, "missing") is None


def test_a_system_without_roles_is_administered_at_its_first_target(
    tmp_path: Path,
) -> None:
    wrong = OWN.replace("regions", "paramters: {A: b}, regions")
    for text in (OWN, wrong):  # the template is missing, too
        found = read(tmp_path, text)
        assert found is not None and found.admin == Target("self", "eu-west-1")
    assert read(tmp_path, OWN.replace("regions", "regons")) is None
    assert read(tmp_path, OWN.replace("eu-west-1", "nowhere")) is None


@pytest.mark.parametrize(
    "old, new",
    [
        ("suffix: prod", "sufix: prod"),
        ("suffix: prod", "suffix: prod\nsuffix: other"),
        ("suffix: prod", "suffix: Not-one"),
        ("dr: us-west-2", "dr: us-west-22"),
        ("dr: us-west-2", "dr: us-east-1"),
        ("dr: us-west-2", "rd: us-west-2"),
        ("admin:", "admim:"),
        ("region: us-east-2", "region: us-esat-2"),
        ("region: us-east-2", "regin: us-east-2"),
        ('"111111111111"', "111111111111"),
        ("blueprint:", " blueprint:"),
        ("payments_dr", "./missing.py:build"),
        (PAYMENTS, ""),
    ],
)
def test_a_mistake_about_the_place_gives_none(
    tmp_path: Path, old: str, new: str
) -> None:
    text = PAYMENTS
    if "missing.py" in new:  # whose first role administers, where the file does not say
        text = text.replace("admin:", "tags:")
    assert read(tmp_path, text.replace(old, new)) is None
