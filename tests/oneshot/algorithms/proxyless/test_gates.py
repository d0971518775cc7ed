"""The gradients of ProxylessNAS's binary gates are what the paper says, in every mode and with
every path active.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import spaces
from oneshot.algorithms.hardware import AddLinear, MultiplyLog, uniform_cost
from oneshot.algorithms.proxyless.mutator import MODES, ProxylessMutator
from oneshot.errors import InvalidOption
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.repeat import Repeat
from spaces.modules.value_choice import ValueChoice
from tables.cost.model import counting_model
from tables.importing.importer import import_table
from tests.oneshot.algorithms.proxyless_toys import Net, Residual, Zero, conv, split

Gradients = dict[str, Tensor]


def gradients(mode: str, active: dict[str, int], ratio: float = 0.5) -> tuple[Tensor, Gradients]:
    """The loss, and the gradients of the logits, of one architecture step on a given path."""
    torch.manual_seed(0)
    model = Residual()
    mutator = ProxylessMutator(model, mode, init_ratio=ratio, seed=4)
    images, labels = split(24).tensors()
    model.requires_grad_(False)
    mutator.gate(active)
    loss = functional.cross_entropy(model(images), labels)
    loss.backward()
    return loss.detach(), {
        key: logits.grad for key, logits in mutator.alpha.items() if logits.grad is not None
    }


@pytest.mark.parametrize(
    "codes", [*itertools.product((0, 1, 3), (2, 3), (1, 3)), (0, 0, 0), (2, 2, 2)]
)
def test_full_and_full_v2_give_the_same_gradient(codes: tuple[int, ...]) -> None:
    """With Zero active too, in one layer or in all, the logits get their gradient."""
    active = {f"layers.{index}": code for index, code in enumerate(codes)}
    loss, full = gradients("full", active)
    again, recomputed = gradients("full_v2", active)
    assert torch.equal(loss, again)
    assert set(full) == set(recomputed) == set(active)
    for key, gradient in full.items():
        assert gradient.abs().max() > 1e-4
        assert torch.allclose(gradient, recomputed[key], atol=1e-5, rtol=0)
        # Only differences of logits matter.
        assert abs(float(gradient.sum())) < 1e-6


def test_a_gate_has_the_gradient_of_its_path_s_output() -> None:
    """dL/dg_k = sum(o_k dL/dy), by finite differences of the gates in a model where they are plain
    factors.
    """
    torch.manual_seed(1)
    candidates = [conv(1), conv(3), Zero(), nn.Identity()]
    choice = LayerChoice(candidates, key="only")
    model = nn.Sequential(choice, nn.Tanh())
    mutator = ProxylessMutator(model, "full_v2", init_ratio=0.7, seed=1)
    x = torch.randn(4, 3, 5, 5)
    mutator.gate({"only": 1})
    model(x).square().sum().backward()
    found = mutator.alpha["only"].grad
    assert found is not None
    with torch.no_grad():
        outputs = torch.stack([candidate(x) for candidate in candidates]).double()
        probabilities = mutator.distribution("only").double()

    def loss(gates: Tensor) -> Tensor:
        return (gates[:, None, None, None, None] * outputs).sum(0).tanh().square().sum()

    gates, step = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64), 1e-5
    slopes = torch.stack(
        [
            (loss(gates + step * unit) - loss(gates - step * unit)) / (2 * step)
            for unit in torch.eye(4)
        ]
    )
    wanted = probabilities * (slopes - (probabilities * slopes).sum())
    assert torch.allclose(found.double(), wanted, rtol=1e-4, atol=1e-5)


class Overwriting(nn.Module):
    """Shortcut around a choice whose input is overwritten after the choice has run."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.choice = LayerChoice([nn.Identity(), nn.Conv2d(3, 3, 1)], key="choice")

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y: Tensor = self.choice(x)
        return y + x.mul_(2)


def test_full_v2_refuses_an_input_that_is_changed_before_the_backward_pass() -> None:
    model = Overwriting()
    mutator = ProxylessMutator(model, "full_v2")
    mutator.gate({"choice": 0})

    output = model(torch.randn(2, 3, 4, 4))

    with pytest.raises(
        InvalidOption, match="binary_mode full_v2: the input of a choice was changed in place"
    ):
        output.sum().backward()


@pytest.mark.parametrize("mode", ["full", "full_v2"])
@pytest.mark.parametrize("active", [0, 1])
def test_candidates_that_work_in_place_train_as_their_copies_that_do_not(
    mode: str, active: int
) -> None:
    """The output of a choice may be changed in place, too."""

    def gradients_of(inplace: bool) -> list[Tensor]:
        torch.manual_seed(0)
        candidates = [nn.ReLU(inplace), nn.Hardswish(inplace), nn.Identity()]
        model = nn.Sequential(nn.Conv2d(3, 3, 1), LayerChoice(candidates, key="choice"))
        mutator = ProxylessMutator(model, mode, seed=1)
        mutator.gate({"choice": active})
        output = model(torch.randn(2, 3, 4, 4))
        output.mul_(2).square().sum().backward()
        gradients = [mutator.alpha["choice"].grad, model[0].weight.grad]
        return [gradient for gradient in gradients if isinstance(gradient, Tensor)]

    in_place = gradients_of(True)
    assert len(in_place) == 2
    for gradient, expected in zip(in_place, gradients_of(False), strict=True):
        assert torch.allclose(gradient, expected, atol=1e-6)


# Pairs


@pytest.mark.parametrize(("count", "ratio"), [(3, 0.0), (6, 0.0), (5, 1.0)])
def test_pairs_have_the_expectation_that_can_be_enumerated(count: int, ratio: float) -> None:
    """sum_j P_ij q_i q_j (g_i - g_j) where the loss is linear; at uniform logits K / (2 (K - 1))
    times that of full.
    """

    class Given(nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.value = value

        def forward(self, x: Tensor) -> Tensor:
            return torch.full_like(x, self.value)

    values = torch.linspace(-1, 2, count, dtype=torch.float64) ** 3
    model = nn.Sequential(LayerChoice([Given(float(value)) for value in values], key="k"))
    mutator = ProxylessMutator(model, "two", init_ratio=ratio, seed=2).double()
    logits, x = mutator.alpha["k"], torch.zeros(1, dtype=torch.float64)
    p = logits.detach().softmax(0)
    expected, wanted = (
        torch.zeros(count, dtype=torch.float64),
        torch.zeros(count, dtype=torch.float64),
    )
    for i, j in itertools.combinations(range(count), 2):
        chance = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        q = logits.detach()[[i, j]].softmax(0)
        for code, share in zip((i, j), q, strict=True):
            logits.grad = None
            mutator.gate({"k": code}, {"k": [i, j]})
            model(x).sum().backward()
            assert logits.grad is not None
            expected += chance * share * logits.grad
        slope = q[0] * q[1] * (values[i] - values[j])
        wanted[i] += chance * slope
        wanted[j] -= chance * slope
    assert torch.allclose(expected, wanted, atol=1e-12)
    if ratio == 0:
        full = p * (values - (p * values).sum())
        assert torch.allclose(expected, full * count / (2 * (count - 1)), atol=1e-12)


def test_pairs_are_drawn_by_probability_without_replacement() -> None:
    mutator = ProxylessMutator(
        nn.Sequential(LayerChoice([Zero() for _ in range(4)], key="k")), "two"
    )
    p = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    with torch.no_grad():
        mutator.alpha["k"].copy_(p.log())
    counts, active = np.zeros((4, 4)), np.zeros(4)
    rounds = 3000
    for _ in range(rounds):
        mutator.reset_binary_gates()
        i, j = mutator.involved["k"]
        counts[i, j] += 1
        active[mutator.active["k"]] += 1
    shares = np.zeros(4)
    for i, j in itertools.combinations(range(4), 2):
        chance = float(p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j]))
        assert counts[i, j] / rounds == pytest.approx(chance, abs=0.035)
        for code in (i, j):
            shares[code] += chance * float(p[code] / (p[i] + p[j]))
    assert np.allclose(active / rounds, shares, atol=0.035)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_a_pair_s_update_leaves_the_other_probabilities(decay: float) -> None:
    """Also where the optimiser decays all logits, and where the momentum is not 0."""
    torch.manual_seed(0)
    model = Residual()
    mutator = ProxylessMutator(model, "two", init_ratio=1.0, seed=3)
    adam = torch.optim.Adam(
        mutator.arch_parameters(), lr=0.1, betas=(0.5, 0.999), weight_decay=decay
    )
    images, labels = split(12).tensors()
    moved = 0.0
    for _ in range(6):
        before = {key: mutator.distribution(key).detach() for key in mutator.groups}
        mutator.before_update()
        mutator.reset_binary_gates()
        adam.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        adam.step()
        mutator.after_update()
        for key, old in before.items():
            new, pair = mutator.distribution(key).detach(), mutator.involved[key]
            others = [code for code in range(4) if code not in pair]
            assert torch.allclose(new[others], old[others], atol=1e-6)
            assert torch.allclose(new[pair].sum(), old[pair].sum(), atol=1e-6)
            moved += float((new[pair] - old[pair]).abs().sum())
    assert moved > 0.1


def test_the_expected_cost_of_a_pair_is_of_the_pair_alone() -> None:
    """And its gradient too: nothing reaches logits outside."""
    space = spaces.get("proxylessnas-tiny")
    mutator = ProxylessMutator(space.supernet(), "two", init_ratio=1.0, seed=1)
    cost = counting_model(space, "macs")
    mutator.reset_binary_gates()
    keys = [choice.key for choice in space.choices]
    expected = cost.expected(mutator.gate_probabilities(keys))
    total = 0.0
    for column, key in enumerate(keys):
        pair = mutator.involved[key]
        q = mutator.alpha[key].detach()[pair].softmax(0)
        total += float((q * torch.tensor(cost.table.terms[column][pair])).sum())  # type: ignore[attr-defined]
    assert float(expected.detach()) == pytest.approx(total + cost.table.fixed, rel=1e-6)  # type: ignore[attr-defined]
    expected.backward()
    for key in keys:
        gradient = mutator.alpha[key].grad
        assert gradient is not None
        assert set(gradient.nonzero().flatten().tolist()) == set(mutator.involved[key])


# Costs


def test_the_expected_cost_has_the_gradient_of_finite_differences() -> None:
    space = spaces.get("proxylessnas-tiny")
    mutator = ProxylessMutator(space.supernet(), init_ratio=1.0, seed=1).double()
    cost = counting_model(space, "params")
    for term in (
        AddLinear(2e5, "parameters"),
        MultiplyLog.of(cost, 2e5),
    ):

        def loss(term: AddLinear | MultiplyLog = term) -> Tensor:
            return term(torch.tensor(1.7, dtype=torch.float64), mutator.expected_cost(cost))

        mutator.zero_grad()
        loss().backward()
        for logits in mutator.arch_parameters():
            assert logits.grad is not None
            for code in range(len(logits)):
                with torch.no_grad():
                    logits[code] += 1e-4
                    above = float(loss())
                    logits[code] -= 2e-4
                    below = float(loss())
                    logits[code] += 1e-4
                assert float(logits.grad[code]) == pytest.approx(
                    (above - below) / 2e-4, rel=1e-4, abs=1e-10
                )


@pytest.mark.reference_data
def test_the_release_s_table_expects_its_figure(reference_data: Path) -> None:
    space = spaces.get("proxylessnas")
    conditions = {"backend": "tflite", "batch": 1, "precision": "fp32", "threads": 1}
    path = reference_data / "proxylessnas" / "mobile_trim.yaml"
    table = import_table(
        [path], space, name="phone", processor="a phone", conditions=conditions, command="-"
    ).table
    cost = table.cost_model(space, "latency_ms")
    layers = nn.ModuleList(
        LayerChoice([nn.Identity() for _ in choice.candidates], key=choice.key)
        for choice in space.choices
    )
    for layer, choice in zip(layers, space.choices, strict=True):
        layer.choice = choice  # type: ignore[assignment]
    mutator = ProxylessMutator(layers, init_type="zeros")
    expected = mutator.expected_cost(cost)
    assert float(expected.detach()) == pytest.approx(113.988, abs=5e-4)
    assert float(uniform_cost(cost)) == pytest.approx(113.988, abs=5e-4)
    expected.backward()
    assert all(float(logits.grad.abs().max()) > 0.1 for logits in mutator.arch_parameters())  # type: ignore[union-attr]


# Any model


class Mixed(nn.Module):
    """Chooses inputs and depths too."""

    def __init__(self, chosen: int | None) -> None:
        super().__init__()
        self.left, self.right = conv(), conv(1)
        self.inputs = InputChoice(n_candidates=2, n_chosen=chosen, key="inputs")
        self.deep = Repeat(lambda index: conv(), (0, 2), key="deep")
        self.head = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.inputs([self.left(x), self.right(x)])
        out: Tensor = self.head(self.deep(x if y is None else x + y).mean((2, 3)))
        return out


@pytest.mark.parametrize("chosen", [1, None])
@pytest.mark.parametrize("path", [(0, 0), (1, 2), (0, 1)])
def test_inputs_and_depths_have_gates(chosen: int | None, path: tuple[int, int]) -> None:
    found = []
    for mode in ("full", "full_v2"):
        torch.manual_seed(0)
        model = Mixed(chosen)
        mutator = ProxylessMutator(model, mode, init_ratio=0.5, seed=1)
        images, labels = split(12).tensors()
        mutator.gate({"inputs": path[0], "deep": path[1]})
        functional.cross_entropy(model(images), labels).backward()
        found.append([logits.grad for logits in mutator.arch_parameters()])
    for one, other in zip(*found, strict=True):
        assert one is not None
        assert other is not None
        assert float(one.abs().max()) > 1e-5
        assert torch.allclose(one, other, atol=1e-5)


def test_mistakes_are_named() -> None:
    with pytest.raises(
        InvalidOption, match="binary_mode must be one of full_v2, full, two, not 'three'"
    ):
        ProxylessMutator(Net(), "three")
    mutator = ProxylessMutator(nn.ModuleList([ValueChoice([1, 2], key="rate")]))
    mutator.reset()
    with pytest.raises(
        InvalidOption,
        match="rate: binary gates are of layers and inputs; train a ValueChoice by rein",
    ):
        mutator.reset_binary_gates()
    assert MODES[0] == "full_v2"
