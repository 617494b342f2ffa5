"""Plans, runs and drills as one HTML page that needs nothing else.

`content` is what a page is made of, `planned` and `run` turn that into what the
templates beside them show, `rendering` fills the templates. Every text is escaped, by
Jinja2 and by `report.control`. Begin reading at `rendering.html`.
"""

from tapgen.report.page.content import Page, Planned
from tapgen.report.page.rendering import html

__all__ = ["Page", "Planned", "html"]
