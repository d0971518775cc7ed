"""Pictures of what the networks of a search find, on the page."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from oneshot.search.loop import run_search
from service.admission.tasks import SearchTask
from service.kinds.search import problem_of

# A table of the world lacks a block, which the search form is told; the test refuses a picture.
REFUSED = r"status of (422|409)"
PICTURE = "**/architectures/*format=found"


@pytest.fixture
def search(unattended: Any) -> str:
    """The id of a search that is done, as if a supernet of detectors had guided it."""
    handle = unattended.client.search(space="spos-tiny", options={"generations": 1})
    job = unattended.claim()
    task = SearchTask.from_dict(job.task)
    result = run_search(problem_of(task), task.strategy, options=task.options, seed=task.seed)
    value = result.to_dict()
    value["guide"] = {**value["guide"], "kind": "supernet", "task": "detection"}
    shown = {key: item for key, item in value.items() if key != "candidates"}
    unattended.finish(job, shown, "result.json", json.dumps(value).encode())
    return str(handle.id)


def test_network_is_drawn_on_request(
    unattended: Any, search: str, visit: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    sheet = io.BytesIO()
    Image.new("RGB", (798, 440), "teal").save(sheet, "PNG")

    def answer(route: Route) -> None:
        route.fulfill(body=sheet.getvalue(), content_type="image/png")

    narrow = {"viewport": {"width": 390, "height": 844}}
    page = visit(f"{unattended.url}/#/search/{search}", REFUSED, **narrow)
    page.route(PICTURE, answer)
    page.get_by_role("button", name="Draw with the supernet's weights").click()

    expect(page.locator(".found img")).to_be_visible()
    assert page.evaluate("document.querySelector('.found img').naturalWidth") == 798
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, "search-found-narrow")


def test_picture_that_is_refused_leaves_a_notice(
    unattended: Any, search: str, visit: Callable[..., Page]
) -> None:
    page = visit(f"{unattended.url}/#/search/{search}", REFUSED)
    page.route(PICTURE, lambda route: route.fulfill(status=409, json={"detail": "no data"}))
    page.get_by_role("button", name="Draw with the supernet's weights").click()
    expect(page.locator(".found .notice")).to_have_text("The picture cannot be drawn.")
