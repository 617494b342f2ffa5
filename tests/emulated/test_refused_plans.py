"""Refused plans from the command line: shown as a whole, and allowed by exact names."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.emulated.test_cli import Shell

SHOP = """\
blueprint: custom
suffix: test
regions: {main: us-east-1}
stack_sets:
  cache: {template: queue.yaml, parameters: {Name: cache-1}}
  orders: {template: queue.yaml, parameters: {Name: orders-1}}
  data: {template: table.yaml}
"""
QUEUE = """\
Parameters: {Name: {Type: String}}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties: {QueueName: !Ref Name}
"""
TABLE = """\
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      DeletionProtectionEnabled: true
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("shop"))
    described(shell)
    shell.run("rollout", "shop", "--local", "--yes")
    yield shell
    shell.run("local", "stop")


@pytest.fixture
def shop(deployed: Shell) -> Shell:
    """A shop that is rolled out, of which no test takes anything away."""
    described(deployed)
    return deployed


def described(shell: Shell) -> None:
    path = shell.config(SHOP, "shop")
    (path.parent / "queue.yaml").write_text(QUEUE)
    (path.parent / "table.yaml").write_text(TABLE)


def test_a_refused_plan_is_whole_and_allowed_by_exact_names(shop: Shell) -> None:
    less = SHOP.replace("cache-1", "cache-2").replace("orders-1", "orders-2")
    less = less.replace("  data: {template: table.yaml}\n", "")
    shop.config(less, "shop")
    planned = ("plan", "shop", "--local")

    refused = shop.run(*planned, expect=1)
    for part in ("shop-test-cache", "shop-test-orders", "shop-test-data"):
        assert part in refused.stdout
        assert f"refused: {part}" in refused.stderr
    assert "deletion protection is on" in refused.stderr
    assert "then delete" not in refused.stderr
    own = shop.folder / "policy"
    own.mkdir()
    (own / "own.guard").write_text(
        "rule west { Metadata.tapgen.Region == 'w' <<no>> }\n"
    )
    form = ("--output", "json", "--policy", "policy", "--out", "p.json")
    found = json.loads(shop.run(*planned, *form, expect=1).stdout)
    assert len(found["refusals"]) == 4 and found["waves"]
    assert {one["rule"] for one in found["policy"]} == {"west"}
    assert not (shop.folder / "p.json").exists()
    rolled = shop.run("rollout", "shop", "--local", "--yes", *form[2:4], expect=1)
    assert "policy policy is not met" in rolled.stderr

    def allowing(*names: str, expect: int) -> str:
        given = [word for name in names for word in ("--allow-replacement", name)]
        return shop.run(*planned, *given, expect=expect).stderr

    one = allowing("cache.Queue", expect=1)
    assert "refused: shop-test-cache" not in one and "refused: shop-test-orders" in one
    assert "cache.Queue or orders.Queue" in allowing("Queue", expect=64)
    assert "it has cache.Queue, data, " in allowing("Qeue", expect=64)
    rest = allowing("cache.Queue", "orders.Queue", "data", expect=1)
    assert [line for line in rest.splitlines() if "refused" in line] == [
        line for line in rest.splitlines() if "deletion protection is on" in line
    ]


def test_a_protected_system_shows_what_destroying_it_would_delete(shop: Shell) -> None:
    refused = shop.run("destroy", "shop", "--local", "--yes", expect=1)

    assert "shop-test-orders" in refused.stdout
    (line,) = [one for one in refused.stderr.splitlines() if "refused" in one]
    assert "Table in 000000000000/us-east-1" in line and "then delete" in line
    found = shop.run(
        "destroy", "shop", "--local", "--yes", "--output", "json", expect=1
    )
    data = json.loads(found.stdout)
    assert data["outcome"] is None and len(data["plan"]["refusals"]) == 1
    assert "CURRENT" in shop.run("status", "shop", "--local").stdout


def test_words_alone_are_recorded_with_the_next_change(shop: Shell) -> None:
    template = shop.folder / "stacksets" / "queue.yaml"
    template.write_text(f"Description: Queues\n{QUEUE}")

    planned = shop.run("plan", "shop", "--local")
    assert "recorded with the next change: cache (Description)" in planned.stdout
    more = QUEUE + "Outputs: {Url: {Value: !Ref Queue}}\n"
    template.write_text(f"Description: Queues\n{more}")
    shop.run("rollout", "shop", "--local", "--yes")
    assert "recorded" not in shop.run("plan", "shop", "--local").stdout
