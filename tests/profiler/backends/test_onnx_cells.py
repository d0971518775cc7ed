"""Networks of cells under onnxruntime."""

import numpy as np
import pytest
import torch

import spaces
from profiler.backends.base import Conditions
from profiler.backends.onnxruntime_session import OnnxRuntime, SessionRunner
from profiler.backends.torch_eager import unit_variance
from spaces.space import SearchSpace


@pytest.fixture
def space() -> SearchSpace:
    """One cell a stage."""
    return spaces.get("nasbench201(cells=1, channels=4)")


def session_of(space: SearchSpace, row: np.ndarray, precision: str = "fp32") -> SessionRunner:
    runner = OnnxRuntime(Conditions("cpu", precision=precision)).network_runner(
        space, space.architecture(row)
    )
    assert isinstance(runner, SessionRunner)
    return runner


def test_the_network_that_is_timed_is_the_architectures(space: SearchSpace) -> None:
    for row in space.sample(np.random.default_rng(0), 4):
        runner = session_of(space, row)
        network = space.network(space.architecture(row)).eval()
        with torch.no_grad():
            unit_variance(network, torch.Generator().manual_seed(0))
            told = network(torch.from_numpy(runner.feed["image"])).numpy()
        (found,) = runner.session.run(None, runner.feed)
        np.testing.assert_allclose(found, told, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_cell_without_a_path_to_its_output_runs(space: SearchSpace, precision: str) -> None:
    nothing = np.array(
        [list(choice.candidates).index("none") for choice in space.choices], dtype=space.dtype
    )
    runner = session_of(space, nothing, precision)
    assert runner.whole() > 0
