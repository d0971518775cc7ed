"""Forms of the page: adding tables, evaluations and predictors, and the limits of searches."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

import spaces
from tests.service.page.accessibility import find_violations
from tests.service.page.test_accessibility import press_until

SPACE = "spos-tiny"
REFUSED = r"status of 4(09|22)"

Open = Callable[..., Page]
Picture = Callable[[Page, str], None]


def evaluations(path: Path, count: int) -> Path:
    """Evaluations of networks, better the more they compute."""
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(3), 2 * count), axis=0)[:count]
    rows = zip(space.decode(codes), np.log(space.macs(codes)).tolist(), strict=True)
    lines = (
        json.dumps(
            {
                "architecture": found.to_dict(),
                "metrics": {"top1": value, "cross_entropy": 20 - value},
            }
        )
        for found, value in rows
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def fault(page: Page, field: str) -> Any:
    return page.locator(f"#{field}-fault")


def test_a_table_is_uploaded_and_searched_with(
    unattended: Any, world: Any, visit: Open, picture: Picture, tmp_path: Path
) -> None:
    page = visit(unattended.url, REFUSED)
    page.get_by_text("2 files cannot be used").click()
    expect(page.locator("#unusable li")).to_have_text(
        [re.compile(r"^broken.*json"), re.compile(r"^broken.*safetensors")]
    )
    page.get_by_role("link", name="A device").click()
    page.get_by_role("button", name="Upload").click()
    expect(fault(page, "table-file")).to_have_text("choose a file")
    expect(fault(page, "table-name")).to_have_text("enter a value")
    page.locator("#table-file").set_input_files(world.tables / "broken.json")
    expect(fault(page, "table-file")).to_contain_text("broken.json is not JSON")
    page.locator("#table-file").set_input_files(world.tables / "made-up.json")
    expect(page.locator("#table-file-hint")).to_have_text(
        re.compile(rf"^{SPACE} · made up, .* blocks, 64 networks$")
    )
    name = page.locator("#table-name")
    expect(name).to_have_value("made-up")
    page.get_by_role("button", name="Upload").click()
    expect(fault(page, "table-name")).to_contain_text("name 'made-up'")
    expect(name).to_be_focused()
    picture(page, "table-refused")
    name.fill("my-phone")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text(
        "Uploaded my-phone. Searches can use it now."
    )
    picture(page, "table-uploaded")
    page.get_by_role("button", name="Search with it").click()
    expect(page.locator("#device")).to_have_value("my-phone")
    assert "my-phone" in {table.name for table in unattended.client.tables()}
    wrong = json.loads((world.tables / "made-up.json").read_text(encoding="utf-8"))
    (tmp_path / "wrong.json").write_text(json.dumps({**wrong, "seed": "none"}), encoding="utf-8")
    page.get_by_role("link", name="A device").click()
    page.locator("#table-file").set_input_files(tmp_path / "wrong.json")
    page.locator("#table-name").fill("wrong")
    page.get_by_role("button", name="Upload").click()
    expect(fault(page, "table-file")).to_contain_text("seed")


def test_a_predictor_is_trained_from_uploaded_evaluations(
    unattended: Any, world: Any, visit: Open, picture: Picture, tmp_path: Path
) -> None:
    page = visit(unattended.url, REFUSED)
    page.get_by_role("link", name="A predictor").click()
    page.get_by_role("link", name="Add evaluations").click()
    page.locator("#evaluations-file").set_input_files(evaluations(tmp_path / "my tries.jsonl", 30))
    expect(page.locator("#evaluations-file-hint")).to_have_text(
        f"30 networks of {SPACE}: top1, cross_entropy"
    )
    expect(page.locator("#evaluations-name")).to_have_value("my-tries")
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("link", name="Train a predictor from them").click()
    expect(page.locator("#from-evaluations")).to_have_value("my-tries")
    expect(page.locator("#from-evaluations-hint")).to_have_text(f"30 networks of {SPACE}")
    page.locator("#predictor-name").fill("small")
    page.get_by_label("Kind", exact=True).select_option("random forest")
    page.get_by_label("Predicted metric").select_option("top-1 accuracy")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(fault(page, "predictor-name")).to_contain_text("name 'small'")
    page.locator("#predictor-name").fill("mine")
    page.get_by_role("button", name="Train", exact=True).click()
    progress = page.locator(".progress .row span")
    expect(progress).to_have_text("Waiting for its turn")
    job = unattended.claim()
    request = job.request
    assert (job.kind, request["name"], request["evaluations"]) == ("predictor", "mine", "my-tries")
    assert (request["options"]["encoder"], request["options"]["metric"]) == ("forest", "top1")
    unattended.report(job, 0.25, "fitting forest on 24")
    expect(progress).to_have_text("Fitting forest on 24")
    assert page.locator("progress").evaluate("(bar) => bar.value") == 0.25
    expect(page.locator("#runs li").first).to_contain_text("25 %")
    picture(page, "predictor-training")
    figures = {"kendall_tau": 0.812, "spearman": 0.9, "seconds": 0.4}
    report = {
        "encoder": "forest",
        "metric": "top1",
        "trained_on": 24,
        "tested_on": 6,
        "refit": True,
    }
    report["figures"] = {"forest": figures, "gp": {**figures, "kendall_tau": None}}
    result = {"name": "mine", "space": SPACE, "report": report}
    content = (world.predictors / "small.safetensors").read_bytes()
    unattended.finish(job, result, "predictor.safetensors", content)
    expect(page.locator("#result h2")).to_have_text("The predictor mine")
    expect(page.locator(".figures dd").first).to_have_text("0.812")
    expect(page.locator("#result tbody tr")).to_have_text(
        [re.compile("random forest"), re.compile("Gaussian process\u2013")]
    )
    picture(page, "predictor-trained")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the predictor").click()
    assert download.value.path().read_bytes() == content
    page.get_by_role("button", name="Search with it").click()
    expect(page.locator("#guide")).to_have_value("predictor:mine")


def test_several_metrics_are_taught_to_the_steps_of_ta_gates(
    unattended: Any, visit: Open, picture: Picture, tmp_path: Path
) -> None:
    unattended.client.upload_evaluations("epochs", evaluations(tmp_path / "some.jsonl", 30))
    page = visit(f"{unattended.url}/#/add/predictor", REFUSED)
    steps = page.get_by_role("group", name="Metrics of earlier steps")
    expect(steps).to_be_hidden()
    page.get_by_label("Kind", exact=True).select_option("TA-GATES")
    page.get_by_label("Predicted metric").select_option("top-1 accuracy")
    expect(steps.get_by_role("checkbox")).to_have_count(1)
    press_until(page, "Tab", "#predictor-step-cross_entropy")
    page.keyboard.press("Space")
    assert find_violations(page, "metrics of steps") == []
    picture(page, "predictor-steps")
    page.locator("#predictor-name").fill("steps")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#result .about")).to_contain_text("predicts cross entropy, then top1")
    options = unattended.claim().request["options"]
    assert (options["encoder"], options["metric"]) == ("ta-gates", ["cross_entropy", "top1"])


def test_experts_learn_columns_next_to_the_evaluations(
    unattended: Any, visit: Open, tmp_path: Path
) -> None:
    for name in ("phone", "phone-proxies"):
        unattended.client.upload_evaluations(
            name, evaluations(tmp_path / f"{name}.jsonl", 30 + len(name))
        )
    page = visit(f"{unattended.url}/#/add/predictor", REFUSED)
    page.get_by_label("Evaluations", exact=True).select_option("phone")
    page.get_by_label("Kind", exact=True).select_option("DELE")
    page.locator("#predictor-name").fill("experts")
    page.get_by_text("Columns of evidence", exact=True).first.click()
    page.get_by_role("checkbox", name="phone-proxies").check()
    page.get_by_role("button", name="Train", exact=True).click()

    expect(page.locator("#result .about")).to_contain_text("phone, phone-proxies")
    request = unattended.claim().request
    assert (request["evaluations"], request["columns"]) == ("phone", ["phone-proxies"])
    assert request["options"]["encoder"] == "dele"
    # Options of a training with evaluations apply as well.
    assert request["options"]["refit"] is True


def test_columns_of_evidence_vote_without_labels(
    unattended: Any, world: Any, visit: Open, picture: Picture, tmp_path: Path
) -> None:
    for name in ("phone", "phone-proxies"):
        unattended.client.upload_evaluations(name, evaluations(tmp_path / f"{name}.jsonl", 15))
    page = visit(f"{unattended.url}/#/add/predictor", REFUSED)
    page.get_by_label("Evaluations", exact=True).select_option("none: columns vote")
    page.locator("#predictor-name").fill("votes")
    page.get_by_text("Columns of evidence", exact=True).first.click()
    page.get_by_role("checkbox", name="phone-proxies").check()
    page.get_by_role("checkbox", name="phone", exact=True).check()
    assert find_violations(page, "columns of evidence") == []
    page.get_by_role("button", name="Train", exact=True).click()

    expect(page.locator("#result .about")).to_contain_text("phone, phone-proxies")
    job = unattended.claim()
    assert job.request["columns"] == ["phone", "phone-proxies"]
    assert job.request["evaluations"] is None
    report = {
        "evidence": "evidence: 15 networks' proxies, 15 evaluations, no labels",
        "weights": {"phone.jsonl:cross_entropy": 1.0, "phone-proxies.jsonl:meco": 0.0},
        "agreements": {"phone.jsonl:cross_entropy": 0.0, "phone-proxies.jsonl:meco": -0.4},
    }
    content = (world.predictors / "small.safetensors").read_bytes()
    result = {"name": "votes", "space": SPACE, "report": report}
    unattended.finish(job, result, "predictor.safetensors", content)
    expect(page.locator("#result .reason")).to_have_text(report["evidence"])
    expect(page.locator("#result tbody tr")).to_have_count(2)
    picture(page, "predictor-votes")


def test_files_are_listed_and_deleted_at_the_second_press(
    unattended: Any, visit: Open, picture: Picture, world: Any, tmp_path: Path
) -> None:
    unattended.client.upload_table(world.tables / "made-up.json", "my-phone")
    unattended.client.upload_evaluations("mine", evaluations(tmp_path / "mine.jsonl", 15))
    page = visit(unattended.url, REFUSED)
    page.get_by_role("link", name="Files").click()
    rows = page.locator("#result tbody tr")
    # Files of the service's folders are not for the page to delete.
    expect(rows).to_have_text([re.compile("my-phone"), re.compile("mine")])
    picture(page, "files")
    press_until(page, "Tab", "[aria-label='Delete device my-phone']")
    page.keyboard.press("Enter")
    assert "my-phone" in {table.name for table in unattended.client.tables()}
    page.keyboard.press("Enter")
    expect(rows).to_have_text([re.compile("mine")])
    assert "my-phone" not in {table.name for table in unattended.client.tables()}
    expect(page.locator("#device option", has_text="my-phone")).to_have_count(0)


def test_an_error_in_evaluations_names_its_line(
    unattended: Any, visit: Open, tmp_path: Path
) -> None:
    page = visit(f"{unattended.url}/#/add/evaluations", REFUSED)
    lines = evaluations(tmp_path / "few.jsonl", 12).read_text(encoding="utf-8").splitlines()
    file, upload = page.locator("#evaluations-file"), page.get_by_role("button", name="Upload")
    (tmp_path / "torn.jsonl").write_text("\n".join([*lines, "", lines[0][:40]]), encoding="utf-8")
    file.set_input_files(tmp_path / "torn.jsonl")
    expect(fault(page, "evaluations-file")).to_contain_text("torn.jsonl, line 14 is not JSON")
    other = json.loads(lines[5])
    other["architecture"]["choices"]["layer_1"] = "k9"
    (tmp_path / "other.jsonl").write_text(
        "\n".join(["", *lines[:5], json.dumps(other)]), encoding="utf-8"
    )
    file.set_input_files(tmp_path / "other.jsonl")
    upload.click()
    expect(fault(page, "evaluations-file")).to_have_text(re.compile("^line 7: .*k9"))
    file.set_input_files(tmp_path / "few.jsonl")
    expect(fault(page, "evaluations-file")).to_have_text("")
    upload.click()
    page.get_by_role("link", name="Train a predictor from them").click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(fault(page, "from-evaluations")).to_contain_text(
        "12 evaluations; training on 9 leaves fewer than 5 to test on"
    )
    page.get_by_text("Training options").click()
    page.locator("#predictor-share").fill("0.99")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(fault(page, "predictor-share")).to_have_text("enter at most 0.95")


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


@pytest.mark.parametrize("what", ["table", "evaluations", "predictor", "pipeline"])
def test_forms_are_readable_on_a_phone_and_every_control_has_a_name(
    unattended: Any, visit: Open, tmp_path: Path, what: str, picture: Picture
) -> None:
    lines = evaluations(tmp_path / "mine.jsonl", 15).read_text(encoding="utf-8").splitlines()
    unattended.client.upload_evaluations(
        "a-name-that-is-rather-long-for-a-phone", list(map(json.loads, lines))
    )
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = visit(f"{unattended.url}/#/add/{what}", REFUSED, **phone)
    expect(page.locator("#result form")).to_be_visible()
    for summary in page.locator("#result summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for control in page.locator("#result input, #result select, #result textarea").all():
        assert control.evaluate(
            "(field) => field.labels.length === 1 && field.labels[0].innerText.trim() !== ''"
        )
    picture(page, f"phone-{what}")


def test_owners_are_shown_and_administrators_share(
    unattended: Any, world: Any, visit: Open, picture: Picture
) -> None:
    tokens = unattended.service.store.tokens
    users = {name: tokens.create(name, administrator=name == "root") for name in ("ada", "root")}
    for name, secret in users.items():
        page = visit(unattended.url, "status of 4(01|22)")
        page.get_by_label("Token").fill(secret)
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_hidden()
        shared = page.locator("#device option", has_text="made-up (shared)")
        expect(shared).to_have_count(1)

        page.get_by_role("link", name="A device").click()
        page.locator("#table-file").set_input_files(world.tables / "made-up.json")
        if name == "root":
            page.get_by_label("Share with everyone").check()
            page.locator("#table-name").fill("everybodys")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("status")).to_contain_text("Searches can use it now.")
        expect(page.get_by_label("Share with everyone")).to_be_visible(visible=name == "root")
        page.get_by_role("button", name="Search with it").click()
        chosen = "made-up" if name == "ada" else "everybodys"
        expect(page.locator("#device")).to_have_value(chosen)
        picture(page, f"owners-{name}")

    texts = page.locator("#device option").all_text_contents()
    assert "everybodys (shared)" in texts
    assert "ada/made-up" in texts


def test_a_table_is_adapted_from_measured_networks(
    unattended: Any, visit: Open, picture: Picture, tmp_path: Path
) -> None:
    page = visit(f"{unattended.url}/#/add/table", REFUSED)
    page.get_by_role("link", name="adapt a table").click()
    expect(page.get_by_role("heading", name="Adapt a device")).to_be_visible()
    page.get_by_role("button", name="Download the networks").click()
    expect(fault(page, "adapt-sources")).to_have_text("enter a value")
    page.get_by_label("Known devices").select_option("made-up")
    page.locator("#adapt-networks").fill("5")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the networks").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)

    content = json.loads(path.read_text(encoding="utf-8"))
    assert len(content["measured"]) == 5
    latency_file = page.locator("#adapt-file")
    latency_file.set_input_files(path)
    expect(fault(page, "adapt-file")).to_contain_text("5 of 5 networks have no latency_ms")
    space = spaces.get(SPACE)
    for entry in content["measured"]:
        architecture = space.architecture(entry["architecture"]["choices"])
        entry["latency_ms"] = 1 + space.macs(architecture) / 1e6
    path.write_text(json.dumps(content), encoding="utf-8")
    latency_file.set_input_files(path)
    expect(page.locator("#adapt-file-hint")).to_have_text("5 networks")
    page.locator("#adapt-device").fill("my board")
    page.locator("#adapt-name").fill("my-board")
    page.get_by_role("button", name="Adapt", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Adapted my-board.")
    picture(page, "table-adapted")
    assert find_violations(page, "add adaptation") == []
    page.get_by_role("button", name="Search with it").click()
    expect(page.locator("#device")).to_have_value("my-board")
