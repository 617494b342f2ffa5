"""Sceptre launches, compares and deletes a group of stacks."""

from __future__ import annotations

import json

from tests.clients.conftest import Install, Shell

QUEUE = {
    "Parameters": {"Seconds": {"Type": "String"}, "Topic": {"Type": "String"}},
    "Resources": {
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}},
        }
    },
    "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
}
TOPIC = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"Arn": {"Value": {"Ref": "Topic"}}},
}
USES = "{path: queue.json, type: file}"


def test_sceptre(shell: Shell, python_package: Install) -> None:
    command = python_package("sceptre==4.7.0") / "sceptre"
    project = shell.folder
    for name, body in {"queue": QUEUE, "topic": TOPIC}.items():
        (project / "templates").mkdir(exist_ok=True)
        (project / "templates" / f"{name}.json").write_text(json.dumps(body))
    (project / "config" / "dev").mkdir(parents=True)
    (project / "config" / "config.yaml").write_text(
        "project_code: shop\nregion: us-east-1\n"
    )
    (project / "config" / "dev" / "topic.yaml").write_text(
        "template: {path: topic.json, type: file}\n"
    )

    def configure(seconds: int) -> None:
        (project / "config" / "dev" / "queue.yaml").write_text(
            f"template: {USES}\nparameters:\n  Seconds: '{seconds}'\n"
            "  Topic: !stack_output dev/topic.yaml::Arn\n"
        )

    configure(30)
    shell.run(command, "launch", "-y", "dev")
    assert shell.stacks() == {"shop-dev-queue", "shop-dev-topic"}
    assert shell.outputs("shop-dev-queue")["Topic"].startswith("arn:aws:sns:")
    assert "No difference" in shell.run(command, "diff", "dev")

    configure(60)
    shown = shell.run(command, "diff", "dev/queue.yaml")
    assert "30" in shown and "60" in shown
    shell.run(command, "launch", "-y", "dev")
    [url] = shell.client("sqs").list_queues()["QueueUrls"]
    found = shell.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["VisibilityTimeout"]
    )
    assert found["Attributes"] == {"VisibilityTimeout": "60"}

    shell.run(command, "delete", "-y", "dev")
    assert shell.stacks() == set()
