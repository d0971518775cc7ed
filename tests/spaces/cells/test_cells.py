"""Plans, and the networks and supernets that follow them, over all spaces of cells."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces.block import Block
from spaces.cells.plan import Plan
from spaces.cells.space import CellSpace
from spaces.errors import InvalidBlock, NoActiveCandidate
from spaces.modules.cells import CellNetwork, drop_path, execute
from spaces.modules.elastic import ElasticBatchNorm, ElasticConv, ElasticConvBlock
from spaces.modules.network import materialise
from spaces.operators.layers import Conv

SHAPE = (4, 6, 6)


@pytest.fixture(
    params=[
        "nasbench201(cells=1, channels=8)",
        "nasbench101(modules=2, stacks=2, stem_channels=10)",
        "darts(channels=4, layers=4, stem_multiplier=2)",
        "darts-imagenet(channels=8, input_size=32, layers=3, num_classes=10)",
    ]
)
def space(request: pytest.FixtureRequest) -> CellSpace:
    found = spaces.get(request.param)
    assert isinstance(found, CellSpace)
    return found


def images(space: spaces.SearchSpace, count: int = 4) -> Tensor:
    return torch.randn(count, *space.input_shape, generator=torch.Generator().manual_seed(1))


def conv(inputs: int, outputs: int) -> Block:
    return Block("conv", (inputs, 6, 6), (outputs, 6, 6), 1, stride=1, activation="relu")


# Plans


def test_plan_executes_its_steps() -> None:
    plan = Plan(SHAPE)
    first = plan.apply("a", conv(4, 5), 0)
    second = plan.apply("b", conv(4, 3), 0)
    both = plan.concatenate([first, second, plan.truncate(0, 2)])
    nothing = plan.add([], (10, 6, 6))
    plan.add([both, nothing, both], (10, 6, 6))
    modules = [nn.Conv2d(4, 5, 1), nn.Conv2d(4, 3, 1)]
    x = torch.randn(2, *SHAPE)
    last, kept = execute(plan, modules, x, keep=[second])
    expected = 2 * torch.cat([modules[0](x), modules[1](x), x[:, :2]], 1)
    torch.testing.assert_close(last, expected)
    torch.testing.assert_close(kept, modules[1](x))
    assert [plan.shape(value) for value in (first, both, nothing)] == [
        (5, 6, 6),
        (10, 6, 6),
        (10, 6, 6),
    ]
    assert plan.blocks == [conv(4, 5), conv(4, 3)]


def test_trivial_operations_add_no_step() -> None:
    plan = Plan(SHAPE)
    assert plan.add([0], SHAPE) == plan.concatenate([0]) == plan.truncate(0, 4) == 0
    assert plan.steps == []


def test_values_are_released_after_their_last_use() -> None:
    plan = Plan(SHAPE)
    first = plan.apply("a", conv(4, 4), 0)
    second = plan.apply("b", conv(4, 4), first)
    plan.add([first, second], SHAPE)
    assert plan.last_uses == [(0,), (), (first, second)]


def test_shapes_that_do_not_fit_are_refused() -> None:
    plan = Plan(SHAPE)
    with pytest.raises(ValueError, match=r"here: .* cannot read"):
        plan.apply("here", conv(5, 5), 0)
    with pytest.raises(ValueError, match="cannot add"):
        plan.add([0], (5, 6, 6))
    small = plan.apply("pool", Block("max_pool", SHAPE, (4, 3, 3), 2, stride=2), 0)
    with pytest.raises(ValueError, match="cannot concatenate"):
        plan.concatenate([0, small])


# Networks and supernets


def test_supernet_has_every_block_of_the_space(space: CellSpace) -> None:
    supernet, places = space.supernet(), space.places()
    found = set()
    for codes in space.sample(np.random.default_rng(0), 50):
        plan = space.plan(codes)
        found |= {block.key for block in plan.blocks}
        for step in plan.applied:
            place = places[step.name]
            assert step.name in supernet.places
            assert (step.block.operator, step.block.kernel) == (place.operator, place.kernel)
            assert step.block.output[0] <= place.output[0]
    assert found <= set(space.all_blocks)
    assert len(found) > len(space.all_blocks) / 2


def test_network_and_supernet_compute_the_same(space: CellSpace) -> None:
    supernet = space.supernet(generator=torch.Generator().manual_seed(2))
    rng, x = np.random.default_rng(3), images(space)
    for codes in space.sample(rng, 6):
        supernet.activate(codes)
        network = space.network(space.decode(codes[None])[0])
        supernet.train()
        supernet(x)  # statistics that are not the first ones
        inherit(network, supernet.path())
        for mode in (False, True):
            with torch.no_grad():
                expected, scores = supernet.train(mode)(x), network.train(mode)(x)
            torch.testing.assert_close(scores, expected)
        assert scores.std() > 0


def inherit(network: nn.Module, path: list[nn.Module]) -> None:
    """Copy a path's weights, their first channels where they have more; scale and shift are fresh:
    1 and 0.
    """
    assert isinstance(network, CellNetwork)
    for target, source in zip(network.blocks, path, strict=True):
        given = source.state_dict()
        for name, value in target.state_dict().items():
            if name in given:
                value.copy_(given[name][tuple(map(slice, value.shape))])
        missing, unexpected = (
            target.state_dict().keys() - given.keys(),
            given.keys() - target.state_dict().keys(),
        )
        assert not unexpected
        norms = [name for name, part in target.named_modules() if isinstance(part, nn.BatchNorm2d)]
        assert missing == {
            f"{norm}.{part}".lstrip(".") for norm in norms for part in ("weight", "bias")
        }


def test_only_the_path_takes_statistics(space: CellSpace) -> None:
    supernet = space.supernet().train()
    supernet.activate(space.sample(np.random.default_rng(4), 1)[0])
    before = {name: value.clone() for name, value in supernet.named_buffers()}
    supernet(images(space))
    on_path = {id(value) for module in supernet.path() for value in module.buffers()}
    for name, value in supernet.named_buffers():
        assert torch.equal(value, before[name]) != (id(value) in on_path), name


def test_supernet_learns(space: CellSpace) -> None:
    supernet, rng = (
        space.supernet(generator=torch.Generator().manual_seed(5)),
        np.random.default_rng(5),
    )
    optimizer = torch.optim.SGD(supernet.parameters(), 0.05, momentum=0.9)
    x, labels = images(space, 16), torch.arange(16) % 10
    codes = space.sample(rng, 2)
    losses = []
    for step in range(40):
        supernet.activate(codes[step % 2])
        loss = nn.functional.cross_entropy(supernet(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])


def test_supernet_raises_without_architecture(space: CellSpace) -> None:
    with pytest.raises(NoActiveCandidate, match=r"activate\(\)"):
        space.supernet()(images(space))


def test_number_of_classes_can_be_another(space: CellSpace) -> None:
    architecture = space.sample(np.random.default_rng(6))
    supernet = space.supernet(num_classes=7)
    supernet.activate(architecture)
    for model in (supernet, space.network(architecture, num_classes=7)):
        assert model.eval()(images(space)).shape == (4, 7)


# Elastic layers


@pytest.mark.parametrize("momentum", [0.1, None])
def test_narrow_statistics_are_those_of_a_narrow_normalisation(momentum: float | None) -> None:
    elastic, plain = ElasticBatchNorm(6), nn.BatchNorm2d(4, affine=False)
    elastic.momentum = plain.momentum = momentum
    for batch in torch.randn(3, 5, 4, 3, 3) * 2 + 1:
        torch.testing.assert_close(elastic(batch), plain(batch))
    torch.testing.assert_close(elastic.running_mean[:4], plain.running_mean)
    torch.testing.assert_close(elastic.running_var[:4], plain.running_var)
    assert elastic.running_mean[4:].eq(0).all()
    batch = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(elastic.eval()(batch), plain.eval()(batch))


def test_narrow_convolution_has_the_first_channels() -> None:
    elastic = ElasticConv(Conv(6, 8, 3, 2))
    elastic.active = 5
    x = torch.randn(2, 3, 7, 7)
    expected = nn.functional.conv2d(x, elastic.weight[:5, :3], stride=2, padding=1)
    torch.testing.assert_close(elastic(x), expected)


def test_block_that_cannot_be_narrowed_is_refused() -> None:
    with pytest.raises(InvalidBlock, match=r"only convolutions .* not linear"):
        ElasticConvBlock(Block("linear", (4, 2, 2), (10,)))


# Initialisation


@pytest.mark.parametrize("name", ["torch_initialiser", "tensorflow_initialiser"])
def test_weights_have_the_documented_variance(name: str) -> None:
    from spaces.modules import initialisers

    def make() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64), nn.Linear(400, 200)
        )

    module: Any = materialise(make, getattr(initialisers, name), torch.Generator().manual_seed(0))
    conv, norm, linear = module.requires_grad_(False)
    torch_like = name == "torch_initialiser"
    assert conv.weight.var() * 288 == pytest.approx(1 / 3 if torch_like else 1.0, rel=0.05)
    assert linear.weight.var() == pytest.approx(1 / 3 / 400 if torch_like else 2 / 600, rel=0.05)
    assert norm.weight.eq(1).all()
    assert norm.bias.eq(0).all()
    assert norm.momentum == pytest.approx(0.1 if torch_like else 0.003)
    bound = 400**-0.5 if torch_like else 0.0
    assert 0.9 * bound <= linear.bias.abs().max() <= bound


# Drop-path


def test_drop_path_keeps_an_image_or_drops_it() -> None:
    x = torch.rand(4000, 3, 2, 2) + 0.5
    torch.manual_seed(0)
    found = drop_path(x, 0.25)
    factors = (found / x).flatten(1)
    assert factors.max(1).values.sub(factors.min(1).values).abs().max() < 1e-5  # one mask an image
    kept = factors[:, 0] > 0
    torch.testing.assert_close(found[kept], x[kept] / 0.75)
    assert found[~kept].eq(0).all()
    assert 0.22 < (~kept).float().mean() < 0.28
    torch.manual_seed(0)
    assert torch.equal(
        drop_path(x, 0.25), found
    )  # of the generator that is seeded, and nothing else


def test_drop_path_is_for_the_edges_of_cells_while_training(space: CellSpace) -> None:
    codes = space.sample(np.random.default_rng(8), 20)
    edges = np.array([sum(step.droppable for step in space.plan(row).applied) for row in codes])
    if "nasbench101" in space.name:
        assert not edges.any()  # a vertex that is left out would leave nothing of the module
    row = codes[edges.argmax()]
    network: Any = space.network(space.decode(row[None])[0])
    assert network.has_edges == bool(edges.max())
    x = images(space, 6)
    with torch.no_grad():
        expected, evaluated = network.train()(x), network.eval()(x)
        network.drop_path = 0.6
        assert torch.equal(network.eval()(x), evaluated)
        torch.manual_seed(1)
        found = network.train()(x)
        torch.manual_seed(1)
        assert torch.equal(network(x), found)
        torch.manual_seed(2)
        assert torch.equal(network(x), found) != network.has_edges
    assert torch.equal(found, expected) != network.has_edges


def test_drop_path_leaves_an_operation_out() -> None:
    plan = Plan(SHAPE)
    plan.add(
        [plan.apply("edge", conv(4, 4), 0, droppable=True), plan.apply("other", conv(4, 4), 0)],
        SHAPE,
    )
    modules = [nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)]
    x = torch.randn(200, *SHAPE)
    torch.manual_seed(3)
    (found,) = execute(plan, modules, x, drop=0.5)
    with torch.no_grad():
        edge, other = modules[0](x), modules[1](x)
    kept = (found - other).flatten(1).abs().max(1).values > 1e-4
    assert 0.3 < kept.float().mean() < 0.7
    torch.testing.assert_close(found[~kept], other[~kept])
    torch.testing.assert_close(found[kept], (other + 2 * edge)[kept])
