"""Limits and objectives of the search form."""

from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.service.page.forms.inputs import REFUSED, Open, Picture, fault

MORE = {
    "memory_bytes": {
        "least": 40960.0,
        "greatest": 81920.0,
        "unit": "bytes",
        "sigma": 0.0,
        "exact": True,
    },
    "energy_mj": {"least": 1.0, "greatest": 3.0, "unit": "mJ", "sigma": 0.1, "exact": False},
    "wear": {"least": 5.0, "greatest": 9.0, "unit": "scratches", "sigma": None, "exact": True},
}


def test_metrics_with_bounds_can_be_limited_and_traded(
    unattended: Any, visit: Open, picture: Picture
) -> None:
    sent: list[dict[str, Any]] = []
    page = visit(unattended.url, REFUSED)

    def more(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        route.fulfill(
            response=answer, json={**body, "metrics": {**body.get("metrics", {}), **MORE}}
        )

    def refuse(route: Route) -> None:
        assert route.request.method == "POST"
        sent.append(route.request.post_data_json)
        field = ["constraints.memory_bytes", "objectives.0", "nothing.known"][len(sent) - 1]
        route.fulfill(
            status=422, json={"detail": f"refused: {field}", "status": 422, "field": field}
        )

    page.route("**/tables/made-up/bounds?**", more)
    page.route("**/search", refuse)
    page.reload()
    page.get_by_label("Device").select_option("made-up")
    names = page.locator("#search-form .limit .switch")
    expect(names).to_have_text(["Latency", "FLOPs", "Parameters", "Memory", "Energy", "wear"])
    page.get_by_label("Limit memory").check()
    expect(page.locator("#limit-memory_bytes-ends")).to_have_text(
        "lowest 0.0410 MBhighest 0.0819 MB"
    )
    page.locator("#limit-memory_bytes-number").fill("0.06")
    page.get_by_label("Limit wear").check()
    expect(page.locator("#limit-wear-ends")).to_contain_text("lowest 5.000 scratches")
    expect(page.locator("#limit-energy_mj-ends")).to_be_hidden()
    page.locator("#search-form summary").click()
    page.get_by_role("group", name="Also minimize").get_by_label("Energy").check()
    page.get_by_role("group", name="Also minimize").get_by_label("Latency").check()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(fault(page, "limit-memory_bytes")).to_have_text("refused: constraints.memory_bytes")
    expect(page.locator("#limit-memory_bytes-number")).to_be_focused()
    picture(page, "limits")
    assert sorted(sent[0]["constraints"]) == ["latency_ms", "memory_bytes", "wear"]
    assert sent[0]["constraints"]["memory_bytes"] == {"max": pytest.approx(60000)}
    assert sent[0]["objectives"] == ["latency_ms", "energy_mj"]
    page.get_by_role("button", name="Search", exact=True).click()
    expect(fault(page, "objectives")).to_have_text("refused: objectives.0")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#search-form .send .fault")).to_have_text("refused: nothing.known")
    page.get_by_label("Device").select_option("")
    expect(names).to_have_text(["FLOPs", "Parameters"])
    page.get_by_label("Device").select_option("made-up")
    expect(page.locator("#limit-memory_bytes-number")).to_have_value("0.06")
