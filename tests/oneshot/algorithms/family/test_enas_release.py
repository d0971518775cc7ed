"""The release's parts of ENAS: attention over inputs, dropout, the auxiliary head and restarts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.enas.algorithm import Enas
from oneshot.algorithms.enas.child import AuxiliaryClassifier, features_dropped, restarted_fraction
from oneshot.algorithms.enas.controller import Anchor, Attention, Controller
from oneshot.algorithms.enas.mutator import EnasMutator
from oneshot.algorithms.enas.options import RELEASE, EnasOptions
from oneshot.algorithms.registry import preset
from oneshot.data.registry import load
from oneshot.errors import InvalidOption
from oneshot.training.recipe import Recipe
from tests.published import published

OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")


class Node(spaces.MutableScope):
    """A node of the release: two operations, each on one of the earlier outputs."""

    def __init__(self, key: str, names: list[str]):
        super().__init__(key)
        self.inputs = nn.ModuleList(
            spaces.InputChoice(choose_from=names, n_chosen=1, key=f"{key}_input_{side}")
            for side in range(2)
        )
        self.operations = nn.ModuleList(
            spaces.LayerChoice(
                {name: nn.Linear(4, 4) for name in OPERATIONS}, key=f"{key}_op_{side}"
            )
            for side in range(2)
        )

    def forward(self, outputs: list[Tensor]) -> Tensor:
        pairs = zip(self.inputs, self.operations, strict=True)
        first, second = (operation(choice(outputs)) for choice, operation in pairs)
        total: Tensor = first + second
        return total


class Child(nn.Module):
    """A normal cell of three nodes and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        names = ["before", "last"]
        nodes = []
        for index in range(3):
            nodes.append(Node(f"normal_{index}", list(names)))
            names.append(f"normal_{index}")
        self.nodes = nn.ModuleList(nodes)
        self.classifier = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x, x]
        for node in self.nodes:
            outputs.append(node(outputs))
        scores: Tensor = self.classifier(outputs[-1])
        return scores


def test_the_preset_release_has_the_published_child() -> None:
    options = preset("enas", {"preset": "release"}).options
    assert options.keep == published("enas.child.keep")
    assert options.auxiliary == published("enas.child.auxiliary_weight")
    assert options.restart_epochs == published("enas.child.first_restart")
    assert options.restart_factor == published("enas.child.restart_factor")
    assert options.input_tanh_constant == published("enas.controller.tanh_constant")
    assert options.layers == published("enas.controller.layers")
    assert published("enas.controller.first_baseline") == 0
    assert options.attention
    assert options.zero_baseline
    # Paths are dropped in a search by no release, and by no option here.
    assert not published("enas.child.drops_paths_in_search")
    assert not hasattr(options, "drop_path")


def test_nodes_attend_to_the_outputs_of_earlier_nodes() -> None:
    mutator = EnasMutator(Child(), RELEASE, seed=0)

    attentions = mutator.controller.attentions

    # A node has two inputs and two operations; its last decision completes it.
    assert attentions[0] == attentions[1] == Attention((-1, -2))
    assert attentions[2] is None
    assert attentions[4] == Attention((-1, -2, 3))
    assert attentions[8] == Attention((-1, -2, 3, 7))
    assert mutator.controller.completing == {3, 7}


def test_scores_of_inputs_are_those_of_the_formula() -> None:
    controller = Controller(
        [2, 5, 3, 5], 6, attentions=[Attention((-1, -2)), None, Attention((-1, -2, 1)), None]
    )
    hidden, first, second = torch.randn(3, 1, 6, generator=torch.Generator().manual_seed(0))
    anchors = [Anchor(state, controller.anchor_weight(state)) for state in (first, second)]
    scores = controller.attended(hidden, anchors).detach()

    v = controller.attention_vector.weight[0]
    for column, state in enumerate((first, second)):
        keys = controller.anchor_weight.weight @ state[0]
        query = controller.query_weight.weight @ hidden[0]
        expected = (v @ torch.tanh(keys + query)).item()
        assert scores[0, column].item() == pytest.approx(expected, rel=1e-5)


def test_sampled_and_judged_architectures_have_equal_probabilities() -> None:
    controller = EnasMutator(Child(), RELEASE, seed=1).controller
    sampled = controller(20, torch.Generator().manual_seed(0))
    judged = controller.judged(sampled.codes)

    torch.testing.assert_close(judged.log_probability, sampled.log_probability)
    product = torch.zeros(20)
    for column, distribution in enumerate(sampled.distributions):
        product += distribution[torch.arange(20), sampled.codes[:, column]].log()
    torch.testing.assert_close(product, sampled.log_probability)


def test_reinforce_teaches_the_attention_an_input() -> None:
    controller = EnasMutator(Child(), EnasOptions(attention=True, hidden=16), seed=0).controller
    optimizer = torch.optim.Adam(controller.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(0)
    # The last node's first input is rewarded where it is the node before.
    for _ in range(60):
        decisions = controller(16, generator)
        reward = (decisions.codes[:, 8] == 3).float()
        loss = -((reward - reward.mean()) * decisions.log_probability).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    with torch.no_grad():
        distribution = controller(64, generator).distributions[8].mean(0)
    assert int(distribution.argmax()) == 3
    assert float(distribution[3]) > 0.4


def test_choices_with_equal_candidates_share_weights_on_request() -> None:
    shared = EnasMutator(Child(), RELEASE, seed=0).controller
    own = EnasMutator(Child(), EnasOptions(), seed=0).controller
    assert shared.classifiers[2] is shared.classifiers[7]
    assert own.classifiers[2] is not own.classifiers[7]


def test_features_are_dropped_in_front_of_the_classifier_only_within_the_block() -> None:
    model = Child().eval()
    EnasMutator(model, EnasOptions(), seed=0).reset()
    seen: list[Tensor] = []
    x = torch.ones(400, 4)
    with features_dropped(model, 0.9):
        # Registered later, so that it sees the dropped features.
        handle = model.classifier.register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0])
        )
        torch.manual_seed(0)
        model(x)
    handle.remove()

    fraction = float((seen[0] == 0).float().mean())
    assert fraction == pytest.approx(0.1, abs=0.03)
    assert torch.equal(model(x), model(x))
    assert not model.classifier._forward_pre_hooks


def test_rates_restart_after_10_30_and_70_epochs() -> None:
    first = published("enas.child.first_restart")
    factor = published("enas.child.restart_factor")
    rates = [restarted_fraction(epoch, first, factor) for epoch in range(150)]
    assert [epoch for epoch in range(1, 150) if rates[epoch] > rates[epoch - 1]] == [10, 30, 70]
    assert rates[5] == pytest.approx(0.5)
    assert rates[149] < 0.001


def test_the_learning_rate_of_a_training_restarts(searches: Any) -> None:
    search = searches.algorithm(
        "enas", restart_epochs=2, recipe=Recipe(epochs=6, learning_rate=0.2)
    )
    optimizer, schedule = search.optimizers(6 * search.setting.steps_per_epoch)[0]
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        for _ in range(search.setting.steps_per_epoch):
            optimizer.step()
            schedule.step()
    assert rates[0] == rates[2] == pytest.approx(0.2)
    assert rates[1] == pytest.approx(0.0005 + 0.1995 / 2)


def test_the_auxiliary_head_is_read_after_the_second_reduction_and_does_not_learn() -> None:
    space = spaces.get("darts-search(channels=4,layers=6)")
    model = space.search_model(space.supernet())
    assert model is not None
    data = load("digits", (3, 32, 32), limit=64)
    setting = Setting(model, Recipe(epochs=1, batch_size=8), data.validation, len(data.train))
    search = Enas(setting, EnasOptions(auxiliary=0.4, controller_steps=1, hidden=8))
    search.drawing.reset()
    assert search.auxiliary is not None
    images, labels = torch.randn(4, 3, 32, 32), torch.arange(4)

    with search.auxiliary.captured() as features:
        model(images)
    # Sixteen channels, four nodes; two reductions leave 8 of 32 pixels.
    assert features[0].shape == (4, 4 * 16, 8, 8)
    loss = search.task.loss(search.auxiliary(features[0]), labels, 0.0)

    loss.backward()
    stem = next(model.stems.parameters())  # type: ignore[union-attr]
    assert stem.grad is not None
    assert float(stem.grad.abs().sum()) > 0
    head = search.auxiliary._head
    assert head is not None
    assert all(weight.grad is None for weight in head.parameters())


def test_an_auxiliary_head_needs_a_network_of_cells() -> None:
    with pytest.raises(InvalidOption, match="auxiliary needs a search network of cells"):
        AuxiliaryClassifier(Child(), 0)
