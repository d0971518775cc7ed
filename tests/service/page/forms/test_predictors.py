"""The form that trains predictors."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.service.page.accessibility import find_violations
from tests.service.page.forms.inputs import REFUSED, SPACE, Open, Picture, evaluations, fault
from tests.service.page.test_accessibility import press_until


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
