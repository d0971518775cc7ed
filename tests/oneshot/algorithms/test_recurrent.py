"""Algorithms train the recurrent supernet, and mix its cells."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

import spaces
from oneshot.commands import main
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.mutators.mutator import Mutator
from oneshot.run import read_run

TINY = "rnn(length=6, width=8, nodes=3)"


def tokens() -> Tensor:
    return torch.randint(9, (3, 6), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("output", ["all", "ends"])
def test_mixture_of_decided_choices_is_the_decided_cell(output: str) -> None:
    space = spaces.get("rnn", vocabulary=9, length=6, width=8, nodes=4, output=output)
    for codes in space.sample(np.random.default_rng(3), 4):
        supernet = space.supernet().eval()
        supernet.activate(codes)
        decided, _ = supernet(tokens())
        code_of = dict(zip((choice.key for choice in space.choices), codes.tolist(), strict=True))

        class OneHot(Mutator):
            def sample_search(self) -> dict[str, Tensor]:
                return {
                    key: mutables[0].mask_of(code_of[key]).float()  # noqa: B023 (used at once)
                    for key, mutables in self.groups.items()
                }

        OneHot(supernet).reset()
        mixed, _ = supernet(tokens())

        torch.testing.assert_close(mixed, decided)


def test_every_choice_of_the_mixture_has_a_gradient() -> None:
    space = spaces.get("rnn", vocabulary=9, length=6, width=8, nodes=4, output="ends")
    supernet = space.supernet()
    mutator = ArchitectureMutator(supernet, init_ratio=0.1)

    mutator.reset()
    scores, _ = supernet(tokens())
    scores.square().mean().backward()

    assert len(mutator.arch_parameters()) == len(space.choices)
    for logits in mutator.arch_parameters():
        assert logits.grad is not None
        assert logits.grad.abs().max() > 0


def trained(algorithm: str, folder: Path, *options: str) -> Any:
    arguments = [
        *("train", "--space", TINY, "--algorithm", algorithm, "--task", "language"),
        *("--data", "markov", "--limit", "40", "--steps", "6", "--batch-size", "8"),
        *("--learning-rate", "1", "--clip", "0.25", "--threads", "1", "-o", str(folder)),
        *options,
    ]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return read_run(folder)


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("darts", ()),
        ("gdas", ()),
        ("enas", ("--option", "controller_steps=2", "--option", "aggregate=2")),
    ],
)
def test_searches_find_a_cell_with_the_vocabulary_of_the_data(
    algorithm: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    run = trained(algorithm, tmp_path / "run", *options)

    found = json.loads((tmp_path / "run" / "architecture.json").read_text())
    # DARTS and GDAS search in the release's network, ENAS in the space itself.
    assert run.space.family == ("rnn" if algorithm == "enas" else "rnn-search")
    cells = run.space.network_space
    assert cells == spaces.get(TINY, vocabulary=9)
    assert found["space"] == cells.name
    assert cells.architecture(found["choices"])
    assert run.load()


def test_single_paths_train_the_supernet(tmp_path: Path) -> None:
    run = trained("spos", tmp_path / "run")

    before = dict(run.build().named_parameters())
    after = dict(run.load().named_parameters())
    assert all(not torch.equal(value, before[name]) for name, value in after.items())
