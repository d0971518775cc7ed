"""The page names the metrics of tasks by their own names, units and directions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import predictor
import spaces
from oneshot.search.loop import run_search
from predictor.verdict import judge
from service.admission.tasks import SearchTask
from service.kinds.search import problem_of
from tests.service.page.accessibility import find_violations

from .conftest import Open

SPACE = "spos-tiny"
DEGREES = {"unit": "degrees", "higher_is_better": False}
REFUSED = "status of 4"
VERDICT = {
    "truth": "cifar10_test_acc of nasbench201",
    **judge(np.arange(200.0) % 90, np.arange(200.0), (1.0, 5.0)).to_dict(),
}


@pytest.fixture
def angles(unattended: Any, tmp_path: Path) -> str:
    """A predictor of errors in degrees at the service, trained on the evaluations `turned`."""
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(3), 80), axis=0)[:30]
    errors = 40 - 2 * np.log(space.macs(codes).astype(float))
    source = {"kind": "supernet", "task": "angle", "metrics": {"degrees": DEGREES}}
    unattended.client.upload_evaluations(
        "turned",
        [
            {"architecture": item.to_dict(), "metrics": {"degrees": float(error)}, "source": source}
            for item, error in zip(space.decode(codes), errors, strict=True)
        ],
    )
    model = predictor.make("forest", space)
    model.fit(codes, -errors)
    model.record_training({"metric": "degrees", **DEGREES})
    model.save(tmp_path / "angles.safetensors")

    unattended.client.train_predictor("angles", "turned", encoder="forest")
    figures = {"kendall_tau": 0.8, "kendall_tau_error": 0.1, "spearman": 0.9, "seconds": 1.5}
    report = {
        "encoder": "forest",
        "metric": "degrees",
        **DEGREES,
        "trained_on": 24,
        "tested_on": 6,
        "refit": False,
        "figures": {"forest": figures},
        "verdict": VERDICT,
    }
    job = unattended.claim()
    unattended.finish(
        job,
        {"name": "angles", "space": SPACE, "report": report},
        "predictor.safetensors",
        (tmp_path / "angles.safetensors").read_bytes(),
    )
    return str(job.id)


def test_evaluations_offer_the_metrics_of_their_task(
    unattended: Any, angles: str, visit: Open
) -> None:
    page = visit(f"{unattended.url}/#/add/predictor", REFUSED)
    expect(page.locator("#predictor-metric")).to_have_value("degrees")
    expect(page.locator("#predictor-metric-hint")).to_have_text("degrees, lower is better")
    expect(page.locator("#from-evaluations-hint")).to_contain_text(
        "30 networks of spos-tiny, angle"
    )


def test_trained_predictor_names_its_metric(unattended: Any, angles: str, visit: Open) -> None:
    page = visit(f"{unattended.url}/#/job/{angles}", REFUSED)
    expect(page.locator("#result")).to_contain_text("ranks unseen networks by degrees")
    assert find_violations(page, "trained predictor") == []


def test_verdict_of_a_predictor_is_shown_with_its_intervals(
    unattended: Any, angles: str, visit: Open, picture: Callable[[Page, str], None]
) -> None:
    url = f"{unattended.url}/#/job/{angles}"
    page = visit(url, REFUSED, viewport={"width": 390, "height": 844})
    section = page.locator(".verdict")
    expect(section).to_contain_text("Judged by cifar10_test_acc of nasbench201 on 200 networks")
    sentence = VERDICT["sentence"]
    expect(section).to_contain_text(f"{sentence[0].upper()}{sentence[1:]}.")
    tau = VERDICT["figures"][0]
    expect(section.locator("dd").first).to_contain_text(f"{tau['value']:.3f}")
    expect(section.locator("dd").first).to_contain_text(f"{tau['low']:.3f} to {tau['high']:.3f}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture(page, "verdict-narrow")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("light", {}),
        ("dark", {"color_scheme": "dark"}),
        ("narrow", {"viewport": {"width": 390, "height": 844}}),
    ],
)
def test_search_shows_values_of_the_metric_rather_than_negative_scores(
    unattended: Any,
    angles: str,
    visit: Open,
    picture: Callable[[Page, str], None],
    name: str,
    settings: dict[str, Any],
) -> None:
    handle = unattended.client.search(space=SPACE, guide="angles", options={"generations": 1})
    job = unattended.claim()
    task = SearchTask.from_dict(job.task)
    page = visit(unattended.url, REFUSED, **settings)
    page.locator("#guide").select_option("predictor:angles")
    expect(page.locator("#guide-hint")).to_have_text("Predicts degrees (degrees, lower is better)")

    page.goto(f"{unattended.url}/#/search/{handle.id}")
    unattended.service.store.jobs.report(
        job.id,
        job.attempt,
        {"evaluated": 5, "planned": 50, "best": -12.5, "metric": {"metric": "degrees", **DEGREES}},
    )
    expect(page.locator(".progress")).to_contain_text("best degrees 12.50")

    result = run_search(problem_of(task), task.strategy, options=task.options, seed=task.seed)
    value = result.to_dict()
    shown = {key: item for key, item in value.items() if key != "candidates"}
    unattended.finish(job, shown, "result.json", json.dumps(value).encode())
    best = -result.scores[0]
    figure = page.locator(".figures div").first
    expect(figure).to_contain_text("Predicted degrees")
    expect(figure).to_contain_text("degrees, lower is better")
    assert abs(float(figure.locator("dd").inner_text().split()[0]) - best) < 0.01
    expect(page.locator("#network-title")).to_have_text("The best network")
    expect(page.locator(".network .about")).to_contain_text("Predicted degrees ")
    expect(page.locator("table.front th").first).to_contain_text("lower is better")
    expect(page.locator(".plot .ytitle")).to_contain_text("lower is better")
    assert "\N{MINUS SIGN}" not in page.locator("table.front").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture(page, f"metric-{name}")


def test_retrained_network_shows_the_test_of_its_task(unattended: Any, visit: Open) -> None:
    architecture = spaces.get(SPACE).architecture([0] * 6)
    handle = unattended.client.retrain(architecture, epochs=1)
    job = unattended.claim()
    test = {"degrees": 12.345, "degrees_interval": [11.5, 13.2], "images": 400}
    result = {
        "architecture": architecture.to_dict(),
        "test": test,
        "task": "angle",
        "metrics": {"degrees": DEGREES},
        "seed": 0,
    }
    unattended.finish(job, result, "weights.safetensors", b"weights")
    page = visit(f"{unattended.url}/#/job/{handle.id}", REFUSED)
    figures = page.locator(".figures")
    expect(figures).to_contain_text("Degrees")
    expect(figures.locator("dd").first).to_have_text("12.35 degrees")
    expect(figures).to_contain_text("11.5 to 13.2 degrees")
    assert find_violations(page, "trained network") == []
