"""An interrupted search of ProxylessNAS ends as an uninterrupted one."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import spaces
from oneshot.algorithms.epochs import read_epochs
from oneshot.algorithms.proxyless.algorithm import Proxyless
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.training import Stopped, fit
from tables.cost.model import counting_model
from tests.oneshot.algorithms.proxyless_toys import TINY, constrained, split


def interrupted(search: Proxyless, step: int) -> Proxyless:
    """The search, with Ctrl-C in the middle of an update."""
    loss = search.loss

    def losing(images: Any, labels: Any, now: int, engine: Any) -> Any:
        if now == step:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(images, labels, now, engine)

    search.loss = losing  # type: ignore[method-assign]
    return search


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({"binary_mode": "full_v2"}, 20),
        ({"binary_mode": "two"}, 27),
        ({"learning": "reinforce", "reward_paths": 3}, 21),
    ],
)
def test_a_resumed_search_ends_with_the_same_result(
    options: dict[str, Any], step: int, tmp_path: Path
) -> None:
    """Weights, logits, Adam's state, multiplier, baseline and generator, bit for bit; and the same
    log.
    """
    settings = ProxylessOptions(
        arch_optim_lr=0.05, grad_update_arch_param_every=2, warmup_epochs=1, **options
    )
    middle = 0.5 * sum(bound.value for bound in counting_model(spaces.get(TINY), "macs").bounds())

    def run(name: str, stop: int | None = None) -> tuple[Proxyless, dict[str, Any]]:
        search = constrained(3, settings, middle, tmp_path / name, 5)
        images = split(192, side=8)
        search.held_out.images = split(96, 1, side=8)
        if stop is not None:
            interrupted(search, stop)
        fit(search, images, tmp_path / name, seed=3)
        return search, torch.load(tmp_path / name / "last.ckpt", weights_only=True)

    whole, wanted = run("whole")
    with pytest.raises(Stopped):
        run("broken", step)
    resumed, got = run("broken")
    assert json.dumps(plain(wanted)) == json.dumps(plain(got))
    assert resumed.codes() == whole.codes()
    assert read_epochs(tmp_path / "broken") == read_epochs(tmp_path / "whole")
    assert len(read_epochs(tmp_path / "whole")) == 5
    moved = whole.mutator.state_dict()["logits.0"]
    assert not torch.allclose(
        moved, constrained(3, settings, middle).mutator.state_dict()["logits.0"]
    )


def plain(state: Any) -> Any:
    """A checkpoint with its tensors as lists."""
    if isinstance(state, torch.Tensor):
        return [str(state.dtype), state.tolist()]
    if isinstance(state, dict):
        return {str(key): plain(value) for key, value in state.items()}
    return [plain(value) for value in state] if isinstance(state, list | tuple) else state
