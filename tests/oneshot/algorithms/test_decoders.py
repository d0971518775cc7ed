"""Supernets of decoders: trained by the sandwich rule and by single paths, on generated text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import spaces
from oneshot.commands import main
from oneshot.data.text.targets import spelled
from oneshot.retraining.supernet_weights import inherit
from oneshot.run import read_run

TRAINING = (
    *("train", "--space", "decoder-tiny", "--task", "language", "--data", "markov"),
    *("--batch-size", "8", "--optimizer", "adamw", "--learning-rate", "0.01", "--seed", "3"),
    *("--label-smoothing", "0", "--no-tensorboard", "--threads", "1"),
)

SANDWICH = ("--algorithm", "ofa", "--option", "distillation=0", "--option", "selection=2")


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("algorithm", [SANDWICH, ("--algorithm", "spos", "--sampler", "fair")])
def test_training_lowers_the_loss_of_every_size(tmp_path: Path, algorithm: tuple[str, ...]) -> None:
    run(*TRAINING, *algorithm, "--steps", "40", "-o", tmp_path)
    trained = read_run(tmp_path)
    supernet = trained.load().eval()
    inputs, targets = trained.data().validation.tensors([0])

    space = trained.space
    for row in space.sample(np.random.default_rng(0), 4):
        supernet.activate(row)
        with torch.no_grad():
            logits, _ = supernet(inputs)
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), spelled(targets).tokens.flatten()
        )
        # Uniform scores of the vocabulary have the loss log(9).
        assert loss < np.log(space.num_classes) - 0.05


def test_interrupted_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    parts = tmp_path / "parts"
    settings = (*TRAINING, *SANDWICH, "--steps", "6", "--checkpoint-every", "3")
    run(*settings, "-o", whole)
    run(*settings, "-o", parts)
    for name in ("weights.safetensors", "run.json"):
        (parts / name).unlink()
    run(*settings, "-o", parts, "--resume")
    assert (parts / "weights.safetensors").read_bytes() == (
        whole / "weights.safetensors"
    ).read_bytes()


def test_network_inherits_the_weights_of_its_path() -> None:
    space = spaces.get("decoder-tiny")
    supernet = space.supernet(generator=torch.Generator().manual_seed(1)).eval()
    architecture = space.sample(np.random.default_rng(2))
    network = space.network(architecture, generator=torch.Generator().manual_seed(9)).eval()
    tokens = torch.randint(16, (2, 16), generator=torch.Generator().manual_seed(0))

    inherit(network, supernet, architecture)

    with torch.no_grad():
        assert torch.allclose(network(tokens)[0], supernet(tokens)[0], atol=1e-5)
