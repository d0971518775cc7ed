"""Decoders: costs by two ways, the supernet's path, incremental decoding, bad input."""

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

import spaces
from spaces.architecture import Architecture
from spaces.decoders.space import DecoderSpace
from spaces.errors import ContextExceeded, InvalidParameter, UnknownName
from spaces.modules.elastic_supernet import extract
from spaces.modules.text import Rotation
from spaces.testing import counted_flops

LARGEST = [1, 1, 2, 1, 1, 1, 1]


@pytest.fixture
def space() -> DecoderSpace:
    space = spaces.get("decoder-tiny")
    assert isinstance(space, DecoderSpace)
    return space


def sampled(space: DecoderSpace, n: int = 6) -> list[Architecture]:
    return space.decode(space.sample(np.random.default_rng(3), n))


def random_tokens(batch: int, length: int) -> Tensor:
    return torch.randint(16, (batch, length), generator=torch.Generator().manual_seed(0))


def test_macs_of_decoding_are_half_of_counted_flops(space: DecoderSpace) -> None:
    for cache in (1, 5, 16):
        decoding = space.at_phase("decode", cache)
        for architecture in sampled(space):
            network = decoding.network(architecture).eval()
            inputs = decoding.random_input(architecture, 3, torch.Generator())
            _, flops = counted_flops(network, inputs)
            assert flops == 2 * 3 * decoding.macs(architecture)


def test_macs_of_decoding_one_by_one_are_those_of_a_prompt_without_masked_products(
    space: DecoderSpace,
) -> None:
    """A prompt computes every product of a token with a later one, which decoding never does."""
    architecture = space.architecture(LARGEST)
    length = 16
    steps = sum(space.at_phase("decode", n).macs(architecture) for n in range(1, length + 1))

    # Two products of all heads' features with each masked key, in both layers.
    masked = 2 * 2 * 16 * length * (length - 1) // 2
    assert space.macs(architecture) - steps == masked


def test_cache_bytes_are_those_of_the_tensors(space: DecoderSpace) -> None:
    for architecture in sampled(space):
        network = space.network(architecture).eval()
        for length in (3, 8):
            with torch.no_grad():
                _, cache = network(random_tokens(1, length), network.empty_cache(1))
            held = sum(t.numel() * t.element_size() for pair in cache for t in pair)
            assert space.cache_bytes(architecture, length) == held
    assert space.cache_bytes(architecture) == space.cache_bytes(architecture, 1000)


def test_weight_bytes_are_those_of_the_network(space: DecoderSpace) -> None:
    architectures = sampled(space)
    expected = [
        sum(value.numel() * value.element_size() for value in space.network(item).parameters())
        for item in architectures
    ]
    assert space.weight_bytes(architectures).tolist() == expected
    assert space.weight_bytes(architectures[0], number_bytes=2) == expected[0] // 2


@pytest.mark.parametrize("length", [7, 8, 16, 21, 40])
def test_network_equals_the_path_of_the_supernet(space: DecoderSpace, length: int) -> None:
    supernet = space.supernet(generator=torch.Generator().manual_seed(1)).eval()
    tokens = random_tokens(2, length)
    for architecture in sampled(space):
        network = extract(supernet, architecture)
        supernet.activate(architecture)

        with torch.no_grad():
            expected, _ = supernet(tokens)
            scores, state = network(tokens)

        assert state is None
        assert torch.allclose(scores, expected, atol=1e-5)


def test_sorting_keeps_what_the_largest_network_computes(space: DecoderSpace) -> None:
    supernet = space.supernet(generator=torch.Generator().manual_seed(1)).eval()
    supernet.activate(LARGEST)
    tokens = random_tokens(2, 16)
    with torch.no_grad():
        before, _ = supernet(tokens)
        weights = supernet.layers[0].feed_forward.project.weight.clone()
        supernet.sort_channels()
        after, _ = supernet(tokens)

    project = supernet.layers[0].feed_forward.project.weight
    assert not torch.equal(project, weights)
    importance = project.abs().sum(0)
    assert (importance[:-1] >= importance[1:]).all()
    assert torch.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize("pieces", [[1] * 8, [8], [3, 1, 4], [5, 3]])
def test_incremental_decoding_equals_one_pass(space: DecoderSpace, pieces: list[int]) -> None:
    for architecture in sampled(space):
        network = space.network(architecture).eval()
        tokens = random_tokens(2, 8)
        with torch.no_grad():
            expected, _ = network(tokens)
            cache = network.empty_cache(2)
            scores = []
            for piece in tokens.split(pieces, 1):
                part, cache = network(piece, cache)
                scores.append(part)

        assert torch.allclose(torch.cat(scores, 1), expected, atol=1e-5)


def test_rotated_products_depend_on_distances_alone() -> None:
    rotation = Rotation(40, 6)
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(6, generator=generator).expand(1, 40, 2, 6)
    key = torch.randn(6, generator=generator).expand(1, 40, 2, 6)
    rotated = rotation(query), rotation(key)
    products = torch.einsum("qi,ki->qk", rotated[0][0, :, 0], rotated[1][0, :, 0])

    for distance in (-20, -1, 0, 3):
        diagonal = products.diagonal(distance)
        assert torch.allclose(diagonal, diagonal[0].expand_as(diagonal), atol=1e-4)
    assert products.diagonal(1)[0] != pytest.approx(products.diagonal(2)[0].item(), abs=1e-3)
    # Lengths are kept, and a later start is a later row.
    assert torch.allclose(rotated[0].norm(dim=-1), query.norm(dim=-1), atol=1e-5)
    assert torch.equal(rotation(query[:, 7:], 7), rotated[0][:, 7:])


def test_rotation_of_a_pair_is_that_of_a_complex_number() -> None:
    rotation = Rotation(5, 4)
    x = torch.randn(1, 5, 1, 4, generator=torch.Generator().manual_seed(0))
    pairs = torch.complex(x[..., :2], x[..., 2:])
    angles = torch.arange(5.0)[:, None] * torch.tensor([1.0, 10000**-0.5])
    expected = pairs * torch.polar(torch.ones_like(angles), angles)[None, :, None]
    rotated = rotation(x)
    assert torch.allclose(rotated[..., :2], expected.real, atol=1e-6)
    assert torch.allclose(rotated[..., 2:], expected.imag, atol=1e-6)


def test_later_tokens_do_not_change_earlier_scores(space: DecoderSpace) -> None:
    network = space.network(space.architecture(LARGEST)).eval()
    tokens = random_tokens(1, 16)
    changed = tokens.clone()
    changed[:, 9] = (changed[:, 9] + 1) % 16
    with torch.no_grad():
        before, _ = network(tokens)
        after, _ = network(changed)

    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.allclose(before[:, 9:], after[:, 9:])


def test_long_text_is_read_in_pieces_of_the_context(space: DecoderSpace) -> None:
    architecture = space.architecture([0] * len(space.choices))
    network = space.network(architecture).eval()
    tokens = random_tokens(2, 20)
    with torch.no_grad():
        whole, _ = network(tokens)
        pieces = [network(piece)[0] for piece in tokens.split(8, 1)]
    assert torch.allclose(whole, torch.cat(pieces, 1), atol=1e-6)


def test_text_beyond_the_context_of_a_cache_is_refused(space: DecoderSpace) -> None:
    network = space.network(space.architecture([0] * len(space.choices)))
    with pytest.raises(ContextExceeded, match="9 tokens are longer than the network's context of"):
        network(random_tokens(1, 9), network.empty_cache(1))


def test_shorter_contexts_read_the_end_of_a_prompt(space: DecoderSpace) -> None:
    short = space.architecture([0] * len(space.choices))
    long = space.architecture([1, *([0] * (len(space.choices) - 1))])
    prefill = space.at_phase("prefill", 12)
    assert prefill.input_shape_of(short) == (8,)
    assert prefill.input_shape_of(long) == (12,)

    decoding = space.at_phase("decode", 12)
    assert [decoding.blocks(item)[1].cached for item in (short, long)] == [7, 11]


def test_trainings_have_windows_of_one_length(space: DecoderSpace) -> None:
    shortest = space.architecture([0] * len(space.choices))
    assert space.input_shape_of(shortest) == (8,)
    assert space.example_shape_of(shortest) == (16,)


def test_layers_beyond_the_depth_have_no_effect(space: DecoderSpace) -> None:
    first = space.architecture([0] * len(space.choices))
    second = space.architecture([0, 0, 0, 0, 0, 1, 1])
    assert space.blocks(first) == space.blocks(second)
    codes = space.encode([first, second])
    keys = space.isomorphism_keys(codes)
    assert (keys[0] == keys[1]).all()
    assert (space.representatives(codes) == codes[:1]).all()


def test_phase_survives_pickling(space: DecoderSpace) -> None:
    decoding = space.at_phase("decode", 5)
    again = pickle.loads(pickle.dumps(decoding))
    assert (again.name, again.phase, again.length) == (space.name, "decode", 5)
    assert list(again.all_blocks) == list(decoding.all_blocks)


def test_vocabulary_is_that_of_the_text(space: DecoderSpace) -> None:
    assert space.for_vocabulary(65).name == "decoder-tiny(vocabulary=65)"
    network = space.network(sampled(space)[0], num_classes=65)
    assert network(torch.full((1, 4), 64))[0].shape == (1, 4, 65)


@pytest.mark.parametrize(
    ("phase", "length", "message"),
    [
        (
            "prefill",
            17,
            "prompt: 17 tokens are longer than the longest context of decoder-tiny, 16",
        ),
        ("decode", 17, "cache: 17 tokens are longer than the longest context of decoder-tiny, 16"),
    ],
)
def test_length_beyond_every_context_is_refused(
    space: DecoderSpace, phase: str, length: int, message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message):
        space.at_phase(phase, length)


def test_unknown_phase_is_refused(space: DecoderSpace) -> None:
    with pytest.raises(UnknownName, match=r"unknown phase 'decoding'.*did you mean 'decode'"):
        space.at_phase("decoding", 4)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"widths": (24, 16)}, "widths needs sizes that increase"),
        ({"heads": ()}, "heads needs sizes that increase"),
        ({"head_size": 7}, "head_size must be even, .* not 7"),
        ({"dropout": 1.0}, "dropout must be below 1"),
    ],
)
def test_impossible_sizes_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        spaces.get("decoder-tiny", **parameters)


def test_picture_has_a_row_for_each_layer(space: DecoderSpace) -> None:
    sketch = space.sketch(space.architecture(LARGEST))
    assert sketch.rows == ("input", "layer 1", "layer 2", "output")
    assert sum(box.title == "attention" for box in sketch.boxes) == 2
