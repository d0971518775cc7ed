"""Runners of networks of text: the phases by torch and by onnxruntime, refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spaces
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from profiler.errors import UnsupportedConditions
from profiler.measurement import measure_files
from spaces.architecture import Architecture
from spaces.errors import InvalidParameter
from spaces.modules.nested import tensors_in
from spaces.space import SearchSpace

PHASES = [("prefill", 12), ("decode", 10)]


@pytest.fixture
def space() -> SearchSpace:
    return spaces.get("decoder-tiny")


@pytest.fixture
def architecture(space: SearchSpace) -> Architecture:
    return space.sample(np.random.default_rng(0))


@pytest.mark.parametrize(("phase", "length"), PHASES)
def test_torch_times_every_block(
    space: SearchSpace, architecture: Architecture, phase: str, length: int
) -> None:
    at_phase = space.at_phase(phase, length)
    backend = make_backend("torch", Conditions("cpu", batch=3))
    runner: Any = backend.network_runner(at_phase, architecture)
    assert runner.whole() > 0
    latencies = runner.blocks()
    assert len(latencies) == len(at_phase.blocks(architecture))
    assert min(latencies) > 0
    # Indices of tokens stay integers in every precision.
    assert next(tensors_in(runner.image)).shape == (3, *at_phase.input_shape_of(architecture))
    assert next(tensors_in(runner.image)).dtype == torch.int64


@pytest.mark.parametrize(("phase", "length"), PHASES)
def test_onnxruntime_computes_what_torch_does(
    space: SearchSpace, architecture: Architecture, phase: str, length: int
) -> None:
    at_phase = space.at_phase(phase, length)
    backend = make_backend("onnxruntime", Conditions("cpu", batch=2, seed=3))
    runner: Any = backend.network_runner(at_phase, architecture)
    assert list(runner.feed) == at_phase.input_names(architecture)
    assert runner.session.run(None, runner.feed)[0].shape == (
        2,
        *at_phase.input_shape_of(architecture),
        space.num_classes,
    )
    assert runner.whole() > 0


def test_backends_of_chains_refuse_a_cache(space: SearchSpace, architecture: Architecture) -> None:
    backend = make_backend("torch-compile", Conditions("cpu"))
    with pytest.raises(UnsupportedConditions, match="runs chains of blocks; decoder-tiny is none"):
        backend.network_runner(space.at_phase("decode", 4), architecture)


def test_measured_files_have_both_phases(architecture: Architecture, tmp_path: Path) -> None:
    file = tmp_path / "architecture.json"
    file.write_text(architecture.to_json())
    conditions = Conditions("cpu")
    result = measure_files(
        [file],
        make_backend("torch", conditions),
        conditions,
        rounds=3,
        lengths={"prompt": 8, "cache": None},
    )
    (entry,) = result.entries
    assert set(entry) == {"file", "runtime", "prefill", "decode"}
    assert all(entry[phase]["latency_ms"] > 0 for phase in ("prefill", "decode"))


def test_prompt_beyond_the_context_is_refused(architecture: Architecture, tmp_path: Path) -> None:
    file = tmp_path / "architecture.json"
    file.write_text(architecture.to_json())
    conditions = Conditions("cpu")
    backend = make_backend("torch", conditions)
    with pytest.raises(InvalidParameter, match="prompt: 17 tokens are longer than the longest"):
        measure_files([file], backend, conditions, rounds=3, lengths={"prompt": 17, "cache": 4})
