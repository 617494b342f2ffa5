"""Which artifacts the buckets lack that templates read them from.

The key is the hash of the content, so an object that exists is never written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.session import Aws
from tapgen.errors import AwsError, Unreachable
from tapgen.model import Artifact, System, Upload
from tapgen.rollout.calls import Content
from tapgen.rollout.fold import State
from tapgen.rollout.program import Kind
from tapgen.rollout.runner import no_artifact
from tapgen.system.artifacts import content


def missing(aws: Aws, wanted: Iterable[Upload]) -> tuple[Upload, ...]:
    """Return the uploads whose object does not exist, or whose bucket cannot be read, as
    before bootstrap. Raises Unreachable when AWS does not answer."""

    def is_there(upload: Upload) -> bool:
        try:
            return ArtifactBucket(aws, upload.target).has(upload.artifact.key)
        except Unreachable:
            raise
        except AwsError:
            return False

    every = list(wanted)
    with ThreadPoolExecutor(8) as pool:
        there = list(pool.map(is_there, every))
    return tuple(u for u, known in zip(every, there, strict=True) if not known)


def upload(aws: Aws, one: Upload) -> None:
    """Upload an artifact to its bucket; TemplateError where its file has changed."""
    bucket, kind = ArtifactBucket(aws, one.target), "application/octet-stream"
    bucket.put(one.artifact.key, content(one.artifact), kind=kind)


def of(system: System) -> dict[str, Artifact]:
    """Return the artifacts of a system that this machine has, by key."""
    return {a.key: a for s in system.stack_sets for a in s.artifacts.values()}


def finish(aws: Aws, state: State, known: Mapping[str, Artifact]) -> None:
    """Upload the artifacts that an open run still has to upload; TemplateError for one that
    is not `known` here. Its steps then find them there."""
    wanted = contents(known)
    for id, step in state.program.steps.items():
        progress = state.progress.get(id)
        if step.kind is not Kind.UPLOAD or (progress and progress.finished):
            continue
        for call in step.calls:
            for target in call.targets or ():
                bucket = ArtifactBucket(aws, target)
                if not bucket.has(call.key):
                    kind = "application/octet-stream"
                    bucket.put(call.key, wanted(call.key), kind=kind)


def contents(known: Mapping[str, Artifact]) -> Content:
    """Return the function that returns the bytes of an artifact by its key; it raises
    TemplateError for one that is not `known` here."""
    return lambda key: content(known[key]) if key in known else no_artifact(key)
