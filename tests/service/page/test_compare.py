"""Comparing two networks on the page."""

from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Page, expect

import spaces
from tests.service.page.accessibility import find_violations

SPACE = "spos-tiny"
REFUSED = r"status of 4(04|22)"

Open = Callable[..., Page]


def network(code: int) -> Any:
    space = spaces.get(SPACE)
    codes = np.zeros((1, len(space.choices)), dtype=np.int8)
    codes[0, 0] = code
    return space.decode(codes)[0]


def test_networks_are_compared_at_an_address_that_can_be_shared(
    unattended: Any, visit: Open, picture: Callable[[Page, str], None]
) -> None:
    handle = unattended.client.retrain(network(0), epochs=3)
    job = unattended.claim()
    result = {
        "architecture": network(0).to_dict(),
        "test": {"top1": 95.25, "images": 400},
        "seed": 0,
    }
    unattended.finish(job, result, "weights.safetensors", b"weights")
    page = visit(f"{unattended.url}/#/job/{handle.id}", REFUSED)

    page.locator("#result").get_by_role("link", name="Compare").click()
    expect(page.get_by_label("First network")).to_have_value(f"job:{handle.id}")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#compare-b-fault")).to_have_text("name a network")
    page.get_by_label("Second network").fill("published:nothing")
    page.get_by_label("Second network").press("Enter")
    expect(page.locator("#compare-b-fault")).to_contain_text("nothing")
    page.get_by_label("Second network").fill(network(2).to_json())
    page.get_by_label("Costs on").select_option("made-up")
    page.get_by_label("Score by").select_option("small")
    page.get_by_role("button", name="Compare").click()

    blocks = page.get_by_role("region", name="Blocks", exact=True)
    expect(blocks.locator("tr.differs")).to_have_count(1)
    expect(blocks.locator("tr.differs")).to_contain_text("differs")
    expect(blocks.locator("td").first).to_contain_text("ms")
    expect(page.locator("#result .sentence").last).to_contain_text("1 of ")
    totals = page.get_by_role("region", name="Totals", exact=True)
    expect(totals).to_contain_text("Predicted score")
    expect(totals).to_contain_text("Latency")
    assert find_violations(page, "compare") == []
    picture(page, "compare")

    shared = visit(page.url, REFUSED, viewport={"width": 390, "height": 800}, color_scheme="dark")
    expect(shared.get_by_label("Costs on")).to_have_value("made-up")
    expect(shared.locator("tr.differs")).to_have_count(1)
    assert shared.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(shared, "compare-narrow")
