"""The page of an experiment in a real browser: every section there and legible, on a screen, a telephone and paper."""

import re
from itertools import product

import pytest

import decision_evidence
import experiment_reports as reports
from recsys.evaluation import render
from recsys.evaluation.render import experiment_tables
from recsys.evaluation.render.experiment_html import SECTIONS, WITHOUT

WIDTHS, SCHEMES = (1280, 400), ("light", "dark")
SEEN = ("ship", "unbelievable", "aa-check")
"""Pages of which screenshots are kept."""
PAPER = 718
"""A4 less its margins, in CSS pixels."""
FOUND = """() => {
  const wide = document.documentElement.clientWidth, boxed = node => node.closest('.scroll, pre');
  const texts = [...document.querySelectorAll('text, p, td, th, span, figcaption, caption, b, li, h1, h2, h3, h4, a')];
  const size = node => {
    const svg = node.closest('svg'), scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    return parseFloat(getComputedStyle(node).fontSize) * scale;
  };
  const said = node => node.textContent.trim();
  const clipped = svg => [...svg.querySelectorAll('text')].some(text => {
    const inner = text.getBoundingClientRect(), box = svg.getBoundingClientRect();
    return inner.width && (inner.left < box.left - 1 || inner.right > box.right + 1);
  });
  const named = svg => svg.getAttribute('role') === 'img' && svg.getAttribute('aria-label') &&
    svg.querySelector('title')?.textContent === svg.getAttribute('aria-label');
  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map(node => Number(node.tagName[1]));
  return {
    overflow: document.documentElement.scrollWidth - wide,
    outside: [...document.querySelectorAll('main *')].filter(node => !node.closest('svg') && !boxed(node) &&
      node.getBoundingClientRect().right > wide + 1).map(node => node.tagName + said(node).slice(0, 40)),
    small: texts.filter(node => said(node) && !(size(node) >= 11)).map(node => said(node).slice(0, 40)),
    clipped: [...document.querySelectorAll('svg')].filter(clipped).map(svg => svg.getAttribute('aria-label')),
    unnamed: [...document.querySelectorAll('svg')].filter(svg => !named(svg)).length,
    jumps: levels.filter((level, place) => place && level > levels[place - 1] + 1).length,
    unscoped: document.querySelectorAll('th:not([scope])').length,
    uncaptioned: document.querySelectorAll('table.cells:not(:has(caption))').length,
    sections: [...document.querySelectorAll('main section')].filter(node => node.checkVisibility() &&
      node.getBoundingClientRect().height > 20 && said(node).length > 20).map(node => node.id),
    dead: [...document.querySelectorAll('a')].filter(a => !document.querySelector(a.getAttribute('href'))).length,
    scripts: document.scripts.length,
  };
}"""
CLEAN = {
    "overflow": 0, "outside": [], "small": [], "clipped": [], "unnamed": 0, "jumps": 0, "unscoped": 0,
    "uncaptioned": 0, "dead": 0, "scripts": 0,
}  # fmt: skip
PRINTED = """() => {
  const right = document.querySelector('main').getBoundingClientRect().right;
  const all = names => [...document.querySelectorAll(names)];
  return {
    background: getComputedStyle(document.body).backgroundColor,
    cut: all('table, svg, pre, figure').filter(node => node.getBoundingClientRect().right > right + 1)
      .map(node => node.tagName),
    breaks: all('figure').filter(node => getComputedStyle(node).breakInside !== 'avoid').length,
  };
}"""


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )  # fmt: skip
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A function from the name of a report to the file of its page, each drawn once."""
    folder, drawn = tmp_path_factory.mktemp("pages"), {}

    def path(name):
        if name not in drawn:
            made = reports.aa_check("fail") if name == "aa-check" else reports.ALL[name]()
            drawn[name] = folder / f"{name}.html"
            render.write(render.text(made, "html"), drawn[name])
        return drawn[name]

    return path


def opened(browser, path, width, scheme):
    """The page, and what it said and asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert said == []
    assert asked == [path.as_uri()]
    return page


@pytest.mark.parametrize("name", [*reports.ALL, "aa-check"])
def test_every_section_is_there_and_legible(browser, pages, artifacts_dir, name):
    """On a screen and a telephone, light and dark: sections in order, nothing sideways, small, cut, or unnamed."""
    if name == "aa-check":
        wanted = ["verdict", "checks", "integrity", "notes", "origin"]
    else:
        wanted = [section for section, _ in SECTIONS if name != "empty" or section in WITHOUT]
    for width, scheme in product(WIDTHS, SCHEMES) if name in SEEN else zip(WIDTHS, SCHEMES, strict=True):
        page = opened(browser, pages(name), width, scheme)
        found = page.evaluate(FOUND)
        if name in SEEN:
            page.screenshot(path=artifacts_dir / f"experiment-{name}-{width}-{scheme}.png", full_page=True)
        page.close()
        assert found == {**CLEAN, "sections": wanted}, (name, width, scheme)


@pytest.mark.parametrize("name", ["ship", "two", "unbelievable"])
def test_it_prints(browser, pages, artifacts_dir, name):
    """On paper it is on white, even where the screen is dark, and no chart or table is cut."""
    page = opened(browser, pages(name), PAPER, "dark")
    page.emulate_media(media="print")
    assert page.evaluate(PRINTED) == {"background": "rgb(255, 255, 255)", "cut": [], "breaks": 0}
    assert page.pdf(path=artifacts_dir / f"experiment-{name}.pdf", format="A4").startswith(b"%PDF")
    page.close()


def test_the_verdict_is_on_top_in_words(browser, pages):
    """Each candidate's verdict is a word with its reasons, above everything else, and its colour says the same."""
    page = opened(browser, pages("two"), 1280, "light")
    boxes = page.query_selector_all("#verdict .verdict")
    told = [box.inner_text() for box in boxes]
    colours = [box.eval_on_selector("h2 b", "node => getComputedStyle(node).color") for box in boxes]
    page.close()
    assert [text.splitlines()[0] for text in told] == ["SHIP B", "ROLLBACK C"]
    assert "better than the control, beyond chance" in told[0]
    assert "worse beyond chance" in told[1]
    assert colours == ["rgb(26, 127, 55)", "rgb(207, 34, 46)"]


def test_suspected_harm_is_told_though_the_verdict_is_hold(browser, pages):
    """What fails is marked by a word, in the verdict and in the table of checks."""
    page = opened(browser, pages("unbelievable"), 1280, "light")
    verdict, integrity = page.inner_text("#verdict"), page.inner_text("#integrity")
    ratio = page.inner_text("#sample-ratio")
    page.close()
    assert verdict.startswith("HOLD B")
    assert "Harm is suspected" in verdict
    assert integrity.count("FAIL") == 3
    assert "ALARM: the evidence is more than a million to 1 against the declared shares" in ratio
    assert "900 / 800" in ratio


def test_hostile_names_stay_text(browser, pages):
    """Names are shown as they are, apart from what a terminal or a reading direction would obey."""
    page = opened(browser, pages("hostile"), 400, "dark")
    told, raw = page.inner_text("main"), page.content()
    images, links = page.query_selector_all("img, script, iframe"), page.query_selector_all("a:not([href^='#'])")
    page.close()
    assert reports.SCRIPT in told
    assert (images, links) == ([], [])
    assert not {"\x1b", "\u202e"} & set(raw)
    assert "\\x1b[31mred" in told


MARKS = re.compile(r'<b class="mark [a-z]+">[^<]*</b>|class="verdict [a-z]+"')
"""What is set apart by a colour."""


def results(arms):
    """What the page of two candidates sets apart, and how many rows of tables its Markdown has."""
    report = reports.two(arms, [*reports.CHECKS, decision_evidence.check(0.71, 0.95, name="of both")])
    return MARKS.findall(render.text(report, "html")), render.text(report, "markdown").count("\n|")


def test_the_name_of_an_arm_is_no_result():
    """Whatever an arm is called, what is set apart as good or bad is the same, and so are the rows that fail."""
    wanted = results(("A", "B", "C"))
    assert '<b class="mark bad">FAIL</b>' in wanted[0]
    names = ["better", "worse", "open", "pass", "fail", "FAIL", "ship"]
    for place, name in enumerate(names):
        assert results((names[place - 2], names[place - 1], name)) == wanted, name


def test_many_slices_are_cut_and_told(browser, pages):
    """Of 31 slices the 20 with the most users are drawn and listed, and the others are counted."""
    page = opened(browser, pages("wanting"), 1280, "light")
    told, rows = page.inner_text("#slices"), len(page.query_selector_all("#slices tbody tr"))
    names = [node.text_content() for node in page.query_selector_all("#slices svg text")]
    page.close()
    assert rows == experiment_tables.MAX_SLICES == 20
    assert "11 more are in the JSON report." in told
    assert "surface-19" in names
    assert "surface-20" not in names


def test_the_sequence_says_so(pages):
    """Beside the figures stands in plain words what their intervals are worth."""
    page = pages("ship").read_text()
    assert "It holds at every look" in page
    assert "holds at every look. It contains: users as units (delta method)." in page
    assert "unadjusted" in page
    assert "uncapped" in page


def brightness(colour):
    """Relative luminance by WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_colours_of_text_stand_out(pages, scheme):
    """Every colour that text has is at 4.5 to 1 or more on both backgrounds, by its definition in the style."""
    declared = re.findall(r":root \{(.*?)\}", pages("ship").read_text(), re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", declared[SCHEMES.index(scheme)]))
    assert set(colours) == {"paper", "ink", "soft", "line", "card", "main", "second", "good", "bad"}
    for text in ("ink", "soft", "main", "second", "good", "bad"):
        for ground in ("paper", "card"):
            light, dark = sorted((brightness(colours[text]), brightness(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_equal_reports_are_equal_pages():
    """Rendering is deterministic."""
    assert render.text(reports.rollback(), "html") == render.text(reports.rollback(), "html")
