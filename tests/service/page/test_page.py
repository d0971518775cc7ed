"""Searches on the page, in a real browser on a real service."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from service.client import SearchHandle
from tests.service.page.accessibility import find_violations

SPACE = "spos-tiny"
# One device of the tests lacks a block, and is the first of the list: its bounds are refused.
REFUSED = "status of 422"

Open = Callable[..., Page]
Picture = Callable[[Page, str], None]


def ready(page: Page, device: str = "made-up") -> None:
    """Choose the tests' device once the page knows what there is."""
    expect(page.get_by_label("Search space")).to_have_value(SPACE)
    page.get_by_label("Device").select_option(device)
    expect(page.locator("#limit-latency_ms-number")).not_to_have_value("")


def search(page: Page, **options: Any) -> None:
    """Set options of the strategy, and press Search."""
    if options:
        details = page.locator("#search-form details")
        if details.get_attribute("open") is None:
            details.locator("summary").click()
        for name, value in options.items():
            (
                page.locator(f"#{name}").fill(str(value))
                if name == "seed"
                else page.locator(f"#option-{name}").fill(str(value))
            )
    page.get_by_role("button", name="Search", exact=True).click()


def found(page: Page) -> Locator:
    """The blocks of the chosen network, which come last."""
    blocks = page.get_by_role("list", name="Blocks and their share of the latency")
    expect(blocks).to_be_visible(timeout=60_000)
    return blocks


def shares(blocks: Locator) -> float:
    texts = blocks.locator(".share > span").all_inner_texts()
    return sum(float(text.removesuffix(" %")) for text in texts)


def test_form_leads_to_a_network(served: Any, visit: Open, picture: Picture) -> None:
    page = visit(served.url, REFUSED)
    ready(page)
    bounds = served.client.bounds("made-up", SPACE).metrics["latency_ms"]
    slider = page.get_by_role("slider", name="Latency at most")
    number = page.locator("#limit-latency_ms-number")
    slider.press("Home")
    feasible = bounds.least + 1.64 * bounds.sigma
    assert feasible <= float(number.input_value()) < feasible + 1e-3
    slider.press("End")
    assert abs(float(number.input_value()) - (bounds.greatest + 1.64 * bounds.sigma)) < 1e-3
    number.fill("0.8")
    search(page)
    blocks = found(page)
    expect(page.locator("#result h2")).to_have_text(
        f"The best network of {SPACE} on made-up within 0.8 ms"
    )
    assert 99 < shares(blocks) < 101
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    expect(page.locator("#said")).to_contain_text("best predicted score")
    status = SearchHandle(served.client, page.url.rpartition("/")[2]).status()
    assert status.request["constraints"]["latency_ms"] == {"max": 0.8}
    assert status.result is not None
    best = status.result["best"][0]
    expect(page.locator(".figures dd").nth(1)).to_have_text(
        re.compile(rf"^{best['costs']['latency_ms']:.4f} ms$")
    )
    joint = blocks.locator(".rest")
    expect(joint).to_contain_text(re.compile(r"The blocks take (longer|less time) in one network"))
    picture(page, "desktop")


def test_a_copied_link_opens_the_same_network(served: Any, visit: Open) -> None:
    limits = {"latency_ms": 0.8}
    handle = served.client.search(
        space=SPACE, device="made-up", constraints=limits, options={"generations": 2}
    )
    handle.wait(400)
    page = visit(f"{served.url}/#/search/{handle.id}", REFUSED)
    found(page)
    rows = page.get_by_role("region", name="The front").get_by_role("button")
    rows.last.click()
    title = page.locator("#network-title")
    expect(title).to_contain_text("Network")
    text, score = title.inner_text(), rows.last.inner_text()
    page.reload()
    expect(title).to_have_text(text)
    expect(page.locator(".front [aria-pressed=true]")).to_have_text(score)
    page.locator(f"#run-{handle.id}").click()
    expect(title).to_have_text("The best network")


def hovered(page: Any, point: Any) -> tuple[float, float]:
    """Move the mouse about a point of the plot, as a hand does, until the plot tells of it; where
    that is.

    The plot is drawn anew when a network is chosen, and forgets a mouse that stands still
    meanwhile; on a busy machine it takes its time to tell.
    """
    for _ in range(20):
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        if box is None:
            continue
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x - 40, y - 40)
        page.mouse.move(x, y, steps=3)
        for _ in range(20):
            if page.locator(".plot .hoverlayer").text_content():
                return x, y
            page.wait_for_timeout(100)
    raise AssertionError("the plot does not tell of the network below the mouse")


@pytest.mark.parametrize("height", [400, 900])
def test_networks_are_selected_by_keyboard_and_in_the_plot(
    served: Any, visit: Open, height: int
) -> None:
    page = visit(served.url, REFUSED, viewport={"width": 1280, "height": height})
    ready(page)
    search(page, generations=3)
    found(page)
    rows = page.get_by_role("region", name="The front").get_by_role("button")
    rows.first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(rows.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(rows.nth(1)).to_be_focused()
    expect(page.locator("#network-title")).to_contain_text("of")
    expect(page.locator("#result .reason")).to_contain_text("Why this network: Rank")
    point = page.locator(".plot .scatterlayer .trace").nth(1).locator(".point").first
    x, y = hovered(page, point)
    expect(page.locator(".plot .hoverlayer")).to_contain_text("ms")
    expect(page.locator(".plot .hoverlayer")).to_contain_text(re.compile(r"k3|k5|k7|xcep"))
    page.mouse.click(x, y)
    expect(rows.last).to_have_attribute("aria-pressed", "true")
    cheapest = rows.last.inner_text()
    expect(page.locator(".network .about")).to_contain_text(f"Predicted score {cheapest}")


def test_files_are_downloaded_and_the_command_is_copied(served: Any, visit: Open) -> None:
    page = visit(served.url, REFUSED, permissions=["clipboard-read", "clipboard-write"])
    ready(page)
    search(page, generations=2)
    found(page)

    def taken(label: str) -> str:
        with page.expect_download() as download:
            page.get_by_role("link", name=label).click()
        return download.value.path().read_text(encoding="utf-8")

    job_id = page.url.rpartition("/")[2]
    best = served.client.request("GET", f"/search/{job_id}")["result"]["best"][0]
    assert json.loads(taken("This network as JSON")) == best["architecture"]
    assert sorted(json.loads(taken("This network as NNI"))) == sorted(
        best["architecture"]["choices"]
    )
    assert taken("The front as CSV").startswith("place,score,deviation,")
    assert json.loads(taken("The whole result as JSON"))["id"] == job_id
    assert "<svg" in taken("The plot as SVG")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator(".command code").inner_text()
    fetch, train = copied.splitlines()
    assert f"{served.url}/search/{job_id}/architectures/0?" in fetch
    assert train.startswith("python -m oneshot retrain --arch ")


def test_a_running_search_is_shown_and_cancelled(
    served: Any, visit: Open, picture: Picture
) -> None:
    page = visit(served.url, REFUSED)
    ready(page)
    # Nearly all networks of the space, two at a time: it does not end by itself for a while.
    search(page, population=2, generations=90000, parents=2, crossovers=1, mutations=1)
    progress = page.locator(".progress .row span")
    expect(progress).to_contain_text(
        re.compile(r"^[\d,]+ of [\d,]+ networks, best score"), timeout=30_000
    )
    picture(page, "progress")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#result .notice")).to_have_text("This search was cancelled.")
    assert (
        served.client.request("GET", f"/search/{page.url.rpartition('/')[2]}")["state"]
        == "cancelled"
    )
    expect(page.locator("#runs li").first).to_contain_text("cancelled")


def test_the_page_polls_where_streams_are_blocked(served: Any, visit: Open) -> None:
    page = visit(served.url, f"{REFUSED}|ERR_FAILED")
    page.route("**/events", lambda route: route.abort())
    ready(page)
    search(page, generations=2, seed=11)
    found(page)
    expect(page.locator("#result .about").first).to_contain_text("seed 11")


def test_an_infeasible_limit_shows_its_error_at_the_field(
    served: Any, visit: Open, picture: Picture
) -> None:
    page = visit(served.url, REFUSED)
    ready(page)
    number = page.locator("#limit-latency_ms-number")
    number.fill("0.01")
    search(page)
    fault = page.locator("#limit-latency_ms-fault")
    expect(fault).to_contain_text("the fastest network of spos-tiny takes")
    expect(number).to_be_focused()
    expect(number).to_have_attribute("aria-invalid", "true")
    picture(page, "infeasible")
    number.fill("")
    search(page)
    expect(fault).to_have_text("enter a number greater than 0")
    page.get_by_label("Device").select_option("lacking")
    expect(page.locator("#device-fault")).to_contain_text("lacks the block")


def test_runs_are_compared(served: Any, visit: Open, picture: Picture) -> None:
    ids = []
    for seed, most in ((1, 0.75), (2, 0.85)):
        limits = {"latency_ms": most}
        handle = served.client.search(
            space=SPACE, device="made-up", constraints=limits, options={"generations": 3}, seed=seed
        )
        handle.wait(400)
        ids.append(handle.id)
    page = visit(f"{served.url}/#/search/{ids[0]}", REFUSED)
    found(page)
    expect(page.locator(".front .choices").first).to_have_text(
        re.compile(r"^((k3|k5|k7|xcep) ?){6}$")
    )
    for job_id in ids:
        page.locator(f"#compare-{job_id}").check()
    rows = page.locator(".compare tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("latency ≤ 0.85 ms")
    expect(page.locator(".plot .legend .legendtext")).to_have_count(3)
    page.reload()
    expect(rows).to_have_count(2)
    expect(page.locator("#runs input:checked")).to_have_count(2)
    picture(page, "comparison")
    page.get_by_role("button", name="Clear comparison").click()
    expect(rows).to_have_count(0)
    assert page.url.endswith(f"#/search/{ids[0]}")


def test_the_page_reports_an_outage_and_waits_for_its_end(
    served: Any, visit: Open, picture: Picture
) -> None:
    page = visit(served.url, f"{REFUSED}|ERR_INTERNET_DISCONNECTED")
    ready(page)
    page.context.set_offline(True)
    search(page)
    banner = page.get_by_role("alert").filter(has_text="The service has not responded since")
    expect(banner).to_be_visible()
    expect(page.locator("#search-form .send .fault")).to_contain_text("press Search again")
    picture(page, "away")
    page.context.set_offline(False)
    expect(banner).to_be_hidden()
    search(page, generations=2)
    found(page)


def test_the_page_is_readable_on_a_phone_and_in_dark_mode(
    served: Any, visit: Open, picture: Picture
) -> None:
    handle = served.client.search(
        space=SPACE, device="made-up", constraints={"latency_ms": 0.8}, options={"generations": 4}
    )
    handle.wait(400)
    address = f"{served.url}/#/search/{handle.id}"
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = visit(address, REFUSED, **phone)
    found(page)
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = "[...document.querySelectorAll('button.main, select, #search-form input[type=number]')]"
    visible = f"{small}.filter((field) => field.offsetHeight).map((field) => field.offsetHeight)"
    assert min(page.evaluate(visible)) >= 36
    picture(page, "phone")
    dark = visit(address, REFUSED, color_scheme="dark")
    found(dark)
    expect(dark.locator(".plot .main-svg").first).to_be_visible()
    ground, ink = (
        dark.evaluate(f"getComputedStyle(document.body).{name}.match(/\\d+/g).map(Number)")
        for name in ("backgroundColor", "color")
    )
    assert max(ground) < 40
    assert min(ink) > 200
    picture(dark, "dark")


def test_controls_have_names_and_focus_follows_reading_order(served: Any, visit: Open) -> None:
    page = visit(served.url, REFUSED)
    ready(page)
    search(page, generations=2)
    found(page)
    for control in page.locator("select, input, button, a").all():
        if control.is_visible():
            named = control.evaluate("(node) => node.computedName ?? ''")
            output = named or control.evaluate(
                "(node) => node.getAttribute('aria-label') || node.innerText || [...(node.labels ??"
                " [])].map((label) => label.innerText).join(' ')"
            )
            assert output.strip(), control.evaluate("(node) => node.outerHTML")
    page.evaluate("document.activeElement.blur()")
    page.evaluate("window.scrollTo(0, 0)")
    page.locator("h1 a").focus()
    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert order == ["Compare", "API", "space", "device", "guide", "limit-latency_ms"]


def test_the_page_requests_a_token_once(
    guarded: tuple[str, str], visit: Open, picture: Picture
) -> None:
    url, token = guarded
    page = visit(url, "status of 4(01|22)")
    dialog = page.get_by_role("dialog", name="Sign in")
    field = dialog.get_by_label("Token")
    expect(field).to_be_focused()
    picture(page, "sign-in")
    assert find_violations(page, "sign in") == []
    field.fill("nonsense")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("token is not valid")
    field.fill(token)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    ready(page)
    cookies = page.context.cookies()
    assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Strict")]
    assert token not in json.dumps([cookies, page.evaluate("Object.entries(localStorage)")])
    page.reload()
    ready(page)
    search(page)
    expect(page.locator(".progress .row span")).to_have_text("Waiting for its turn")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#result .notice")).to_have_text("This search was cancelled.")
    page.get_by_role("button", name="Sign out").click()
    expect(dialog).to_be_visible()
