"""Networks with a head in the backends, and the memory that they hold."""

import numpy as np
import pytest
import torch

import spaces
from profiler.backends.base import Conditions
from profiler.backends.hooked import HookedRunner
from profiler.backends.live_tensors import live_tensor_bytes
from profiler.backends.onnxruntime_session import OnnxRuntime, SessionRunner
from profiler.backends.torch_eager import TorchEager
from spaces.modules.nested import tensors_in
from spaces.space import SearchSpace
from tables.cost.memory import memory_model
from tables.lookup_table import LookupTable
from tables.records import BlockCost

SPACES = [
    "spos-tiny(head=ssdlite(channels=(32, 16)), num_classes=3)",
    "ofa-mobilenetv3(width=0.35, input_size=64, head=bifpn(width=16), num_classes=3)",
    "fbnet(input_size=32, head=mask, num_classes=3)",
]


@pytest.mark.parametrize("name", SPACES)
def test_networks_of_both_runtimes_agree(name: str) -> None:
    space = spaces.get(name)
    runtime = OnnxRuntime(Conditions("cpu", seed=4))
    eager = TorchEager("cpu", seed=4)

    for architecture in space.decode(space.sample(np.random.default_rng(0), 2)):
        runner = runtime.network_runner(space, architecture)
        other = eager.network_runner(space, architecture)
        assert isinstance(runner, SessionRunner)
        assert isinstance(other, HookedRunner)
        results = runner.session.run(None, runner.feed)
        with torch.inference_mode():
            expected = list(tensors_in(other.network(torch.from_numpy(runner.feed["image"]))))

        for result, values in zip(results, expected, strict=True):
            tolerance = 5e-3 * float(values.abs().max())
            assert np.asarray(result) == pytest.approx(values.numpy(), abs=tolerance)


def test_blocks_of_torch_are_timed_in_the_order_of_the_space() -> None:
    space = spaces.get(SPACES[0])
    architecture = space.decode(space.sample(np.random.default_rng(0), 1))[0]
    runner = TorchEager("cpu").network_runner(space, architecture)

    assert len(runner.blocks()) == len(space.blocks(architecture))
    assert all(latency > 0 for latency in runner.blocks())


def table_of_memory(space: SearchSpace, batch: int) -> LookupTable:
    """Return a table of a space with the measured memory of its blocks."""
    backend = TorchEager("cpu", batch=batch)
    blocks = {
        key: BlockCost(1.0, 0.0, 1, block.macs, block.params, backend.activation_bytes(block))
        for key, block in space.all_blocks.items()
    }
    return LookupTable(
        name="memory",
        space=space.name,
        device={},
        conditions={"backend": "torch", "batch": batch, "precision": "fp32", "threads": 1},
        versions={},
        created="",
        command="",
        seed=0,
        measurement=None,
        blocks=blocks,
        networks=(),
    )


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("batch", [1, 2])
def test_memory_model_is_what_whole_networks_hold(name: str, batch: int) -> None:
    space = spaces.get(name)
    table = table_of_memory(space, batch)
    model = memory_model(table, space)
    codes = space.sample(np.random.default_rng(4), 3)

    for architecture, estimate in zip(space.decode(codes), model.estimate(codes), strict=True):
        image = torch.randn(batch, *space.input_shape)
        measured = live_tensor_bytes(space.network(architecture).eval(), image)
        # The caller holds the image all along, the model in the first block only.
        first = table.blocks[space.blocks(architecture)[0].key].activation_bytes
        assert max(measured - image.nbytes, first) == estimate
