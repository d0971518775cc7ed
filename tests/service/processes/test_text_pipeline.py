"""A pipeline that finds, trains and exports a decoder of text, at a real service to its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PIPELINE = """
space: decoder-tiny(vocabulary=27)
data: letters
level: characters
task: language
profile: {prompt: 16, cache: 16, threads: 1, budget: 2s}
train: {algorithm: ofa, option: {distillation: 0}, steps: 20, batch-size: 8, optimizer: adamw,
        learning-rate: 0.003, label-smoothing: 0}
evaluate: {n: 30, images: 8}
predict: {}
search: {strategy: random, option: {evaluations: 40}, constraint: decode_ms<=1000@profile}
retrain: {steps: 40, batch-size: 8, optimizer: adamw, learning-rate: 0.003, label-smoothing: 0}
export: {}
measure: {}
"""


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """Letters of which each decides the next one with chance .9."""
    rng = np.random.default_rng(0)
    indices = np.where(rng.random(20_000) < 0.9, 7, rng.integers(26, size=20_000)).cumsum() % 26
    path = tmp_path / "letters.txt"
    path.write_text("".join(chr(97 + index) for index in indices))
    return path


@pytest.mark.slow
def test_a_decoder_is_found_trained_and_exported(
    start: Callable[..., Any], letters: Path, tmp_path: Path
) -> None:
    named = ("--data-set", f"letters=text:{letters}", "--space", "decoder-tiny(vocabulary=27)")
    served = start(tmp_path / "service", *named)
    handle = served.client.run_pipeline(PIPELINE, "decoder")
    result = handle.wait(900)

    stages = {stage["name"]: stage["result"] for stage in result["stages"]}
    assert list(stages)[-2:] == ["export", "measure"]
    best = json.loads(handle.file("search.json"))["best"][0]
    assert best["costs"]["decode_ms"] > 0
    # Far below log 27 = 3.3, since each letter mostly decides the next one.
    assert float(stages["retrain"].split()[2]) < 2
    assert len(handle.file("export.onnx")) > 10_000
    # Paths of the service's machine are not told.
    assert str(letters).encode() not in handle.file("search.json")
