"""Members asked at once."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import spaces
from predictor.encoders.base import Encoder
from predictor.encoders.registry import available, encoder_class
from predictor.ensemble.members import Members, select
from spaces.space import Codes
from spaces.threads import fixed_threads

SMALL: dict[str, dict[str, Any]] = {
    "gates": {"operation_channels": 8, "hidden": 12, "layers": 3, "head": 10},
    "ta-gates": {
        "operation_channels": 8,
        "state_channels": 6,
        "hidden": 12,
        "layers": 2,
        "head": (10,),
        "zero_cost": 2,
    },
    "mlp": {"channels": 8, "hidden": (16, 16)},
    "lstm": {"channels": 8, "hidden": 16, "head": (16,)},
    "gcn": {"channels": 8, "hidden": 16, "layers": 2},
    "dele": {"experts": 2, "operation_channels": 8, "hidden": 12, "layers": 2, "head": 10},
    "transformer": {"channels": 16, "heads": 2, "layers": 2, "hidden": 16, "head": 16},
}


def fresh(kind: str, space: spaces.SearchSpace, count: int = 3) -> list[Encoder]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return [encoder_class(kind).from_space(space, **SMALL[kind]).eval() for _ in range(count)]


def inputs_of(kind: str, space: spaces.SearchSpace) -> Callable[[Codes], Any]:
    return functools.partial(encoder_class(kind).inputs, space)


@pytest.mark.parametrize("kind", available())
@pytest.mark.parametrize("name", ["nasbench201", "spos-tiny", "darts-tiny"])
def test_members_at_once_score_as_one_by_one(kind: str, name: str) -> None:
    space = spaces.get(name)
    encoders = fresh(kind, space)
    codes = space.sample(np.random.default_rng(0), 30)
    inputs = encoders[0].inputs(space, codes)
    members = Members(encoders).frozen()
    with torch.inference_mode():
        alone = torch.stack([encoder(inputs) for encoder in encoders])
        torch.testing.assert_close(members(inputs), alone)
        rows = torch.tensor([range(10), range(10, 20), range(20, 30)])
        apart = torch.stack(
            [encoder(select(inputs, row)) for encoder, row in zip(encoders, rows, strict=True)]
        )
        torch.testing.assert_close(members(select(inputs, rows), separate=True), apart)
        torch.testing.assert_close(
            torch.stack([encoder(inputs) for encoder in members.encoders()]), alone
        )
    np.testing.assert_allclose(
        members.scores(inputs_of(kind, space), codes), alone.numpy(), rtol=1e-4, atol=1e-5
    )
    assert len(set(alone[:, 0].tolist())) == 3


@pytest.mark.parametrize("kind", ["gates", "gcn"])
def test_gradients_are_those_of_the_members_one_by_one(kind: str) -> None:
    space = spaces.get("nasbench201")
    encoders = fresh(kind, space)
    inputs = encoders[0].inputs(space, space.sample(np.random.default_rng(0), 20))
    members = Members(encoders)
    members.train(False)
    torch.autograd.backward(members(inputs).square().sum())
    for row, encoder in enumerate(encoders):
        torch.autograd.backward(encoder(inputs).square().sum())
        for name, weight in encoder.named_parameters():
            assert weight.grad is not None
            assert members.weights[name].grad is not None
            torch.testing.assert_close(
                members.weights[name].grad[row], weight.grad, rtol=1e-4, atol=1e-6
            )


def test_dropout_differs_between_members() -> None:
    space = spaces.get("spos-tiny")
    encoders = fresh("mlp", space)
    for encoder in encoders:
        encoder.load_state_dict(encoders[0].state_dict())
    members = Members(encoders)
    inputs = encoders[0].inputs(space, space.sample(np.random.default_rng(0), 8))
    members.train(False)
    calm = members(inputs)
    torch.testing.assert_close(calm[0], calm[1])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        members.train()
        moved = members(inputs)
    assert not torch.allclose(moved[0], moved[1])


def test_what_an_encoder_sees_alike_is_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    space = spaces.get("nasbench201")
    members = Members(fresh("gates", space)).frozen()
    # Nothing enters node 1 of the cells but the third, so that what leaves it (the last edge but
    # one) tells nothing.
    dead = space.check(
        np.array([[0, 3, 1, 3, 1, 2], [0, 3, 1, 3, 2, 2], [3, 3, 1, 3, 1, 2], [0, 3, 1, 3, 1, 2]])
    )
    asked: list[int] = []
    called = Members.__call__

    def counting(self: Members, inputs: Any, apart: bool = False, **options: Any) -> torch.Tensor:
        asked.append(len(inputs.operation))
        return called(self, inputs, apart, **options)

    monkeypatch.setattr(Members, "__call__", counting)
    scores = members.scores(inputs_of("gates", space), dead)
    assert sum(asked) == 2
    assert np.array_equal(scores[:, 0], scores[:, 1])
    assert np.array_equal(scores[:, 0], scores[:, 3])
    assert not np.isclose(scores[:, 0], scores[:, 2]).any()
    assert members.scores(inputs_of("gates", space), dead[:0]).shape == (3, 0)


def test_scores_do_not_depend_on_the_number_of_threads() -> None:
    space = spaces.get("nasbench201")
    codes = space.sample(np.random.default_rng(0), 1500)
    members = Members(fresh("gates", space)).frozen()
    found = []
    for count in (1, 2, 3):
        with fixed_threads(count):
            found.append(members.scores(inputs_of("gates", space), codes))
            assert torch.get_num_threads() == count
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
