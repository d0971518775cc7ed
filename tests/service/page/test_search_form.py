"""The search form: a supernet's ranking, charges, and its contents in the address."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.service.page.accessibility import find_violations
from tests.service.page.test_accessibility import press_until

SPACE = "spos-tiny"
# One device of the tests lacks a block; other refusals are the tests' own.
REFUSED = "status of 422"

Open = Callable[..., Page]
Picture = Callable[[Page, str], None]

SUPERNET = {
    "name": "robust",
    "space": SPACE,
    "task": "classification",
    "data": "digits",
    "verdict": None,
    "definitions": {
        "cross_entropy": {"unit": "nats", "higher_is_better": False, "title": "cross-entropy"},
        "top1": {"unit": "percent", "higher_is_better": True, "title": "top-1 accuracy"},
    },
}


def with_supernet(page: Page) -> list[Any]:
    """Add a supernet to the lists of a page; return the searches that it then sends."""
    sent: list[Any] = []

    def refuse(route: Route) -> None:
        body = route.request.post_data_json
        assert body is not None
        sent.append(body)
        field = ["guide.rank_by", "guide.under.0", "charges"][len(sent) - 1]
        route.fulfill(status=422, json={"detail": f"refused: {field}", "field": field})

    page.route("**/supernets", lambda route: route.fulfill(json={"items": [SUPERNET]}))
    page.route("**/search", refuse)
    page.reload()
    return sent


def test_supernets_ranking_and_charges_are_sent_and_refused_at_their_fields(
    unattended: Any, visit: Open, picture: Picture
) -> None:
    page = visit(unattended.url, REFUSED)
    sent = with_supernet(page)
    page.get_by_label("Device").select_option("made-up")
    page.locator("#search-form details summary").click()
    expect(page.locator("#rank-by")).to_be_hidden()

    page.get_by_label("Guide").select_option("supernet:robust")
    expect(page.locator("#rank-by-hint")).to_contain_text("A metric (cross_entropy, top1)")
    press_until(page, "Tab", "#charges")
    page.keyboard.type("macs=2e6^0.07\n\nlatency_ms=1^0.5/0")
    press_until(page, "Tab", "#rank-by")
    page.keyboard.type("top1=1, cross_entropy=10")
    press_until(page, "Tab", "#under")
    page.keyboard.type("clean=0.5")
    assert find_violations(page, "ranking by a supernet") == []
    for name, size in {"": 1440, "-narrow": 390}.items():
        page.set_viewport_size({"width": size, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            picture(page, f"search-form-{scheme}{name}")

    for field in ("rank-by", "under", "charges"):
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.locator(f"#{field}-fault")).to_contain_text("refused: ")
        expect(page.locator(f"#{field}")).to_be_focused()
    assert sent[0]["charges"] == ["macs=2e6^0.07", "latency_ms=1^0.5/0"]
    assert sent[0]["guide"] == {
        "kind": "supernet",
        "name": "robust",
        "rank_by": "top1=1, cross_entropy=10",
        "under": ["clean=0.5"],
    }

    page.get_by_label("Guide").select_option("predictor:small")
    expect(page.locator("#rank-by")).to_be_hidden()


def test_contents_of_the_form_are_in_the_address_that_opens_them(
    unattended: Any, visit: Open
) -> None:
    page = visit(unattended.url, REFUSED)
    page.get_by_label("Device").select_option("made-up")
    page.locator("#limit-latency_ms-number").fill("0.775")
    page.get_by_label("Limit FLOPs").check()
    page.locator("#limit-macs-number").fill("1.25")
    page.locator("#search-form details summary").click()
    page.get_by_role("group", name="Also minimize").get_by_label("Parameters").check()
    page.get_by_label("Charges").fill("macs=2e6^0.07")
    page.get_by_label("Strategy").select_option("random")
    page.get_by_label("Evaluations", exact=True).fill("123")
    page.get_by_label("Margin").fill("2")
    page.get_by_label("Seed").fill("7")
    expect(page).to_have_url(re.compile(r"#/new\?space=spos-tiny&device=made-up&.*seed=7$"))
    address = page.url

    other = visit(address, REFUSED)
    expect(other.get_by_label("Seed")).to_have_value("7")
    expect(other.locator("#limit-latency_ms-number")).to_have_value("0.775")
    other.get_by_role("button", name="Search", exact=True).click()
    expect(other.locator(".progress")).to_be_visible()
    request = unattended.claim().request
    assert request["constraints"]["latency_ms"] == {"max": 0.775}
    assert request["constraints"]["macs"] == {"max": pytest.approx(1.25e6)}
    assert request["objectives"] == ["params"]
    assert request["charges"] == ["macs=2e6^0.07"]
    assert request["strategy"] == {"name": "random", "options": {"evaluations": 123}}
    assert (request["margin"], request["seed"]) == (2, 7)

    # The form's address is one step back; the search leads to it as well.
    other.go_back()
    expect(other.locator("#result .empty")).to_be_visible()
    expect(other).to_have_url(address)
    other.go_forward()
    expect(other.locator(".progress")).to_be_visible()
    other.get_by_label("Seed").fill("8")
    # The address of a result is not that of the form.
    expect(other).to_have_url(re.compile("#/search/"))
    other.get_by_role("link", name="change and search again").click()
    expect(other.get_by_label("Seed")).to_have_value("7")
    expect(other.locator("#limit-macs-number")).to_have_value("1.25")


def test_finalists_are_requested_shown_and_kept_when_searching_again(
    unattended: Any, visit: Open
) -> None:
    page = visit(unattended.url, REFUSED)
    page.get_by_label("Device").select_option("made-up")
    page.locator("#search-form details summary").click()
    expect(page.locator("#finalists-data")).to_be_hidden()
    page.get_by_label("Networks to train briefly").fill("1")
    expect(page.locator("#finalists-data")).to_have_value("digits")
    page.get_by_label("Updates at first").fill("300")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#finalists-fault")).to_contain_text("greater than or equal to 2")

    page.get_by_label("Networks to train briefly").fill("4")
    assert find_violations(page, "finalists") == []
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#result .about").first).to_contain_text("4 finalists on digits")
    job = unattended.claim()
    finalists = {"count": 4, "data": "digits", "training": {"steps": 300}}
    assert job.request["finalists"] == finalists

    searched = {"evaluated": 60, "planned": 60, "best": 1.0}
    trained = {"share": 0.25, "state": "rung 1/2, 2/4"}
    unattended.service.store.jobs.report(job.id, job.attempt, {**searched, "finalists": trained})
    label = page.locator(".progress .row span")
    expect(label).to_have_text("Training the best networks: rung 1/2, 2/4")
    assert page.locator(".progress progress").evaluate("bar => bar.value") == 0.25

    page.get_by_role("link", name="change and search again").click()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(".progress")).to_be_visible()
    assert unattended.claim().request["finalists"] == finalists


def test_addresses_without_limits_or_with_unknown_names_say_so(
    unattended: Any, visit: Open
) -> None:
    page = visit(
        f"{unattended.url}/#/new?space={SPACE}&device=lost&limits=none&strategy=lucky", REFUSED
    )
    expect(page.locator("#device-fault")).to_have_text("lost is not available here")
    expect(page.locator("#limit-latency_ms, #limit-macs").first).not_to_be_checked()
    expect(page.locator("#strategy-fault")).to_have_text("lucky is not available here")
