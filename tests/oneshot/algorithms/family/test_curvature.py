"""The largest eigenvalue of the held-out loss' Hessian in the logits, against the dense matrix."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oneshot.algorithms.curvature import largest_eigenvalue
from oneshot.algorithms.epochs import in_words
from oneshot.training.recipe import Recipe


def eigenvalue_of(loss: Tensor, *parameters: nn.Parameter) -> float:
    return largest_eigenvalue(loss, parameters, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shift", [-20.0, -3.0, 0.0, 5.0])
def test_the_largest_eigenvalue_of_a_quadratic_is_found(shift: float) -> None:
    """Also where the eigenvalue of the largest magnitude is negative."""
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(7, 7, generator=generator, dtype=torch.float64)
    matrix = (matrix + matrix.T) / 2 + shift * torch.eye(7, dtype=torch.float64)
    first = nn.Parameter(torch.randn(4, generator=generator, dtype=torch.float64))
    second = nn.Parameter(torch.randn(3, generator=generator, dtype=torch.float64))
    point = torch.cat([first, second])

    found = eigenvalue_of(point @ matrix @ point / 2 + point.sum(), first, second)

    exact = torch.linalg.eigvalsh(matrix)
    spread = float(exact[-1] - exact[0])
    assert found == pytest.approx(float(exact[-1]), abs=0.02 * spread)


def test_parameters_without_curvature_are_left_out() -> None:
    curved, linear, unused = (nn.Parameter(torch.ones(2)) for _ in range(3))
    assert eigenvalue_of((curved**2).sum() + linear.sum(), curved, linear, unused) == (
        pytest.approx(2.0)
    )
    assert eigenvalue_of(linear.sum(), linear, unused) == 0.0


def test_it_is_that_of_the_dense_hessian_in_a_search(searches: Any, tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=64, learning_rate=0.2)
    search = searches.algorithm("darts", recipe=recipe, hessian_every=2)
    searches.train(search, tmp_path)

    # The batch of the last update, with the weights and logits after it.
    last = 2 * search.setting.steps_per_epoch - 1
    inputs, targets = search.held_out.batch(last, 0, 1)
    logits = search.mutator.arch_parameters()
    sizes = [logit.numel() for logit in logits]

    def loss(flat: Tensor) -> Tensor:
        rows = dict(zip(search.mutator.groups, flat.split(sizes), strict=True))
        search.mutator.take({key: row.softmax(0) for key, row in rows.items()})
        return search.task.loss(search.model(inputs), targets)

    point = torch.cat([logit.detach() for logit in logits])
    hessian: Any = torch.autograd.functional.hessian(loss, point)  # type: ignore[no-untyped-call]
    exact = torch.linalg.eigvalsh(hessian.double())
    spread = float(exact[-1] - exact[0])
    assert search.report()["hessian_eigenvalue"] == pytest.approx(
        float(exact[-1]), abs=0.02 * spread
    )


@pytest.mark.parametrize("name", ["darts", "gdas", "snas", "fbnet", "pc-darts"])
def test_it_is_logged_every_so_many_epochs_and_changes_nothing(
    name: str, searches: Any, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=4, batch_size=64, learning_rate=0.1)
    found = []
    for every in (0, 2):
        search = searches.algorithm(
            name, recipe=recipe, folder=tmp_path / str(every), hessian_every=every
        )
        searches.train(search, tmp_path / str(every))
        lines = (tmp_path / str(every) / "architectures.jsonl").read_text().splitlines()
        found.append((search, [json.loads(line) for line in lines]))

    (plain, _), (watched, reports) = found
    assert ["hessian_eigenvalue" in report for report in reports] == [False, True, False, True]
    assert "largest eigenvalue" in in_words(reports[1])
    for key, logits in plain.mutator.alpha.items():
        assert torch.equal(logits, watched.mutator.alpha[key])
    for key, value in plain.model.state_dict().items():
        assert torch.equal(value, watched.model.state_dict()[key])
