"""Mutators bind to models behind DistributedDataParallel and torch.compile."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from oneshot.algorithms.proxyless.mutator import ProxylessMutator
from oneshot.mutators.mutator import FixedArchitecture, RandomMutator

SCRIPT = Path(__file__).with_name("two_ranks.py")
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_two_ranks_train_as_one_process(tmp_path: Path) -> None:
    """Both draw the same paths; the weights are those of one process with both ranks' images, to
    rounding.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(SCRIPT)]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "meet"), str(tmp_path / "end")], env=environment
        )
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=180) for process in ranks] == [0, 0]
    finally:
        for process in ranks:
            process.kill()
    ends = [torch.load(f"{tmp_path / 'end'}.{rank}", weights_only=True) for rank in range(2)]
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import two_ranks
    finally:
        sys.path.remove(str(SCRIPT.parent))
    alone = two_ranks.model()
    two_ranks.steps(alone, RandomMutator(alone, seed=7), *two_ranks.batch())
    begin = two_ranks.model().state_dict()
    for name, value in alone.state_dict().items():
        assert torch.equal(ends[0][name], ends[1][name])
        assert torch.allclose(value, ends[0][name], atol=1e-6)
    assert any(not torch.equal(value, begin[name]) for name, value in alone.state_dict().items())


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf"
)  # Dynamo looks at it itself
def test_a_compiled_model_runs_what_the_mutator_decides(resnet: Callable[[], nn.Module]) -> None:
    """Forward and gradients, for several decisions of one compiled model; gates break the graph,
    and still work.
    """
    images = torch.randn(4, 3, 8, 8)
    plain = resnet().eval()
    twin = resnet().eval()
    try:
        compiled = torch.compile(twin, backend="aot_eager")
        mutator = RandomMutator(compiled, seed=2)
        mutator.reset()
        compiled(images)
    except RuntimeError as error:
        pytest.skip(f"torch.compile does not work here: {str(error).splitlines()[0]}")
    for _ in range(3):
        mutator.reset()
        fixed = FixedArchitecture(plain, mutator.masks)
        assert torch.allclose(compiled(images), plain(images), atol=1e-5)
        fixed.unbind()
    mutator.unbind()
    gated, eager = ProxylessMutator(compiled, seed=1), ProxylessMutator(plain, seed=1)
    for each, model in ((gated, compiled), (eager, plain)):
        each.reset_binary_gates()
        model(images).square().sum().backward()
    for one, other in zip(gated.arch_parameters(), eager.arch_parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-5, rtol=1e-4)
