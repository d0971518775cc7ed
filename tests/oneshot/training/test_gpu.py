"""Training on a GPU: precisions, memory, resuming."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oneshot.algorithms.spos import PathAlgorithm
from oneshot.data.images import ImageData
from oneshot.samplers import Uniform
from oneshot.training import Execution, fit
from oneshot.training.engine import Engine
from oneshot.training.fitting import launchable
from oneshot.training.recipe import Recipe
from spaces import ChainSpace
from spaces.modules.blocks import build
from spaces.modules.network import ChainNetwork

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize(("precision", "alike"), [("fp32", 0.99), ("bf16", 0.95), ("fp16", 0.95)])
def test_a_gpu_moves_weights_as_the_processor_does(
    small: ChainSpace,
    images: ImageData,
    short: Recipe,
    tmp_path: Path,
    precision: str,
    alike: float,
) -> None:
    moved = []
    for accelerator, how in (("cpu", "fp32"), ("gpu", precision)):
        supernet, begin = small.supernet(3), small.supernet(3)
        recipe = dataclasses.replace(short, steps=1, clip=1.0)
        execution = Execution(accelerator=accelerator, precision=how)
        for module in supernet.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # the two draw differently
        fit(
            PathAlgorithm(supernet, recipe, Uniform(small, 0)),
            images.train,
            tmp_path / accelerator,
            seed=0,
            execution=execution,
        )
        pairs = zip(supernet.parameters(), begin.parameters(), strict=True)
        moved.append(torch.cat([(new - old).detach().reshape(-1) for new, old in pairs]))
        assert {value.device.type for value in supernet.state_dict().values()} == {"cpu"}
    assert float(torch.cosine_similarity(*moved, dim=0)) > alike


def test_a_training_with_loss_scaling_goes_on(
    small: ChainSpace, images: ImageData, short: Recipe, tmp_path: Path, weights: Any
) -> None:
    execution = Execution(accelerator="gpu", precision="fp16", checkpoint_every=5)
    whole = PathAlgorithm(small.supernet(3), short, Uniform(small, 0))
    fit(whole, images.train, tmp_path / "whole", seed=0, execution=execution)
    broken = PathAlgorithm(small.supernet(3), short, Uniform(small, 0))
    broken.after_step = lambda step: (_ for _ in ()).throw(RuntimeError) if step == 7 else None  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        fit(broken, images.train, tmp_path / "broken", seed=0, execution=execution)
    state = torch.load(tmp_path / "broken" / "last.ckpt", weights_only=True)
    assert state["step"] == 5
    assert state["precision"]["scale"] > 0
    resumed = PathAlgorithm(small.supernet(3), short, Uniform(small, 0))
    fit(resumed, images.train, tmp_path / "broken", seed=0, execution=execution)
    for name, value in weights(
        whole.model
    ).items():  # convolutions on GPUs may sum in another order
        torch.testing.assert_close(weights(resumed.model)[name], value, rtol=1e-2, atol=1e-2)


def test_a_step_takes_no_more_memory_than_its_path(tiny: ChainSpace) -> None:
    """Beside the supernet's weights and momenta."""
    images = torch.randn(64, 3, 32, 32, device="cuda").contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (64,), device="cuda")
    codes = tiny.sample(np.random.default_rng(0), 1)

    class Same:
        def paths(self, step: int) -> Any:
            return codes

    (architecture,) = tiny.decode(codes)
    plain: Any = ChainNetwork([build(block, affine=False) for block in tiny.blocks(architecture)])
    peaks = []
    for model in (plain, tiny.supernet()):
        model.train().to("cuda", memory_format=torch.channels_last)
        model.activate = getattr(model, "activate", lambda row: None)
        algorithm = PathAlgorithm(model, Recipe(), Same())
        engine = Engine(launchable(Execution(accelerator="gpu")), algorithm.optimizers(10))
        algorithm.step([(images, labels)], 0, engine)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        algorithm.step([(images, labels)], 1, engine)
        peaks.append(torch.cuda.max_memory_allocated() - before)
        del algorithm, engine
    assert peaks[1] <= 1.05 * peaks[0]
