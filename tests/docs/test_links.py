"""Links between the documents lead somewhere."""

import re

import pytest
from markdown_it import MarkdownIt

import docs_blocks
from docs_blocks import PAGES, ROOT


def links(page):
    """The targets of all links of a page."""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        for part in token.children or ():
            if part.type == "link_open":
                yield part.attrs["href"]


def anchors(page):
    """The anchors of a page's headings, as code hosts make them."""
    found = set()
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        inside ^= line.startswith("```")
        heading = re.match(r"#+ (.*)", line)
        if heading and not inside:
            found.add(re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", [*PAGES, *ROOT.glob("*.md")], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page):
    """Every relative link names a file of the project, and its anchor a heading there."""
    for href in links(page):
        if re.match(r"[a-z]+:", href):
            continue
        name, _, anchor = href.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.relative_to(ROOT)}: {href}"
        if anchor:
            assert anchor in anchors(target), f"{page.relative_to(ROOT)}: {href}"


def test_every_page_can_be_reached():
    """From the README every page of the documents can be reached by links."""
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        waiting += [
            (page.parent / href.partition("#")[0]).resolve() for href in links(page) if not re.match(r"[a-z]+:|#", href)
        ]
    assert set(docs_blocks.PAGES) <= seen
