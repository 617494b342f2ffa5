"""The picture in README.md: `make picture` records it, nobody draws it.

A rollout of secure_network runs against an embedded AWS of its own, on the screen that
`tapgen rollout` has on a terminal. The recording stops in wave 7, where one stack
instance is being created, and what a terminal of `LINES` lines would show then is
exported as SVG.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from tapgen import blueprints, config, plan, rollout
from tapgen.accounts import bootstrap
from tapgen.aws import session
from tapgen.aws.stacksets import StackSets
from tapgen.cli.progress import LiveTable, VisibleConsole
from tapgen.emulator.server import lifecycle
from tapgen.plan import forecast
from tapgen.report import text
from tapgen.report.outlook import Outlook
from tapgen.rollout import Event
from tapgen.system import ownership
from tests.emulated.documents import ROOT

PICTURE = ROOT / "docs" / "rollout.svg"
CONFIG = ROOT / "stacksets" / "secure_network.yaml"
COMMAND = "tapgen rollout secure_network --local"
SERVE = [sys.executable, "-m", "tapgen", "local", "serve"]
ACCOUNT, REGION = "000000000000", "us-east-1"
LINES, COLUMNS = 44, 104

# The moment: these two are done, and this one is still being created.
READY = ("secure-network-prod-storage-dr", "secure-network-prod-audit")
BUSY = "secure-network-prod-network"
SLOW = {
    "effect": "delay",
    "seconds": 3600,  # or until the moment is there
    "match": {"region": REGION, "stack_set": BUSY, "type": "AWS::EC2::VPC"},
}
CELL = 12.2  # width of a character in rich's SVG
INDENTED = re.compile(
    r'x="(?P<x>[\d.]+)"(?P<y> y="[\d.]+" )textLength="(?P<length>[\d.]+)"'
    r"(?P<clip>[^>]*)>(?P<spaces>(?:&#160;)+)(?P<text>[^<]+)"
)
SECONDS = re.compile(
    r'x="[\d.]+"(?P<y> y="[\d.]+" )textLength="[\d.]+"(?P<clip>[^>]*)>\d+\.\d&#160;s'
)


def terminal() -> Console:
    """A console like that of a rollout on a terminal, which records what it prints."""
    return VisibleConsole(
        True,
        file=io.StringIO(),
        width=COLUMNS,
        color_system="truecolor",
        force_terminal=True,
        record=True,
    )


class Recorder(LiveTable):
    """A rollout's screen, which keeps the frame of one moment."""

    frame: tuple[str, ...] = ()

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        ready = {s for name in READY for s in self.statuses(name)} == {"SUCCEEDED"}
        if ready and "RUNNING" in self.statuses(BUSY) and not self.frame:
            self.out.print(self.table())
            self.frame = tuple(self.out.export_text(styles=True).splitlines()[-LINES:])

    def statuses(self, stack_set: str) -> set[str]:
        return {s for (name, _), s in self.cells.items() if name == stack_set}


def record(folder: Path) -> tuple[str, ...]:
    """Lines of the terminal at the moment of the picture, with ANSI styles.

    `folder` is empty, and becomes that of the embedded AWS.
    """
    server = lifecycle.start(folder, SERVE)
    try:
        lifecycle.add_faults(folder, SLOW)
        read = config.load(CONFIG, partial(blueprints.find, folder=CONFIG.parent))
        blueprint = blueprints.find(read.blueprint)
        assert blueprint is not None
        system = blueprint.build(read).resolve(ACCOUNT)
        aws = session.connect_local(server.url, REGION, ACCOUNT)
        sets = StackSets(aws, system.admin)
        bootstrap.run(aws, system, code=blueprint.code)
        the_plan = plan.make(system, ownership.observe(system, sets))
        out = terminal()
        out.print(text.plan(the_plan, outlook=Outlook(forecast.of(the_plan))))
        places = [(s.stack_set, t) for s in the_plan.steps for t in s.targets]
        screen = Recorder(out, places)

        def pictured() -> bool:
            if screen.frame:
                lifecycle.clear_faults(folder)
            return bool(screen.frame)

        rollout.run(
            the_plan,
            sets,
            screen,
            stopping=pictured,
            poll_seconds=(0.02, 0.1),
        )
    finally:
        lifecycle.stop(folder)
    assert screen.frame, "the moment of the picture never came"
    return screen.frame


def drawn(frame: Iterable[str]) -> str:
    """Lines of a terminal as SVG."""
    out = terminal()
    for line in frame:
        out.print(Text.from_ansi(line), soft_wrap=True)
    svg = out.export_svg(title=COMMAND, unique_id="rollout")
    # No font from elsewhere: a page that embeds the picture could not load it.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = INDENTED.sub(_indented, svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def _indented(found: re.Match[str]) -> str:
    """A piece of text without leading spaces, moved: some renderers collapse them."""
    x, length = float(found["x"]), float(found["length"])
    shift = CELL * (len(found["spaces"]) // len("&#160;"))
    place = f'x="{x + shift:g}"{found["y"]}textLength="{length - shift:g}"'
    return f'{place}{found["clip"]}>{found["text"]}'


def timeless(svg: str) -> str:
    """A picture without the seconds, which differ from run to run, and their place: ten
    of them begin further left than nine."""
    return SECONDS.sub(r"\g<y>\g<clip>", svg)


def words(svg: str) -> list[str]:
    """The lines of text of a picture, from the top."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        if element.text and (y := element.get("y")):
            piece = (float(element.get("x", 0)), element.text.replace("\xa0", " "))
            lines.setdefault(float(y), []).append(piece)
    return ["".join(t for _, t in sorted(lines[y])).rstrip() for y in sorted(lines)]


def main() -> None:
    """Record the picture; leave the file alone where only the seconds differ."""
    with tempfile.TemporaryDirectory() as folder:
        svg = drawn(record(Path(folder)))
    if not PICTURE.exists() or timeless(PICTURE.read_text()) != timeless(svg):
        PICTURE.write_text(svg)
        print(f"wrote {PICTURE.relative_to(ROOT)}")
    else:
        print(f"{PICTURE.relative_to(ROOT)} is up to date")


if __name__ == "__main__":
    main()
