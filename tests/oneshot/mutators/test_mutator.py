"""Mutators mean what NNI's mean, on a user's own model."""

import copy
import json
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import spaces
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator, straight_through
from oneshot.mutators.mutator import BaseMutator, FixedArchitecture, Mutator, RandomMutator
from spaces.errors import NoActiveCandidate
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.mutable import assign_keys
from spaces.modules.repeat import Repeat
from spaces.modules.value_choice import ValueChoice
from spaces.user_model.freeze import activate, freeze

Make = Callable[[], nn.Module]
KEYS = [
    "blocks.0.conv",
    "blocks.0.skip",
    "blocks.1.conv",
    "blocks.1.skip",
    "shared",
    "blocks.2.skip",
    "blocks.3.skip",
]


class Own(Mutator):
    """The ten lines of NNI's guide."""

    def sample_search(self) -> dict[str, Tensor]:
        found = {}
        for mutable in self.mutables:
            if isinstance(mutable, LayerChoice):
                index = torch.randint(high=len(mutable), size=(1,))
                found[mutable.key] = (
                    functional.one_hot(index, num_classes=len(mutable)).view(-1).bool()
                )
            elif isinstance(mutable, InputChoice):
                taken = torch.randperm(mutable.n_candidates)[: mutable.n_chosen]
                found[mutable.key] = torch.tensor(
                    [index in taken for index in range(mutable.n_candidates)]
                )
        return found

    def sample_final(self) -> dict[str, Tensor]:
        return self.sample_search()


def test_the_loop_of_the_guide_trains(resnet: Make) -> None:
    """reset, forward, criterion, backward: the first losses are far above the last."""
    torch.manual_seed(0)
    model = resnet()
    mutator = Own(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    labels = torch.arange(48) % 3
    images = torch.randn(48, 3, 8, 8) + 2 * torch.eye(3)[labels][:, :, None, None]
    losses = []
    for _ in range(150):
        mutator.reset()
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])


def test_the_decision_holds_until_the_next_reset(resnet: Make) -> None:
    model, images = resnet().eval(), torch.randn(2, 3, 8, 8)
    mutator = RandomMutator(model, seed=1)
    mutator.reset()
    first = mutator.masks
    assert torch.equal(model(images), model(images))
    assert mutator.masks is first
    outputs = set()
    for _ in range(20):
        mutator.reset()
        outputs.add(float(model(images).sum().detach()))
    assert len(outputs) > 5


def test_keys_are_paths_and_equal_keys_are_decided_once(resnet: Make) -> None:
    model = resnet()
    mutator = RandomMutator(model)
    assert [mutable.key for mutable in mutator.mutables] == KEYS
    assert [len(found) for found in mutator.groups.values()] == [1, 1, 1, 1, 2, 1, 1]
    mutator.reset()
    ran: list[int] = []
    for mutable in mutator.groups["shared"]:
        assert isinstance(mutable, LayerChoice)
        for code, candidate in enumerate(mutable):
            candidate.register_forward_hook(lambda *_, code=code: ran.append(code))
    model(torch.randn(1, 3, 8, 8))
    assert len(ran) == 2
    assert ran[0] == ran[1] == int(mutator.masks["shared"].int().argmax())


def test_what_a_mask_takes_is_what_the_frozen_network_computes(resnet: Make) -> None:
    """Ten random masks: the same outputs as the network with these choices made for good."""
    images = torch.randn(4, 3, 8, 8)
    for seed in range(10):
        model = resnet().eval()
        mutator = RandomMutator(model, seed)
        mutator.reset()
        fixed = FixedArchitecture(
            resnet().eval(), {key: mask.tolist() for key, mask in mutator.masks.items()}
        )
        codes = fixed.codes()
        plain = resnet().eval()
        activate(plain, [codes[mutable.key] for mutable in assign_keys(plain)])
        frozen = freeze(plain)
        assert torch.equal(model(images), frozen(images))
        assert torch.equal(fixed.__dict__["model"](images), frozen(images))


def test_weights_mix_and_take_gradients(resnet: Make) -> None:
    model = resnet().eval()
    mutator = ArchitectureMutator(model, init_type="zeros")
    mutator.reset()
    choice = mutator.groups["blocks.0.conv"][0]
    assert isinstance(choice, LayerChoice)
    x = torch.randn(2, 8, 4, 4)
    assert torch.allclose(choice(x), sum(candidate(x) for candidate in choice) / 3, atol=1e-6)
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert all(
        logits.grad is not None and logits.grad.abs().sum() > 0
        for logits in mutator.arch_parameters()
    )
    mutator.arch_disable_grad()
    mutator.reset()
    assert not mutator.masks["shared"].requires_grad
    mutator.arch_requires_grad()
    mutator.reset()
    assert mutator.masks["shared"].requires_grad


def test_an_export_survives_json(resnet: Make) -> None:
    mutator = ArchitectureMutator(resnet(), seed=3)
    exported = json.loads(mutator.export_json())
    assert sorted(exported) == sorted(KEYS)
    assert all(sum(mask) == 1 and set(mask) <= {True, False} for mask in exported.values())
    fixed = FixedArchitecture(resnet(), exported)
    assert fixed.codes() == mutator.codes() == mutator.best()
    assert FixedArchitecture(resnet(), fixed.decided()).codes() == fixed.codes()
    assert FixedArchitecture(resnet(), fixed.codes()).export_json() == mutator.export_json()


def test_of_equal_logits_the_first_is_exported(resnet: Make) -> None:
    assert set(ArchitectureMutator(resnet(), init_type="zeros").codes().values()) == {0}


@pytest.mark.parametrize("kind", [RandomMutator, ArchitectureMutator])
def test_state_goes_on_where_it_was(
    resnet: Make, kind: type[RandomMutator] | type[ArchitectureMutator]
) -> None:
    """Logits and generator: what is drawn next is the same."""
    mutator = kind(resnet(), seed=5)
    state = copy.deepcopy(mutator.state_dict())
    other = kind(resnet(), seed=6)
    other.load_state_dict(state)
    assert all(
        torch.equal(one, two)
        for one, two in zip(mutator.parameters(), other.parameters(), strict=True)
    )
    assert torch.equal(
        torch.rand(5, generator=mutator.generator), torch.rand(5, generator=other.generator)
    )


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))])
def test_a_copy_is_bound_to_the_copied_model(
    resnet: Make, copied: Callable[[object], object]
) -> None:
    mutator = RandomMutator(
        nn.Sequential(nn.Identity()).append(LayerChoice([nn.Linear(2, 2), nn.Identity()]))
    )
    twin = copied(mutator)
    assert isinstance(twin, RandomMutator)
    model = twin.__dict__["model"]
    assert model is not mutator.__dict__["model"]
    twin.reset()
    assert model(torch.ones(1, 2)).shape == (1, 2)
    with pytest.raises(
        NoActiveCandidate, match=r"1: nothing is decided yet; call the mutator's reset\(\) first"
    ):
        mutator.__dict__["model"](torch.ones(1, 2))


def test_values_and_repeats_are_decided_too() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rate = ValueChoice([1.0, 2.0, 4.0], key="rate")
            self.deep = Repeat(lambda index: nn.Linear(2, 2), (1, 3), key="deep")

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.deep(x) * self.rate()
            return out

    model = Net()
    fixed = FixedArchitecture(model, {"rate": "4.0", "deep": "2"})
    x = torch.randn(3, 2)
    whole = model.deep.blocks[1](model.deep.blocks[0](x)) * 4
    assert torch.equal(model(x), whole)
    fixed.unbind()
    mutator = ArchitectureMutator(model, init_type="zeros")
    mutator.reset()
    depths = [model.deep.run(depth, x) for depth in (1, 2, 3)]
    assert torch.allclose(model(x), sum(depths) / 3 * (7 / 3), atol=1e-6)


class Masked(nn.Module):
    """Multiplies its output by a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        output: Tensor = self.linear(x) * mask
        return output


def test_a_mask_reaches_the_blocks_of_a_weighted_mixture() -> None:
    repeat = Repeat(lambda index: Masked(), (1, 2), key="depth")
    x = torch.randn(3, 2)
    mask = torch.tensor([1.0, 0.0])
    first = repeat.blocks[0](x, mask)
    second = repeat.blocks[1](first, mask)

    mutator = ArchitectureMutator(nn.ModuleList([repeat]), init_type="zeros")
    mutator.reset()
    assert torch.allclose(repeat(x, mask=mask), (first + second) / 2)


def test_weights_of_inputs_are_sums_over_the_combinations_that_have_them() -> None:
    choice = InputChoice(n_candidates=3, n_chosen=2, key="pair")
    model = nn.ModuleList([choice])
    mutator = ArchitectureMutator(model)
    with torch.no_grad():
        mutator.alpha["pair"].copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    mutator.reset()
    # 0+1, 0+2, 1+2
    assert torch.allclose(mutator.masks["pair"], torch.tensor([0.8, 0.7, 0.5]))


def test_probabilities_come_in_the_order_of_the_space(resnet: Make) -> None:
    space = spaces.from_model(resnet(), torch.randn(1, 3, 8, 8))
    supernet = space.supernet()
    mutator = ArchitectureMutator(supernet)
    assert [choice.key for choice in space.choices] == KEYS
    assert [len(row) for row in mutator.probabilities(space.choices)] == [3, 2, 3, 2, 3, 2, 2]
    assert mutator.architecture(space).space == space.name
    with pytest.raises(
        InvalidOption,
        match="the model has no LayerChoice or other mutable for the choice 'layer_1'",
    ):
        mutator.probabilities(spaces.get("spos-tiny").choices)


def test_what_is_straight_through_is_exact_and_has_the_others_gradient() -> None:
    soft = torch.tensor([0.2, 0.3, 0.5], requires_grad=True)
    hard = torch.tensor([0.0, 1.0, 0.0])
    given = straight_through(hard, soft)
    assert torch.equal(given, hard)
    (given * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert soft.grad is not None
    assert soft.grad.tolist() == [1.0, 2.0, 3.0]


def test_mistakes_are_named(resnet: Make) -> None:
    with pytest.raises(
        InvalidOption, match="model: Linear has no LayerChoice, InputChoice, ValueChoice or Repeat"
    ):
        RandomMutator(nn.Linear(1, 1))
    model = resnet()
    mutator = RandomMutator(model)
    with pytest.raises(
        InvalidOption,
        match=r"RandomMutator, is bound to blocks.0.conv already; unbind\(\) it first",
    ):
        RandomMutator(model)
    mutator.unbind()
    RandomMutator(model).unbind()
    with pytest.raises(InvalidOption, match=r"architecture: the choice 'blocks.0.conv' is missing"):
        FixedArchitecture(model, {})
    with pytest.raises(InvalidOption, match="architecture: the model has no choice 'nonsense'"):
        FixedArchitecture(model, {"nonsense": 1})
    with pytest.raises(
        InvalidOption, match=r"'blocks.0.conv' takes a mask of 3, a code or a name, not \[True\]"
    ):
        FixedArchitecture(model, {"blocks.0.conv": [True]})
    with pytest.raises(
        InvalidOption, match="arch_init_type must be one of normal, uniform, zeros, not 'zero'"
    ):
        ArchitectureMutator(model, init_type="zero")
    broken = Own(model)
    with pytest.raises(
        InvalidOption, match=r"Own: the mask of 'shared' has the shape \[3\], not \[2\]"
    ):
        broken.take(
            {
                key: torch.ones(2 if key == "shared" else 3 if "conv" in key else 2).bool()
                for key in KEYS
            }
        )
    with pytest.raises(InvalidOption, match=r"Own: the sample has no mask for 'blocks.0.conv'"):
        broken.take({})
    with pytest.raises(NotImplementedError, match="call its model"):
        broken(torch.ones(1))
    broken.unbind()
    base = BaseMutator(model)
    with pytest.raises(NotImplementedError, match="BaseMutator has no on_forward_layer_choice"):
        model(torch.randn(1, 3, 8, 8))
    base.unbind()
