"""The guides: Markdown files of the package that link to each other and to modules, and the HTML pages of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import jinja2
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import ConfigError

PACKAGE = "lightning_nas"

FOLDER = Path(__file__).resolve().parents[2] / "guide"
"""Of the package, where the guides are."""

FIRST = "README.md"
"""The guide that lists the others: a host of repositories shows it as the page of the folder."""

REFERENCE = "reference"
"""Folder of the pages about modules, beside those of the guides."""

TEMPLATE = Path(__file__).with_name("guide.html")


@dataclass(frozen=True)
class Guide:
    """One guide.

    Args:
        file: Where it is.
        title: Its first heading.
        tokens: Its content, with an ``id`` on every heading.
    """

    file: Path
    title: str
    tokens: Sequence[Token]

    @property
    def anchors(self) -> list[str]:
        """Of its headings, in their order."""
        return [str(token.attrs["id"]) for token in self.tokens if token.type == "heading_open"]

    @property
    def links(self) -> list[str]:
        """What it links to, as written."""
        inside = [child for token in self.tokens for child in token.children or ()]
        return [str(token.attrs["href"]) for token in inside if token.type == "link_open"]

    @property
    def code(self) -> list[tuple[str, str]]:
        """Its blocks of code: language and text."""
        return [(token.info.strip(), token.content) for token in self.tokens if token.type == "fence"]


def read_guide(file: Path) -> Guide:
    """Reads a guide.

    Raises:
        ConfigError: If it has no heading at its beginning.
    """
    tokens = _parser().parse(file.read_text(encoding="utf-8"))
    known: dict[str, int] = {}
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            anchor = slug(content.content)
            known[anchor] = known.get(anchor, -1) + 1
            opening.attrSet("id", f"{anchor}-{known[anchor]}" if known[anchor] else anchor)
    if not tokens or tokens[0].tag != "h1":
        raise ConfigError(f"{file}: expected a heading at the beginning of a guide")
    return Guide(file, tokens[1].content.replace("`", ""), tokens)


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading.

    Example:
        >>> slug("From a folder: `lightning-nas auto`, in 20 minutes")
        'from-a-folder-lightning-nas-auto-in-20-minutes'
    """
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def page_of(link: str) -> str:
    """Where a link of a guide leads in the folder of pages.

    Args:
        link: As in the guide: a guide, a source file of the package (``../ops/registry.py``), an anchor, or an address.

    Raises:
        ConfigError: If it is none of these.

    Example:
        >>> page_of("hardware.md#memory"), page_of("README.md"), page_of("#memory")
        ('hardware.html#memory', 'index.html', '#memory')
        >>> page_of("../search/__init__.py"), page_of("../../tasks/images/task.py")
        ('reference/lightning_nas/search.html', 'reference/lightning_nas/tasks/images/task.html')
    """
    place, mark, anchor = link.partition("#")
    if not place or re.match(r"https?://", link):
        return link
    if re.fullmatch(r"[\w-]+\.md", place):
        return ("index.html" if place == FIRST else f"{place.removesuffix('.md')}.html") + mark + anchor
    module = re.fullmatch(r"(?:\.\./(?=\w)|\.\./\.\./(?=tasks/))([\w/]+?)(?:/__init__)?\.py", place)
    if module is None:
        raise ConfigError(f"link = {link!r}: expected another guide, a source file of the package or an address")
    return f"{REFERENCE}/{PACKAGE}/{module.group(1)}.html{mark}{anchor}"


def build_guides(out: Path) -> list[Path]:
    """Writes a page of every guide.

    Args:
        out: Folder of the pages.
    """
    guides = {file.name: read_guide(file) for file in sorted(FOLDER.glob("*.md"))}
    order = [FIRST, *guides[FIRST].links]
    guides = dict(sorted(guides.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    pages = [(guide.title, page_of(name)) for name, guide in guides.items()]
    written = []
    for guide in guides.values():
        page = out / page_of(guide.file.name)
        values = {"body": Markup(html_of(guide)), "code_style": Markup(_code_style()), "pages": pages}
        reference = f"{REFERENCE}/{PACKAGE}.html"
        write_atomic(page, template.render(title=guide.title, here=page.name, reference=reference, **values))
        written.append(page)
    return written


def html_of(guide: Guide) -> str:
    """The content of a guide, with links as they are between pages.

    Raises:
        ConfigError: If a link leads to something that has no page.
    """
    for token in guide.tokens:
        for child in token.children or ():
            if child.type == "link_open":
                try:
                    child.attrSet("href", page_of(str(child.attrs["href"])))
                except ConfigError as error:
                    raise ConfigError(f"{guide.file.name}: {error}") from None
    parser = _parser()
    return str(parser.renderer.render(guide.tokens, parser.options, {}))


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"highlight": _highlighted, "html": False}).enable("table")


def _highlighted(code: str, language: str, _: str) -> str:
    try:
        return str(highlight(code, get_lexer_by_name(language or "text"), HtmlFormatter(nowrap=True)))
    except ClassNotFound:
        return ""  # as it is


def _code_style() -> str:
    """Colours of code: on a light page, and on a dark one."""
    light = HtmlFormatter(style="friendly").get_style_defs("pre")
    dark = HtmlFormatter(style="github-dark").get_style_defs("pre")
    return "\n".join((str(light), "@media (prefers-color-scheme: dark) {", str(dark), "}"))
