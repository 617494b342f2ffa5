"""A page as HTML: the templates beside this file, filled.

The page allows itself no network: its policy names its own styles and script by their
hashes (https://www.w3.org/TR/CSP3/#grammardef-hash-source), and nothing else.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tapgen.model import Target
from tapgen.report import data, graph
from tapgen.report.control import visible
from tapgen.report.page import planned, run
from tapgen.report.page.content import Page
from tapgen.report.page.places import Places

_FOLDER = Path(__file__).parent


def html(page: Page) -> str:
    """Return a page that needs nothing else, and works without its script."""
    places = Places(_targets(page))
    style, script = _file("page.css"), _file("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            system=page.system,
            style=style,
            script=script,
            policy=_policy((style, graph.style()), script),
            places=places,
            picture=_picture(page),
            plan=_plan(page, places),
            run=run.shown(page.ran, places) if page.ran else None,
            drill=run.drilled(page.ran) if page.ran else None,
        )
    )


def _plan(page: Page, places: Places) -> dict[str, Any] | None:
    if page.planned is None:
        return None
    waves = planned.waves(page.planned.plan, places)
    return {
        "summary": planned.summary(page.planned, places),
        "waves": waves,
        "kinds": planned.kinds(waves),
        "parts": list(dict.fromkeys(s.part for w in waves for s in w.steps)),
    }


def _picture(page: Page) -> Markup | None:
    """The topology, with the marks of the plan; every text in it is escaped."""
    if page.topology is None:
        return None
    one = page.planned
    marked = data.plan(one.plan, one.allowed) if one else None
    return Markup(visible(graph.svg(page.topology, marked)))


def _targets(page: Page) -> list[Target]:
    """Every target that a page names."""
    plan = page.planned.plan if page.planned else None
    found = [t for step in plan.steps for t in step.targets] if plan else []
    found += run.targets(page.ran) if page.ran else []
    return [*found, *(t for s in page.system.stack_sets for t in s.targets)]


def _policy(styles: Iterable[str], script: str) -> str:
    return (
        f"default-src 'none'; style-src {' '.join(map(_hash, styles))}; "
        f"script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = sha256(text.encode()).digest()
    return f"'sha256-{b64encode(digest).decode()}'"


@cache
def _file(name: str) -> Markup:
    return Markup((_FOLDER / name).read_text())


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: Any) -> Any:
    """A value with control characters visible; what is HTML already stays as it is."""
    return value if isinstance(value, Markup) else visible(str(value))
