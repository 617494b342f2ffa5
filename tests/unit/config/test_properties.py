"""Whatever a file holds: a Config or a ConfigError, in bounded time, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from tapgen import config
from tapgen.config import Blueprint, Config
from tapgen.errors import ConfigError
from tapgen.template import schemas


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 1
    name: str = ""


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    profile: Literal["minimal", "ideal"] = "ideal"
    one: Inner | None = None
    many: list[Inner | int] = []
    named: dict[str, Inner] = {}


def build(_: Config) -> Any:
    raise AssertionError("loading a config builds nothing")


NETWORK = Blueprint("secure_network", "sn", ("primary", "dr"), Settings, build)

# Many short runs on one file; the file's own state never matters.
often = settings(
    max_examples=1000 if "TAPGEN_SOAK" in os.environ else 70,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "payments.yaml"


def outcome(file: Path, content: bytes) -> Config | list[str]:
    """The config, or the problems; any other exception fails the test."""
    file.write_bytes(content)
    try:
        return config.load(file, {"secure_network": NETWORK}.get, None, ["a", "b"])
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.startswith(f"{file}:")
            assert len(problem.splitlines()) == 1
            problem.encode()  # it can be printed
        return list(error.problems)


@often
@given(st.binary(max_size=200))
@example(b"\xff")
def test_any_bytes_give_a_config_or_its_problems(file: Path, content: bytes) -> None:
    outcome(file, content)


YAML = st.text(
    st.sampled_from("abz019 :-?[]{},#&*!|>'\"%@`\n\t\\~<=._/éu\ud7ff\U0001f600"),
    max_size=80,
)


@often
@given(YAML)
@example('"\\UFFFFFFFF"')
@example('a: "\\ud800"')
@example("{? [a]: b}")
@example("a: !<%> x")
@example("%YAML 9.9\n---\na: 1")
@example("a: &a\n- *a")
@example("0x" + "f" * 5000)
@example("a: " + "9" * 5000)
@example("a:\n" + "  ? " * 500)
@example("a: 1e999999")
def test_any_text_gives_a_config_or_its_problems(file: Path, text: str) -> None:
    outcome(file, text.encode())


KEYS = st.sampled_from(
    "blueprint suffix regions accounts admin settings tags account_baseline rollout "
    "environments permission_model account region primary dr strategy preferences order "
    "on_failure gates approve after max_concurrent_count profile one many named size name".split()
) | st.text(max_size=5)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from("secure_network prod us-east-1 us-east-2 self safe dr".split())
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)
VALID: dict[str, Any] = {
    "blueprint": "secure_network",
    "suffix": "prod",
    "regions": {"primary": "us-east-1", "dr": "us-east-2"},
}


@often
@given(st.dictionaries(KEYS, TREES, max_size=5))
def test_any_values_under_any_keys_give_a_config_or_its_problems(
    file: Path, data: dict[str, Any]
) -> None:
    found = outcome(file, json.dumps({**VALID, **data}).encode())
    # A key that is unknown never goes through in silence.
    if isinstance(found, Config):
        assert set(data) <= {*VALID} | {
            "accounts",
            "admin",
            "settings",
            "tags",
            "account_baseline",
            "permission_model",
            "rollout",
            "environments",
        }


REGIONS = sorted(r for r in schemas.regions() if r.startswith(("us-e", "us-w", "eu-w")))


@often
@given(
    suffix=st.from_regex(r"\A[a-z][a-z0-9]{0,9}\Z"),
    regions=st.lists(st.sampled_from(REGIONS), min_size=2, max_size=2, unique=True),
    accounts=st.lists(st.from_regex(r"\A[0-9]{12}\Z"), min_size=1, unique=True),
    order=st.permutations(["primary", "dr"]),
    overlay=st.sampled_from(REGIONS),
)
def test_what_is_written_is_what_is_read(
    file: Path,
    suffix: str,
    regions: list[str],
    accounts: list[str],
    order: list[str],
    overlay: str,
) -> None:
    roles = dict(zip(("primary", "dr"), regions, strict=True))
    data = {
        "blueprint": "secure_network",
        "suffix": suffix,
        "regions": roles,
        "accounts": accounts,
        "rollout": {"order": order},
        "environments": {
            "other": {"suffix": f"{suffix}x", "admin": {"region": overlay}}
        },
    }
    found = outcome(file, json.dumps(data).encode())
    assert isinstance(found, Config), found
    assert found.suffix == suffix
    assert found.regions == roles
    assert found.accounts == tuple(accounts)
    assert found.rollout.order == tuple(roles[role] for role in order)
    assert found.admin.region == regions[0]
    other = config.load(file, {"secure_network": NETWORK}.get, "other")
    assert (other.suffix, other.admin.region) == (f"{suffix}x", overlay)
    assert other.regions == found.regions


ROWS = """\
blueprint: secure_network
suffix: prod
regions:
  primary: us-east-1
  dr: us-east-2
settings:
  profile: minimal
""".splitlines()


@often
@given(place=st.sampled_from([0, 1, 2, 5, 7]), key=st.from_regex(r"\Ax[a-z]{3,9}\Z"))
def test_an_unknown_key_is_reported_at_its_own_line(
    file: Path, place: int, key: str
) -> None:
    rows = [*ROWS[:place], f"{key}: 1", *ROWS[place:]]
    found = outcome(file, "\n".join(rows).encode())
    assert isinstance(found, list)
    (problem,) = found
    assert problem.startswith(f"{file}:{place + 1}: {key}: unknown key; allowed: ")


@often
@given(
    cut=st.integers(0, 200),
    length=st.integers(0, 20),
    text=YAML.map(lambda text: text[:6]),
)
def test_a_slip_of_the_hand_gives_a_config_or_its_problems(
    file: Path, cut: int, length: int, text: str
) -> None:
    whole = "\n".join(ROWS)
    outcome(file, (whole[:cut] + text + whole[cut + length :]).encode())
