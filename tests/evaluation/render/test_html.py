"""The HTML report in a real browser: silent, self-contained, legible; and hostile text stays text."""

import json

import pytest

import offline_worlds
from recsys.attribution import sources
from recsys.evaluation import history, render
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.offline_config import Gate
from recsys.evaluation.reports_compared import compare

HOSTILE = "<script>alert(1)</script>"

LAYOUT = """() => {
  const small = [];
  for (const text of document.querySelectorAll('text, p, td, th, span, figcaption, b, li, h1, h2, h3')) {
    if (!text.textContent.trim()) continue;
    let size = parseFloat(getComputedStyle(text).fontSize);
    const svg = text.closest('svg');
    if (svg) size *= svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    if (size < 11) small.push([text.textContent.trim().slice(0, 40), size]);
  }
  const clipped = [...document.querySelectorAll('figure svg')].filter(svg => {
    const box = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].some(text => {
      const inner = text.getBoundingClientRect();
      return inner.width && (inner.left < box.left - 1 || inner.right > box.right + 1);
    });
  }).length;
  return {small, clipped, overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          charts: document.querySelectorAll('figure svg').length, scripts: document.scripts.length};
}"""


def logs(folder, *, exposures=300, hostile=False):
    """Exposures over some hours, with clicks that fall with the rank, a purchase now and then, and some orphans."""
    shown, done = [], []
    for n in range(exposures):
        ts = f"2026-02-05T{8 + n * 9 // exposures:02d}:{n % 60:02d}:00Z"
        surface = HOSTILE if hostile and n % 7 == 0 else ("home", "item_page", "cart")[n % 3]
        shown.append(
            {
                "request_id": f"r{n}", "user_id": f"u{n % 90}", "ts": ts,
                "items": [{"item_id": f"item-{(n * 7 + k) % 80}", "rank": k + 1} for k in range(12)],
                "context": {"tenant_id": "demo", "surface": surface},
            }
        )  # fmt: skip
        done += [
            {
                "request_id": f"r{n}" if n % 40 else f"lost-{n}", "user_id": f"u{n % 90}",
                "item_id": f"item-{(n * 7 + k) % 80}", "event_type": "conversion" if k == 3 else "click", "ts": ts,
            }
            for k in range(12)
            if (n * 31 + k * 17) % 100 < 28 / (k + 1)
        ]  # fmt: skip
    items = [{"item_id": f"item-{n}", "tags": [f"t{n % 5}", f"s{n % 3}"]} for n in range(100)]
    for name, rows in (("e", shown), ("o", done), ("i", items)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return sources.from_options(
        [str(folder / "e.jsonl")], [str(folder / "o.jsonl")], items=str(folder / "i.jsonl")
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )  # fmt: skip
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_is_silent_and_legible(browser, artifacts_dir, tmp_path, width, scheme):
    """No console message, no request but the page, no script, no sideways scrolling, no text under 11 pixels."""
    report = evaluate(logs(tmp_path), EvaluationConfig()).report
    path = tmp_path / "report.html"
    render.write(render.text(report, "html"), path)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    layout = page.evaluate(LAYOUT)
    page.screenshot(path=artifacts_dir / f"report-{width}-{scheme}.png", full_page=True)
    page.close()
    assert said == []
    assert asked == [path.as_uri()]
    assert layout == {"small": [], "clipped": 0, "overflow": 0, "charts": 4, "scripts": 0}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A report with gates of which one fails, its comparison, and the history of both runs; a surface is hostile."""
    folder = tmp_path_factory.mktemp("told")
    rows = [{**row, "surface": HOSTILE if row["surface"] == "home" else "search"} for row in offline_worlds.made(900)]
    worse = [{**row, "clicked": row["clicked"] if row["surface"] == "search" else []} for row in rows]
    gates = [Gate(metric=name, max_drop=0.05, slice_key=key) for name in ("hitrate@10",) for key in ("", "surface")]
    before = offline_worlds.report(folder / "a", rows)
    after = offline_worlds.report(folder / "b", worse, baseline=before, gates=[*gates, Gate(metric="gini", max_drop=0)])
    for report in (before, after):
        history.keep(report, folder)
    (folder / f"{HOSTILE.replace('/', '')}.json").write_text("{}")
    return {
        "gates": render.text(after, "html"),
        "compared": render.compared(compare(before, after), "html"),
        "history": render.history(history.read(folder), "html"),
    }


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["gates", "compared", "history"])
def test_pages_of_more_than_one_run_are_silent_and_legible(browser, artifacts_dir, told, tmp_path, name, width):
    """A report with gates and a baseline, a comparison, and a history: as the report is, with hostile names."""
    path = tmp_path / f"{name}.html"
    render.write(told[name], path)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark")
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    layout = page.evaluate(LAYOUT)
    page.screenshot(path=artifacts_dir / f"{name}-{width}-dark.png", full_page=True)
    text = page.inner_text("main")
    page.close()
    assert said == []
    assert {**layout, "charts": 0} == {"small": [], "clipped": 0, "overflow": 0, "charts": 0, "scripts": 0}
    assert "alert(1)" in text
    if name == "gates":
        assert text.index("FAIL: the figures can be read, and are worse than a gate allows.") < text.index("Gates")
        assert f"hitrate@10 in surface {HOSTILE} may drop by 0.05" in text


def test_hostile_text_stays_text(browser, tmp_path):
    """A slice value that looks like a script is shown as it is in HTML, and as code in Markdown."""
    report = evaluate(logs(tmp_path, hostile=True), EvaluationConfig()).report
    path = tmp_path / "report.html"
    render.write(render.text(report, "html"), path)
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.scripts.length") == 0
    assert HOSTILE in page.inner_text("main")
    page.close()
    assert f"| `{HOSTILE}` |" in render.text(report, "markdown")


def test_an_empty_log_has_a_page_too(tmp_path):
    """Without outcomes the page says hold, and draws what there is."""
    named = logs(tmp_path, exposures=3)
    (tmp_path / "o.jsonl").write_text("")
    report = evaluate(named, EvaluationConfig()).report
    assert report.summary.status == "hold"
    page = render.text(report, "html")
    assert "HOLD" in page
    assert "There is nothing to draw." in page
    assert "https://" not in page


def test_equal_reports_are_equal_text(tmp_path):
    """Rendering is deterministic in every format."""
    report = evaluate(logs(tmp_path), EvaluationConfig()).report
    for form in render.NAMES:
        assert render.text(report, form) == render.text(report, form)
