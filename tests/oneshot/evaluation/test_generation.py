"""Generated texts: by caches and states as by whole passes, and with the network's frequencies."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import spaces
from oneshot.commands import main
from oneshot.errors import InvalidOption
from oneshot.evaluation.generation import generate

CONTEXT = 8


def decoder() -> nn.Module:
    space = spaces.get("decoder-tiny", contexts=(CONTEXT,))
    return space.network(space.sample(np.random.default_rng(2))).eval()


def recurrent() -> nn.Module:
    space = spaces.get("rnn", length=5, width=8, nodes=2, vocabulary=16)
    return space.network(space.sample(np.random.default_rng(0))).eval()


def best(model: nn.Module, prompt: Tensor, count: int) -> list[int]:
    tokens = generate(model, prompt, count, torch.Generator(), temperature=0.0)
    result: list[int] = tokens.tolist()
    return result


@torch.no_grad()
@pytest.mark.parametrize("make", [decoder, recurrent])
def test_tokens_are_those_of_whole_passes(make: object) -> None:
    assert callable(make)
    model = make()
    prompt = torch.tensor([3, 1, 4])

    text = prompt.tolist()
    for _ in range(CONTEXT - len(prompt)):
        logits, _ = model(torch.tensor([text]), None)
        text.append(int(logits[0, -1].argmax()))

    assert best(model, prompt, CONTEXT - len(prompt)) == text[3:]


@torch.no_grad()
def test_full_cache_begins_again_with_half_a_context() -> None:
    model = decoder()
    text = [5, *best(model, torch.tensor([5]), 30)]

    # A full cache of 8 tokens gives way to the last 4, after which 4 more have room.
    for position, start in ((8, 0), (9, 5), (13, 5), (14, 10), (25, 20)):
        logits, _ = model(torch.tensor([text[start:position]]), None)
        assert text[position] == int(logits[0, -1].argmax())


class Fixed(nn.Module):
    """Probabilities that depend on nothing."""

    def forward(self, tokens: Tensor, state: None) -> tuple[Tensor, None]:
        return torch.tensor([9.0, 0.0, 1.0, 2.0]).expand(*tokens.shape, 4), None


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_tokens_have_the_probabilities_of_the_network(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = generate(
        Fixed(), torch.tensor([1]), 4000, generator, temperature=temperature, excluded=[0]
    )
    frequencies = torch.bincount(tokens, minlength=4) / len(tokens)

    # Token 0 is excluded although it is the most probable one. Four standard errors at most.
    expected = (torch.tensor([-torch.inf, 0.0, 1.0, 2.0]) / temperature).softmax(0)
    assert (frequencies - expected).abs().max() < 4 * 0.5 / 4000**0.5


@pytest.mark.parametrize(
    ("prompt", "temperature", "message"),
    [
        ([], 1.0, "prompt: 0 tokens; the network needs at least 1 token and at most"),
        ([1] * 9, 1.0, "prompt: 9 tokens; .* at most the context of 8"),
        ([1], -1.0, "temperature must be at least 0, not -1"),
    ],
)
def test_bad_prompts_are_refused(prompt: list[int], temperature: float, message: str) -> None:
    tokens = torch.tensor(prompt, dtype=torch.int64)
    with pytest.raises(InvalidOption, match=message):
        generate(decoder(), tokens, 3, torch.Generator(), temperature=temperature)


def test_command_prints_the_same_text_for_the_same_seed(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("to be or not to be that is the question\n" * 30)
    arch = tmp_path / "arch.json"
    space = spaces.get("decoder-tiny")
    arch.write_text(space.architecture([0] * len(space.choices)).to_json())
    run = tmp_path / "run"

    def done(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    done(
        *("retrain", "--arch", arch, "--task", "language", "--data", f"text:{path}", "--steps", 20),
        *("--level", "characters", "--batch-size", 4, "--optimizer", "adamw", "--threads", 1),
        *("--learning-rate", 0.01, "-o", run),
    )
    texts = [done("generate", run, "--prompt", "to be", "--seed", seed) for seed in (0, 0, 1)]

    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith("to be")
    assert "vocabulary lacks 'Z'" in done("generate", run, "--prompt", "Zeus", code=2)
    assert "at most the context of 8" in done("generate", run, "--prompt", "to be or not", code=2)
