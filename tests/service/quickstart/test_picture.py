"""The picture of a quickstart's search."""

from pathlib import Path

import numpy as np
import pytest

import spaces
from oneshot import SearchResult
from service.quickstart.picture import draw_front
from service.quickstart.summary import NetworkFigures
from tables.metrics import QUALITIES


def search_result(cross_entropies: list[float]) -> SearchResult:
    space = spaces.get("spos-tiny")
    count = len(cross_entropies)
    return SearchResult(
        space=space.name,
        guide={},
        constraints=[{"metric": "latency_ms", "maximum": 2.0}],
        objectives=["latency_ms"],
        strategy={},
        seed=0,
        codes=space.sample(np.random.default_rng(0), count),
        scores=-np.array(cross_entropies),
        deviations=np.zeros(count),
        costs={"latency_ms": np.linspace(1.5, 1.0, count)},
        order=np.arange(count),
        history=[],
    )


def network_figures(cross_entropy: float) -> NetworkFigures:
    return NetworkFigures(
        maximum_ms=2.0,
        sigma_ms=0.01,
        predicted_ms=1.5,
        measured_ms=1.6,
        normalised_ms=1.55,
        onnx_ms=1.2,
        macs=1e6,
        params=1e4,
        metric="cross_entropy",
        definition=QUALITIES["cross_entropy"],
        predicted=cross_entropy,
        deviation=0.01,
        supernet={},
        test={"top1": 95.0, "top1_interval": [93.0, 97.0]},
        metrics=QUALITIES,
    )


# Matplotlib warns of equal limits, and a warning fails the test.
@pytest.mark.parametrize("cross_entropies", [[0.5], [0.5, 0.5], [0.4, 0.5, 0.9]])
def test_front_of_any_size_is_drawn_without_a_warning(
    cross_entropies: list[float], tmp_path: Path
) -> None:
    networks = {"found": network_figures(cross_entropies[0]), "random": network_figures(0.5)}
    path = tmp_path / "front.svg"
    draw_front(search_result(cross_entropies), networks, path)
    assert "<svg" in path.read_text(encoding="utf-8")


def test_picture_of_the_same_search_has_the_same_bytes(tmp_path: Path) -> None:
    networks = {"found": network_figures(0.4), "random": network_figures(0.5)}
    for name in ("first.svg", "second.svg"):
        draw_front(search_result([0.4, 0.5]), networks, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()
