"""Windows of networks without a state: each token is predicted from at least half a context."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from oneshot.data.text.windows import TextSplit
from oneshot.evaluation.tallies import tally_of
from oneshot.tasks.language import Language
from oneshot.training.passes import Passes

CPU = torch.device("cpu")
VOCABULARY = 16


def text_of(count: int) -> Tensor:
    return torch.randint(VOCABULARY, (count,), generator=torch.Generator().manual_seed(5))


def decoder(context: int = 8) -> nn.Module:
    space = spaces.get("decoder-tiny", contexts=(context,), vocabulary=VOCABULARY)
    return space.network(space.sample(np.random.default_rng(1))).eval()


def one_by_one(network: nn.Module, tokens: Tensor, length: int, context: int) -> Tensor:
    """Logits [n, vocabulary] of a text, each from a pass over the tokens that it may depend on."""
    half = context // 2
    logits = []
    for position in range(len(tokens)):
        start = 0
        if position >= length:
            # The piece that predicts a token begins half a context before its own first one.
            first = position // length * length
            start = first + (position - first) // half * half - half
        scores, _ = network(tokens[None, start : position + 1])
        logits.append(scores[0, -1])
    return torch.stack(logits)


@pytest.mark.parametrize("context", [2, 7, 8])
@pytest.mark.parametrize("count", [6, 16, 37, 41])
@torch.no_grad()
def test_tokens_have_at_least_half_a_context(context: int, count: int) -> None:
    network = decoder(context)
    text = text_of(count + 1)

    passes = Passes(Language())
    windows = TextSplit(text, context).batches(1)
    logits = torch.cat([passes.forward(network, inputs)[0] for inputs, _ in windows])

    expected = one_by_one(network, text[:-1], min(context, count), context)
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("length", [9, 16, 24, 50])
@torch.no_grad()
def test_longer_windows_are_read_as_those_of_the_context(length: int) -> None:
    network = decoder(8)
    text = text_of(51)

    logits = []
    for count in (8, length):
        passes = Passes(Language())
        windows = TextSplit(text, count).batches(1)
        logits.append(torch.cat([passes.forward(network, inputs)[0] for inputs, _ in windows]))

    # Pieces that begin in the middle of a window have as much before them as the windows' ends.
    same = min(length, 12)
    torch.testing.assert_close(logits[1][:same], logits[0][:same])
    if length % 8 == 0:
        torch.testing.assert_close(logits[1], logits[0])


@torch.no_grad()
def test_supernet_overlaps_by_the_context_of_its_path() -> None:
    space = spaces.get("decoder-tiny", vocabulary=VOCABULARY)
    supernet = space.supernet(generator=torch.Generator().manual_seed(1)).eval()
    supernet.activate(space.encode([space.architecture([0] * len(space.choices))])[0])
    text = text_of(200)

    passes = Passes(Language())
    windows = list(TextSplit(text, 16).batches(1))
    logits = torch.cat([passes.forward(supernet, inputs)[0] for inputs, _ in windows])

    # Windows of 16 tokens are read by a path of 8, all but the first of which begin 4 before.
    for position in (8, 11, 12, 16, 19, 20, 42, 198):
        start = position // 4 * 4 - 4
        scores, _ = supernet(text[None, start : position + 1])
        torch.testing.assert_close(logits[position], scores[0, -1])


def test_rows_are_independent() -> None:
    network = decoder()
    text = TextSplit(text_of(2001), 8)

    several = tally_of(network, text.batches(2), CPU, Language())
    first, second = (
        tally_of(network, TextSplit(part, 8).batches(1), CPU, Language())
        for part in (text.tokens[:1001], text.tokens[1000:])
    )

    mean = (first.metrics()["cross_entropy"] + second.metrics()["cross_entropy"]) / 2
    assert several.metrics()["cross_entropy"] == pytest.approx(mean, rel=1e-5)
    assert several.details(())["tokens"] == 2000


@torch.no_grad()
def test_networks_with_a_state_continue_from_it() -> None:
    space = spaces.get("rnn", length=5, width=8, nodes=2, vocabulary=VOCABULARY)
    network = space.network(space.sample(np.random.default_rng(0))).eval()
    text = text_of(41)

    passes = Passes(Language())
    windows = TextSplit(text, 5).batches(1)
    logits = torch.cat([passes.forward(network, inputs)[0] for inputs, _ in windows])

    torch.testing.assert_close(logits, network(text[None, :-1], None)[0][0], rtol=1e-4, atol=1e-5)
