"""Heads behind the backbones of the zoo."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import spaces
from spaces import Architecture, SearchSpace, extract
from spaces.errors import InvalidArchitecture
from spaces.modules.blocks import WeightedMean
from spaces.modules.elastic_supernet import ElasticSupernet
from spaces.modules.head_outputs import AnchorOutputs, DistanceOutputs, by_location
from spaces.modules.nested import tensors_in
from spaces.modules.network import WiredNetwork

HEADS = ("ssdlite", "fpn", "bifpn", "mask")


def sampled(space: SearchSpace, seed: int = 0) -> Architecture:
    return space.decode(space.sample(np.random.default_rng(seed), 1))[0]


def wired(space: SearchSpace, architecture: Architecture) -> WiredNetwork:
    network = space.network(architecture).eval()
    assert isinstance(network, WiredNetwork)
    return network


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "backbone", ["ofa-mobilenetv3", "ofa-proxyless", "proxylessnas", "fbnet", "spos"]
)
def test_macs_of_published_backbones_are_half_of_torchs_flops(backbone: str, head: str) -> None:
    space = spaces.get(backbone, input_size=128, head=head)
    architecture = sampled(space)
    network = space.network(architecture).eval()

    # Without memory or time: the meta device computes shapes alone.
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.to("meta")(torch.zeros(1, *space.input_shape, device="meta"))

    assert counter.get_total_flops() == 2 * space.macs(architecture)
    assert space.params(architecture) == sum(value.numel() for value in network.parameters())


def test_largest_input_size_has_the_maps_of_its_strides() -> None:
    geometry = spaces.get("spos(input_size=512, head=ssdlite)").head_geometry()

    assert geometry is not None
    assert [(level.stride, level.height, level.width) for level in geometry.levels] == [
        (16, 32, 32),
        (32, 16, 16),
        (64, 8, 8),
        (128, 4, 4),
        (256, 2, 2),
        (512, 1, 1),
    ]


def test_classifier_is_the_space_without_a_head() -> None:
    plain = spaces.get("spos-tiny")

    assert spaces.get("spos-tiny(head=classifier)") == plain
    assert plain.is_chain
    assert plain.head == "classes"
    assert plain.head_geometry() is None
    assert plain.waiting_values is None


def test_choices_of_the_head_follow_those_of_the_backbone() -> None:
    backbone = spaces.get("spos-tiny")
    space = spaces.get("spos-tiny(head=ssdlite(channels=(32, 16), kernels=(3,)))")

    keys = [choice.key for choice in space.choices]
    assert keys == [*(choice.key for choice in backbone.choices), "head_1", "head_2"]
    assert space.choices[-1].candidates == ("k3w0.25", "k3w0.5", "k3w0.75")


def test_layers_behind_the_last_tap_are_left_out() -> None:
    whole = spaces.get("spos-tiny(head=ssdlite)")
    shallow = spaces.get("spos-tiny(head=ssdlite(taps=(4, 8)))")

    assert len(whole.choices) - len(shallow.choices) == 2
    assert shallow.choices[0] == whole.choices[0]


@pytest.mark.parametrize("head", ["ssdlite", "fpn(width=16)", "bifpn(width=16)", "mask"])
def test_backbone_of_the_classifier_has_equally_named_weights(head: str) -> None:
    """A detector can begin with the weights of a trained classifier."""
    classifier = spaces.get("spos-tiny(input_size=64)")
    detector = spaces.get("spos-tiny", input_size=64, head=head)
    detector_architecture = sampled(detector)
    keys = [choice.key for choice in classifier.choices]
    architecture = classifier.architecture(
        {key: detector_architecture.choices[key] for key in keys}
    )

    source = classifier.network(architecture).state_dict()
    target = detector.network(detector_architecture).state_dict()
    backbone = len(classifier.blocks(architecture)) - 2
    names = [name for name in source if int(name.split(".")[1]) < backbone]
    assert names
    assert all(source[name].shape == target[name].shape for name in names)


def test_fpn_computes_the_pyramid_that_it_describes() -> None:
    space = spaces.get("proxylessnas-tiny(head=fpn(width=8, kernels=(3,), extra=0), num_classes=3)")
    network = wired(space, sampled(space))
    blocks = list(network.blocks)
    image = torch.randn(2, *space.input_shape, generator=torch.Generator().manual_seed(1))

    # Three laterals, two fusions with an enlarged level each, and three levels of three blocks.
    head = blocks[-(3 + 2 * 2 + 3 * 3) :]
    features: dict[int, Tensor] = {}
    with torch.no_grad():
        x = image
        for block in blocks[: -len(head)]:
            x = block(x)
            features[x.shape[-1]] = x
        fine, middle, coarse = (head[i](features[size]) for i, size in enumerate((16, 8, 4)))

        def enlarge(value: Tensor) -> Tensor:
            return value.repeat_interleave(2, 2).repeat_interleave(2, 3)

        middle = head[4](middle + enlarge(coarse))
        fine = head[6](fine + enlarge(middle))
        scores, boxes = [], []
        for level, (tower, classes, distances) in zip(
            (fine, middle, coarse), (head[7:10], head[10:13], head[13:16]), strict=True
        ):
            scores.append(classes(tower(level)))
            boxes.append(distances(tower(level)))
        result = network(image)

    assert torch.equal(result["scores"], by_location(scores))
    distances = by_location(boxes)
    assert torch.equal(result["offsets"], nn.functional.softplus(distances[..., :4]))
    assert torch.equal(result["centerness"], distances[..., 4:])


def test_predictions_are_arranged_by_cell_and_anchor() -> None:
    anchors, channels, height, width = 3, 2, 2, 4
    values = torch.arange(anchors * channels * height * width).view(1, -1, height, width).float()

    rows = by_location([values], anchors)

    assert rows.shape == (1, height * width * anchors, channels)
    for row in range(height):
        for column in range(width):
            for anchor in range(anchors):
                location = (row * width + column) * anchors + anchor
                begin = anchor * channels
                expected = values[0, begin : begin + channels, row, column]
                assert torch.equal(rows[0, location], expected)


def test_weighted_sum_begins_as_the_mean() -> None:
    space = spaces.get("spos-tiny(input_size=64, head=bifpn(width=8, kernels=(3,)))")
    network = space.network(sampled(space))
    weights = [value for name, value in network.named_parameters() if value.numel() in (2, 3)]

    # A way down with three sums of two inputs, a way up with two of three and one of two.
    assert sorted(len(value) for value in weights) == [2, 2, 2, 2, 3, 3]
    assert all((value == 1).all() for value in weights)


def test_first_predictions_are_rare_and_boxes_are_eight_strides_wide() -> None:
    space = spaces.get("spos-tiny(input_size=64, head=fpn(width=8))")
    with torch.no_grad():
        result = space.network(sampled(space)).eval()(torch.zeros(1, *space.input_shape))

    assert result["scores"].sigmoid().mean() == pytest.approx(0.01, rel=0.2)
    assert result["offsets"].mean() == pytest.approx(math.log1p(math.exp(4)), rel=0.1)


@pytest.mark.parametrize("head", ["ssdlite(channels=(16, 16))", "fpn(width=8)", "mask"])
def test_extracted_network_computes_what_the_elastic_supernet_does(head: str) -> None:
    name = "ofa-mobilenetv3(width=0.35, input_size=64, kernels=(3, 5), expansions=(3, 4))"
    space = spaces.get(name, head=head)
    supernet = space.supernet(num_classes=2).eval()
    assert isinstance(supernet, ElasticSupernet)
    architecture = sampled(space, seed=3)
    image = torch.randn(1, *space.input_shape, generator=torch.Generator().manual_seed(0))

    network = extract(supernet, architecture)

    with torch.no_grad():
        pairs = zip(tensors_in(network(image)), tensors_in(supernet(image)), strict=True)
        assert all(torch.allclose(one, other, atol=1e-5) for one, other in pairs)


def test_picture_has_an_arrow_for_each_reader_and_a_row_for_each_size() -> None:
    space = spaces.get("proxylessnas-tiny(head=fpn(width=8), num_classes=3)")
    architecture = sampled(space)
    wired_blocks = space.wired_blocks(architecture)
    assert wired_blocks is not None
    layers = wired_blocks.wiring.layers

    sketch = space.sketch(architecture)

    assert len(sketch.boxes) == len(layers)
    assert sketch.rows == ("16 x 16", "8 x 8", "4 x 4", "2 x 2")
    expected = [(s - 1, i) for i, layer in enumerate(layers) for s in layer.sources if s]
    assert list(sketch.arrows) == expected
    for layer, box in zip(layers, sketch.boxes, strict=True):
        value = layers.index(layer) + 1
        size = " x ".join(map(str, wired_blocks.wiring.shapes[value][1:]))
        assert sketch.rows[box.row or 0] == size


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("ofa-mobilenetv3(input_size=64, head=ssdlite)", "ofa"),
        ("proxylessnas(input_size=64, head=mask)", "proxylessnas"),
        ("spos(input_size=64, head=fpn)", "spos"),
    ],
)
def test_formats_of_classifiers_refuse_detectors(name: str, format_name: str) -> None:
    architecture = sampled(spaces.get(name))

    with pytest.raises(InvalidArchitecture, match="not for"):
        spaces.formats.write(architecture, format_name)


@pytest.mark.parametrize(
    ("module", "channels"),
    [(AnchorOutputs(2), (6, 8)), (DistanceOutputs(), (3, 5)), (WeightedMean(3), None)],
)
def test_exported_module_takes_batches_of_any_size(
    module: nn.Module, channels: tuple[int, ...] | None
) -> None:
    """A size of the batch that tracing fixes would make exported detectors run on that one only."""

    def inputs(batch: int) -> Tensor | list[Tensor]:
        generator = torch.Generator().manual_seed(batch)
        if channels is None:
            return torch.randn(batch, 6, 4, 4, generator=generator)
        return [torch.randn(batch, count, 4, 4, generator=generator) for count in channels]

    example = inputs(2)
    dynamic = {0: torch.export.Dim.DYNAMIC}
    shapes = dynamic if channels is None else [dynamic for _ in channels]
    program = torch.export.export(module.eval(), (example,), dynamic_shapes=(shapes,))

    pairs = zip(tensors_in(program.module()(inputs(3))), tensors_in(module(inputs(3))), strict=True)
    assert all(torch.allclose(one, other) for one, other in pairs)
