"""Losses of texts, their penalties, and the state between windows."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from oneshot.data.registry import load
from oneshot.data.text.targets import SpelledTokens
from oneshot.data.text.windows import TextSplit
from oneshot.errors import InvalidOption
from oneshot.evaluation.tallies import tally_of
from oneshot.tasks.language import Language
from oneshot.tasks.registry import make_task
from oneshot.training.algorithm import Algorithm
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from oneshot.training.stop import Stopped

CPU = torch.device("cpu")


class Recurrent(nn.Module):
    """A GRU over tokens, with the modules that the penalties need."""

    def __init__(self, vocabulary: int = 5, width: int = 6):
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, width)
        self.recurrent = nn.GRU(width, width, batch_first=True)
        self.hidden_tap = nn.Identity()
        self.output_dropout = nn.Dropout(0.5)
        self.scores = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        before = None if state is None else state["hidden"].transpose(0, 1)
        outputs, after = self.recurrent(self.vectors(tokens), before)
        read = self.output_dropout(self.hidden_tap(outputs))
        return self.scores(read), {"hidden": after.transpose(0, 1)}


def model() -> Recurrent:
    torch.manual_seed(4)
    return Recurrent()


def split(count: int = 600, length: int = 7, **fields: Any) -> TextSplit:
    tokens = torch.randint(5, (count,), generator=torch.Generator().manual_seed(0))
    return TextSplit(tokens, length, **fields)


def metrics_of(network: nn.Module, text: TextSplit, batch_size: int = 3) -> dict[str, float]:
    return tally_of(network.eval(), text.batches(batch_size), CPU, Language()).metrics()


def test_uniform_predictions_have_the_vocabulary_as_perplexity() -> None:
    tally = Language().tally(CPU)
    targets = torch.tensor([[0, 1, 2], [3, 4, 0]])

    tally.add(torch.zeros(2, 3, 5), targets)

    metrics = tally.metrics()
    assert metrics["perplexity"] == pytest.approx(5)
    assert metrics["cross_entropy"] == pytest.approx(math.log(5))
    assert metrics["bits_per_character"] == pytest.approx(math.log2(5))
    assert tally.details(()) == {"tokens": 6, "characters": 6}


def test_bits_of_words_are_shared_by_their_characters() -> None:
    tally = Language().tally(CPU)
    targets = SpelledTokens(torch.tensor([[0, 1]]), torch.tensor([[3, 5]]))

    tally.add(torch.zeros(1, 2, 4), targets)

    # Two words of 2 bits each over 8 characters.
    assert tally.metrics()["bits_per_character"] == pytest.approx(0.5)
    assert tally.details(())["characters"] == 8


def test_intervals_contain_the_metrics() -> None:
    tally = Language().tally(CPU)
    tally.add(torch.randn(4, 9, 5), torch.randint(5, (4, 9)))

    metrics = tally.metrics()
    intervals = tally.intervals()

    assert metrics.keys() == intervals.keys() == Language.metrics.keys()
    for name, (low, high) in intervals.items():
        assert low < metrics[name] < high
    assert intervals["perplexity"][1] == pytest.approx(math.exp(intervals["cross_entropy"][1]))


def test_metrics_do_not_depend_on_the_windows() -> None:
    network = model()
    text = split(1000)

    # One row in windows of 7 tokens, or at once.
    by_windows = metrics_of(network, text, batch_size=1)
    at_once = metrics_of(network, TextSplit(text.tokens, 999))

    for name, value in at_once.items():
        assert by_windows[name] == pytest.approx(value, rel=1e-5)


def test_fewer_rows_continue_the_first_ones() -> None:
    # 1405 predicted tokens in 2 rows: the first row has one token more.
    text = split(1406)
    network = model()
    batches = list(text.batches(250))
    assert [len(inputs) for inputs, _ in batches[-2:]] == [2, 1]

    row = text.tokens[:704]
    with torch.no_grad():
        scores, _ = network.eval()(row[None, :-1])
        passes = Passes(Language())
        outputs = [passes.forward(network, inputs) for inputs, _ in batches]

    torch.testing.assert_close(outputs[-1][0, 0], scores[0, -1])


def test_rewards_are_mean_log_probabilities() -> None:
    scores = torch.randn(2, 3, 5)
    targets = torch.randint(5, (2, 3))

    rewards = Language().rewards(scores, targets)

    assert rewards.shape == (2,)
    assert -rewards.mean().item() == pytest.approx(Language().loss(scores, targets).item())


def test_penalties_are_those_of_the_paper() -> None:
    network = model().train()
    inputs = torch.randint(5, (2, 7))
    task = Language(activation=2.0, slowness=3.0)
    recorded: list[Tensor] = []
    for name in ("hidden_tap", "output_dropout"):
        network.get_submodule(name).register_forward_hook(
            lambda _, __, output: recorded.append(output)
        )

    outputs, _ = task.forward(network, inputs, None)

    states, read = recorded
    slowness = (states[:, 1:] - states[:, :-1]).square().mean()
    expected = 2 * read.square().mean() + 3 * slowness
    assert outputs.penalty.item() == pytest.approx(expected.item(), rel=1e-5)
    loss = task.loss(outputs, inputs)
    plain = functional.cross_entropy(outputs.logits.flatten(0, 1), inputs.flatten())
    assert loss.item() == pytest.approx((plain + expected).item(), rel=1e-5)


def test_penalties_are_left_out_of_evaluations() -> None:
    outputs, _ = Language(activation=2.0).forward(model().eval(), torch.zeros(1, 3).long(), None)

    assert isinstance(outputs, Tensor)


def test_penalties_need_hidden_states() -> None:
    class Plain(nn.Module):
        def forward(self, tokens: Tensor, state: Any) -> tuple[Tensor, None]:
            return torch.zeros(*tokens.shape, 5), None

    with pytest.raises(InvalidOption, match="need recurrent networks with hidden states"):
        Language(slowness=1.0).forward(Plain().train(), torch.zeros(1, 3).long(), None)
    with pytest.raises(InvalidOption, match="activation must be at least 0, not -1"):
        Language(activation=-1)


def test_images_are_refused() -> None:
    data = load("digits", (3, 8, 8))

    with pytest.raises(InvalidOption, match="language needs a text"):
        Language().check(data)
    shape: Any = (35,)
    text = load("markov", shape)
    Language().check(text)
    with pytest.raises(InvalidOption, match="classification needs one class"):
        make_task("classification").check(text)


class _Interrupted(Algorithm):
    def after_step(self, step: int) -> None:
        if step == 17:
            raise KeyboardInterrupt


def test_interrupted_training_resumes_with_its_state(tmp_path: Path) -> None:
    text = TextSplit(torch.arange(600) % 5, 7)
    # 21 windows of 4 rows an epoch: the interruption is within the first, the end in the second.
    recipe = Recipe(steps=30, batch_size=4, learning_rate=2.0, clip=0.25)
    execution = Execution(checkpoint_every=5)

    def algorithm(kind: type[Algorithm] = Algorithm) -> Algorithm:
        return kind(model(), recipe, Passes(Language(slowness=0.1)))

    def trained(training: Algorithm, folder: str) -> None:
        fit(training, text, tmp_path / folder, seed=1, augment=True, execution=execution)

    whole = algorithm()
    trained(whole, "whole")
    with pytest.raises((KeyboardInterrupt, Stopped)):
        trained(algorithm(_Interrupted), "broken")
    resumed = algorithm()
    trained(resumed, "broken")

    for first, second in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(first, second)
    assert metrics_of(whole.model, text)["perplexity"] < metrics_of(model(), text)["perplexity"]
