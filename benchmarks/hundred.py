"""A hundred templates in one `tapgen templates`, and as a hundred scripts.

Both sides get the very same Python files, each with a Troposphere template. The peer
runs each file in a process of its own, which builds its template and writes it, and
does nothing else. Ours reads all of them in one process as the stack sets of a `custom`
config, checks them and what they take, and also writes the manifest and the roles.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

NUMBER = 100

_FILE = """\
import sys

from troposphere import GetAtt, Output, Parameter, Ref, Sub, Template, cloudwatch, sqs

template = Template(Description="queue {number}")
template.set_version("2010-09-09")
days = template.add_parameter(Parameter("Days", Type="Number", Default="4"))
dead = template.add_resource(
    sqs.Queue("Dead", SqsManagedSseEnabled=True, MessageRetentionPeriod=1209600)
)
jobs = template.add_resource(
    sqs.Queue(
        "Jobs",
        SqsManagedSseEnabled=True,
        VisibilityTimeout={number},
        RedrivePolicy=sqs.RedrivePolicy(
            deadLetterTargetArn=GetAtt(dead, "Arn"), maxReceiveCount=5
        ),
    )
)
template.add_resource(
    cloudwatch.Alarm(
        "Failed",
        AlarmDescription=Sub("Jobs failed in ${{AWS::Region}}"),
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[
            cloudwatch.MetricDimension(Name="QueueName", Value=GetAtt(dead, "QueueName"))
        ],
        Statistic="Maximum",
        ComparisonOperator="GreaterThanThreshold",
        Threshold=0,
        Period=300,
        EvaluationPeriods=1,
    )
)
template.add_output(Output("JobsUrl", Value=Ref(jobs)))

if __name__ == "__main__":
    with open(sys.argv[1], "w") as file:
        file.write(template.to_json(indent=2) + "\\n")
"""


def write(folder: Path) -> None:
    """The hundred files, and a config that has them all."""
    lines = ["blueprint: custom", "suffix: dev", "regions: {main: us-east-1}"]
    lines.append("stack_sets:")
    for number in range(NUMBER):
        (folder / f"queue{number}.py").write_text(_FILE.format(number=number))
        lines.append(f"  queue{number}: {{template: queue{number}.py}}")
    (folder / "hundred.yaml").write_text("\n".join(lines) + "\n")


def ours(tapgen: Path, written: Path, folder: Path) -> Sequence[str]:
    """The command that makes them all at once."""
    options = ["--stacksets", str(written), "--to", str(folder)]
    return [str(tapgen), "templates", *options]


def peer(written: Path, folder: Path) -> Sequence[str]:
    """The command that makes each in a process of its own, one after the other."""
    each = f"{shlex.join([sys.executable])} {written}/queue$n.py {folder}/queue$n.json"
    return ["bash", "-ec", f"for n in {{0..{NUMBER - 1}}}; do {each}; done"]
