"""The first visit: a service that has nothing offers an example, and says what to add next."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from service.context import Service
from service.settings import Settings
from tests.service.application import serving_application
from tests.service.page.accessibility import find_violations

Open = Callable[..., Page]
Picture = Callable[[Page, str], None]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Service]]:
    """Serve an application without any predictor, supernet or benchmark."""
    # Benchmarks, whose data files it names, score networks as well.
    monkeypatch.delenv("PATHFIT_REFERENCE_DATA", raising=False)
    folders = (tmp_path / "none",)
    settings = Settings(tmp_path / "data", folders, folders, port=0, supernets=folders)
    with serving_application(settings) as served:
        yield served


def test_a_first_visit_offers_the_example_until_it_runs(
    empty: tuple[str, Service], visit: Open, picture: Picture
) -> None:
    url, service = empty
    page = visit(url)
    offer = page.get_by_role("region", name="Start with the example")
    expect(offer).to_be_visible()
    expect(offer.get_by_role("link", name="a device")).to_have_attribute("href", "#/add/table")
    assert find_violations(page, "first visit") == []
    picture(page, "first-visit")

    offer.get_by_role("button", name="Run the example").click()
    expect(page.locator("#result h2")).to_have_text("Running the pipeline example")
    rows = page.locator(".steps tbody th")
    expect(rows).to_have_text(["profile", "train", "evaluate", "predict"])
    job = service.store.leases.claim("test", 60)
    assert job is not None
    assert job.request["name"] == "example"

    page.locator("h1 a").click()
    expect(page.locator("#result .empty")).to_be_visible()
    expect(page.locator("#runs li")).to_have_count(1)
    expect(offer).to_have_count(0)


@pytest.mark.slow
def test_the_example_leads_to_a_search(
    world: Any,
    served_class: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    visit: Open,
    picture: Picture,
) -> None:
    monkeypatch.delenv("PATHFIT_REFERENCE_DATA", raising=False)
    nothing = tmp_path / "none"
    world = replace(world, tables=nothing, predictors=nothing)
    served = served_class(world, tmp_path / "data", "--supernets", str(nothing))
    try:
        page = visit(served.url, "status of 422")
        page.locator("#run-example").click()
        expect(page.locator("#result h2")).to_have_text("The pipeline example", timeout=300_000)
        picture(page, "example-done")
        expect(page.locator("#result").get_by_role("link", name="a device")).to_be_visible()
        page.get_by_role("button", name="Search with it").click()
        expect(page.get_by_label("Device")).to_have_value("example")
        expect(page.get_by_label("Guide")).to_have_value("predictor:example")
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.locator(".network .blocks")).to_be_visible(timeout=60_000)
        picture(page, "example-found")
    finally:
        served.end()
