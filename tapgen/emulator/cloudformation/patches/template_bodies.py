"""Template bodies: every form of an S3 address, signed links, and the size limit.

ministack takes the first part of the path as the bucket, whatever the host, and reads
every object as the caller. On AWS an object behind a signed link is read as its signer.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)
from tapgen.emulator.cloudformation.template_checks import path_style, signer_of

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.core.responses": {"request_scope": ("account_id", "region")},
    f"{CFN}.helpers": {
        "_p": ("params", "key", "default"),
        "_resolve_document": ("params", "body_key", "url_key", "label"),
        "_template_body_problem": ("body",),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

_large_bodies: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "tapgen_large_bodies", default=False
)


def apply() -> None:
    """Read templates from any address of S3; let `large_bodies` raise the limit."""

    def document(original: Any) -> Any:
        def resolve(
            params: Mapping[str, Any], body_key: str, url_key: str, label: str
        ) -> Any:
            url = loaded(f"{CFN}.helpers")._p(params, url_key)
            if url:
                params = {**params, url_key: [path_style(url)]}
            signer = signer_of(url)
            if signer is None:
                return original(params, body_key, url_key, label)
            scope = loaded("ministack.core.responses").request_scope
            with scope(*signer):
                return original(params, body_key, url_key, label)

        return resolve

    def limit(original: Any) -> Any:
        def problem(body: str) -> str | None:
            if _large_bodies.get() and len(body.encode()) <= 1_000_000:
                return None
            found: str | None = original(body)
            return found

        return problem

    replace_everywhere("_resolve_document", document)
    replace_everywhere("_template_body_problem", limit)


@contextmanager
def large_bodies() -> Iterator[None]:
    """Allow template bodies of up to 1 MB inline, within the block.

    StackSets passes on templates that it got by URL; a caller of CloudFormation has to
    use TemplateURL above 51,200 bytes.
    """
    token = _large_bodies.set(True)
    try:
        yield
    finally:
        _large_bodies.reset(token)
