"""Zero-cost proxies on networks so small that their values can be worked out otherwise."""

import copy
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from predictor.errors import InvalidValues
from predictor.proxies import Subject, available, measure
from predictor.proxies.survey import Survey
from spaces.architecture import Architecture
from spaces.errors import UnknownName
from tables.benchmarks import classes
from tests.predictor.proxies.networks import convolutional
from tests.published import published


def batch(count: int = 6, side: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, side, side, generator=generator), torch.arange(count) % 4


class Flat(nn.Module):
    """Linear layers without bias on the flattened image."""

    def __init__(self, *widths: int, between: Callable[[], nn.Module] = nn.Identity, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.layers = nn.Sequential(nn.Flatten())
        for index, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            if index:
                self.layers.append(between())
            layer = nn.Linear(inputs, outputs, bias=False)
            with torch.no_grad():
                layer.weight.copy_(torch.randn(outputs, inputs, generator=generator))
            self.layers.append(layer)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.layers(images)
        return outputs


def one(network: nn.Module, name: str, images: Tensor, labels: Tensor, seed: int = 0) -> float:
    return measure(network, images, labels, [name], seed)[name]


@pytest.mark.parametrize("widths", [(75, 4), (75, 8, 4), (75, 8, 3, 4)])
def test_synflow_of_a_linear_network_is_its_product_once_a_layer(widths: tuple[int, ...]) -> None:
    network = Flat(*widths)
    product = np.ones((1, 75))
    for layer in network.layers:
        if isinstance(layer, nn.Linear):
            product = product @ layer.weight.detach().abs().double().numpy().T
    expected = math.log((len(widths) - 1) * product.sum())
    assert one(network, "synflow", *batch()) == pytest.approx(expected, rel=1e-6)


def test_synflow_looks_at_no_image_and_past_normalisation() -> None:
    network = convolutional()
    value = one(network, "synflow", *batch(seed=0))
    assert value == one(network, "synflow", *batch(count=2, seed=1))
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.mul_(7)
                part.running_var.mul_(9)  # type: ignore[union-attr, operator]
    assert one(network, "synflow", *batch()) == value


def test_snip_and_grad_norm_follow_from_the_loss_gradient() -> None:
    images, labels = batch()
    network = Flat(75, 4)
    weight = network.layers[1].weight.detach().double()
    logits = images.reshape(6, 75).double() @ weight.T
    error = torch.softmax(logits, 1) - nn.functional.one_hot(labels, 4)
    gradient = error.T @ images.reshape(6, 75).double() / 6
    assert one(network, "snip", images, labels) == pytest.approx(
        float((gradient * weight).abs().sum()), rel=1e-5
    )
    assert one(network, "grad_norm", images, labels) == pytest.approx(
        float(gradient.norm()), rel=1e-5
    )
    deep = convolutional()
    for part in deep.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.fill_(0.5)
    twin = copy.deepcopy(deep).train()
    nn.functional.cross_entropy(twin(images), labels).backward()
    layers = [twin[0], twin[3], twin[8]]
    assert one(deep, "grad_norm", images, labels) == pytest.approx(
        sum(float(x.weight.grad.norm()) for x in layers)
    )
    snip = sum(float((x.weight * x.weight.grad).abs().sum().detach()) for x in layers)
    assert one(deep, "snip", images, labels) == pytest.approx(snip)


def test_naswot_is_the_determinant_of_agreeing_units() -> None:
    images, labels = batch(count=3)
    network = Flat(75, 5, 4, between=nn.ReLU)
    code = (images.reshape(3, 75) @ network.layers[1].weight.detach().T > 0).numpy()
    agreeing = [
        [sum(a == b for a, b in zip(code[i], code[j], strict=True)) for j in range(3)]
        for i in range(3)
    ]
    determinant = np.linalg.det(np.array(agreeing, dtype=float))
    assert determinant > 0.1
    assert one(network, "naswot", images, labels) == pytest.approx(math.log(determinant), rel=1e-6)
    inplace = Flat(75, 5, 4, between=lambda: nn.ReLU(inplace=True))
    assert one(inplace, "naswot", images, labels) == pytest.approx(math.log(determinant), rel=1e-6)


class WithDeadBranch(nn.Module):
    """A network with a branch that runs and is not used."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.dead = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        self.dead(images)
        outputs: Tensor = self.network(images)
        return outputs


def test_naswot_does_not_count_what_the_outputs_do_not_depend_on() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
    images, labels = batch()
    network(images)
    live = one(network, "naswot", images, labels)
    assert one(WithDeadBranch(network), "naswot", images, labels) == live


def test_naswot_of_equal_images_is_low_but_finite() -> None:
    images, labels = batch(count=4)
    network = Flat(75, 30, 4, between=nn.ReLU)
    same = images[:1].expand(4, -1, -1, -1)
    assert one(network, "naswot", same, labels) < one(network, "naswot", images, labels)
    # Rank one: the eigenvalue 4 x 30 and three that count as 1e-6.
    assert one(network, "naswot", same, labels) == pytest.approx(
        math.log(120) + 3 * math.log(1e-6), rel=1e-6
    )
    with pytest.raises(
        InvalidValues, match="naswot needs a network with activations as modules: ReLU, "
    ):
        measure(Flat(75, 4), images, labels, ["naswot"])


def test_jacob_cov_of_a_linear_network_is_that_of_equal_images() -> None:
    # All images have the gradient W^T 1, so that the correlation is all ones: eigenvalues n and 0.
    k, count = 1e-5, 5
    images, labels = batch(count)
    expected = -(math.log(count + k) + 1 / (count + k)) - (count - 1) * (math.log(k) + 1 / k)
    assert one(Flat(75, 9, 4), "jacob_cov", images, labels) == pytest.approx(expected, rel=1e-3)


def test_jacob_cov_follows_from_single_gradients() -> None:
    images, labels = batch(count=4)
    network = Flat(75, 40, 4, between=nn.ReLU)
    rows = []
    for image in images:
        given = image[None].clone().requires_grad_()
        network(given).sum().backward()
        rows.append(given.grad.reshape(-1).numpy())  # type: ignore[union-attr]
    values = np.linalg.eigvalsh(np.corrcoef(np.array(rows, dtype=float)))
    expected = -sum(math.log(value + 1e-5) + 1 / (value + 1e-5) for value in values)
    assert one(network, "jacob_cov", images, labels) == pytest.approx(expected, rel=1e-4)


def test_zen_of_one_convolution_is_the_sum_of_its_features_moves() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 2, 1, bias=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 4)
    )
    images, labels = batch()
    generator = torch.Generator().manual_seed(5)
    weight = torch.randn(2, 3, 1, 1, generator=generator)
    torch.randn(4, 2, generator=generator)  # the classifier's, which no feature sees
    torch.randn(images.shape, generator=generator)
    moved = nn.functional.conv2d(0.01 * torch.randn(images.shape, generator=generator), weight)
    # Summed over channels and pixels, the mean over images.
    expected = math.log(float(moved.abs().sum(published("zen.summed_dimensions")).mean()))
    assert one(network, "zen", images, labels, seed=5) == pytest.approx(expected, rel=1e-3)
    assert one(network, "zen", images, labels, seed=6) != pytest.approx(expected, rel=1e-3)


def test_zen_adds_what_normalisation_divides_by() -> None:
    images, labels = batch(count=16)
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 1, bias=False), nn.Identity(), nn.Flatten(), nn.Linear(100, 4)
    )
    normalised = nn.Sequential(
        nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(100, 4)
    )
    # One channel each: dividing by its deviation and adding the deviation's logarithm leaves the
    # score.
    plain[0], normalised[0] = nn.Conv2d(3, 1, 1, bias=False), nn.Conv2d(3, 1, 1, bias=False)
    normalised[1] = nn.BatchNorm2d(1, eps=1e-12)
    plain[3], normalised[3] = nn.Linear(25, 4), nn.Linear(25, 4)
    assert one(normalised, "zen", images, labels) == pytest.approx(
        one(plain, "zen", images, labels), abs=0.01
    )


@pytest.mark.parametrize(
    "name", ["spos-tiny", "nasbench201(channels=4, cells=1)", "nasbench-macro"]
)
def test_counts_are_those_of_the_space(name: str) -> None:
    space = spaces.get(name)
    images = torch.zeros(2, *space.input_shape)
    for architecture in space.decode(space.sample(np.random.default_rng(0), 3)):
        found = measure(
            space.network(architecture), images, torch.tensor([0, 1]), ["params", "macs"]
        )
        assert found == {"params": space.params(architecture), "macs": space.macs(architecture)}


def test_a_network_is_left_as_it_was_and_values_repeat() -> None:
    network, (images, labels) = convolutional().eval(), batch()
    before = copy.deepcopy(network.state_dict())
    pixels, state = images.clone(), torch.random.get_rng_state()
    first = measure(network, images, labels)
    assert list(first) == available()
    assert measure(network, images, labels) == first
    assert measure(network, images, labels, ["zen"], seed=1)["zen"] != first["zen"]
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(images, pixels)
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    after = network.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def test_wrong_input_is_named() -> None:
    images, labels = batch()
    with pytest.raises(UnknownName, match="unknown proxy 'magic'; available: "):
        measure(convolutional(), images, labels, ["magic"])
    with pytest.raises(InvalidValues, match=r"not \[6, 3, 5, 5\] and \[5\]"):
        Subject(convolutional(), images, labels[:5])
    network = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()
    )
    with pytest.raises(InvalidValues, match="1 image is too few"):
        measure(network, images[:1], labels[:1], ["grad_norm"])
    with pytest.raises(
        InvalidValues, match="zen needs a network with features of more than one pixel"
    ):
        measure(Flat(75, 4), images, labels, ["zen"])
    broken = Flat(75, 4)
    broken.layers[1].weight.data.fill_(math.nan)
    with pytest.raises(InvalidValues, match="snip is nan: the network's outputs are not finite"):
        measure(broken, images, labels, ["snip"])


SPACE = spaces.get("nasbench201(channels=2, cells=1, input_size=8)")


def survey(**options: object) -> Survey:
    images, labels = batch(count=4, side=8)
    return Survey(SPACE, images, labels, 4, ["naswot", "synflow", "params"], **options)  # type: ignore[arg-type]


def test_equal_networks_are_measured_once_and_counted_by_themselves() -> None:
    # The first two differ only in an edge that leaves a node without information.
    codes = SPACE.check(np.array([[0, 3, 3, 1, 2, 3], [0, 3, 2, 1, 3, 3], [3, 3, 3, 1, 2, 3]]))
    assert classes(SPACE, codes)[0] == classes(SPACE, codes)[1] != classes(SPACE, codes)[2]
    first, second, third = survey().run(codes)
    assert [new for _, _, new in (first, second, third)] == [True, False, True]
    assert first[1]["naswot"] == second[1]["naswot"] != third[1]["naswot"]
    assert [values["params"] for _, values, _ in (first, second, third)] == SPACE.params(
        codes
    ).tolist()


def test_values_hang_neither_on_the_order_nor_on_what_was_known() -> None:
    codes = SPACE.sample(np.random.default_rng(1), 8)
    whole = [(architecture, values) for architecture, values, _ in survey().run(codes)]
    backwards = {architecture: values for architecture, values, _ in survey().run(codes[::-1])}
    assert backwards == dict(whole)
    rest = [
        (architecture, values) for architecture, values, _ in survey().run(codes[5:], whole[:5])
    ]
    assert whole[:5] + rest == whole


def test_a_cell_that_lets_nothing_through_comes_last() -> None:
    images, labels = batch(count=4, side=8)
    names = [
        name for name in available() if name != "grad_norm"
    ]  # its classifier alone has a gradient
    codes = SPACE.check(np.array([[0] * 6, [0, 0, 3, 0, 0, 3], [3] * 6]))
    cut, dead, whole = (
        values for _, values, _ in Survey(SPACE, images, labels, 4, names).run(codes)
    )
    assert {**cut, "params": 0, "macs": 0} == {**dead, "params": 0, "macs": 0}
    assert all(cut[name] < whole[name] for name in names)


def test_repeats_are_means_over_seeds() -> None:
    codes = SPACE.sample(np.random.default_rng(2), 2)
    singles = [[values for _, values, _ in survey(seed=seed).run(codes)] for seed in (3, 4)]
    for row, (_, values, _) in enumerate(survey(seed=3, repeats=2).run(codes)):
        for name in ("naswot", "synflow"):
            assert values[name] == pytest.approx(
                (singles[0][row][name] + singles[1][row][name]) / 2
            )
    assert singles[0] != singles[1]


def test_architectures_with_a_resolution_of_their_own_get_their_images() -> None:
    space = spaces.get("ofa-mobilenetv3")
    images, labels = torch.zeros(1, *space.input_shape), torch.tensor([0])
    architecture = space.decode(space.sample(np.random.default_rng(0), 1))[0]
    (found,) = Survey(space, images, labels, 4, ["macs"]).run(space.encode([architecture]))
    assert found == (architecture, {"macs": space.macs(architecture)}, True)
    assert isinstance(found[0], Architecture)
