"""Checks of a page by axe-core and by the browser's own performance entries."""

from pathlib import Path

from playwright.sync_api import Page, expect

AXE = Path(__file__).with_name("vendor") / "axe.min.js"

WIDTHS = (390, 2560)

# `target-size` of WCAG 2.2 is off unless it is asked for; an experimental rule is not asked for.
_FIND_VIOLATIONS = """async () => {
  const options = { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } };
  const { violations } = await axe.run(document, options);
  const describe = ({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`;
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(describe).join(" | ")}`);
}"""

_SUM_LAYOUT_SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  const add = (entries) => {
    for (const entry of entries) if (!entry.hadRecentInput) sum += entry.value;
  };
  const observer = new PerformanceObserver((list) => add(list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });
  // Buffered entries arrive in a task of their own.
  setTimeout(() => { add(observer.takeRecords()); done(sum); }, 100);
})"""


def find_violations(page: Page, view: str) -> list[str]:
    """Return what axe-core objects to, in light and dark, on a phone and on a wide screen.

    Args:
        page: The page, which gets its size and its colours back.
        view: Name of the view, for the texts that are returned.
    """
    # By the debugger, since the page's policy allows scripts of the service only.
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))

    size = page.viewport_size
    assert size is not None
    complaints = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        # No view scrolls sideways, as soon as its plot has followed.
        expect(page.locator("html")).to_have_js_property("scrollWidth", width)
        for dark in (False, True):
            page.emulate_media(color_scheme="dark" if dark else "light")
            where = f"{view}, {width} px, {'dark' if dark else 'light'}"
            complaints += [f"{where}: {text}" for text in page.evaluate(_FIND_VIOLATIONS)]

    page.emulate_media(color_scheme="null")
    page.set_viewport_size(size)
    return complaints


def layout_shift(page: Page) -> float:
    """Return the cumulative layout shift since the page was opened."""
    return float(page.evaluate(_SUM_LAYOUT_SHIFTS))


def first_paint_ms(page: Page) -> float:
    """Return the milliseconds from the request of the page to its first content."""
    entry = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    return float(page.evaluate(entry))
