"""ProxylessNAS, Once-for-All, FBNet and NAS-Bench-Macro against what was published."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import spaces
from spaces import Block
from spaces.chains.builder import scaled
from spaces.errors import InvalidParameter
from tests.published import published

PROXYLESS = [
    ("proxyless-gpu", 465260160, 7119848),
    ("proxyless-cpu", 439243864, 4361648),
    ("proxyless-mobile", 320427584, 4080512),
    ("proxyless-mobile-14", 580883408, 6857568),
]


@pytest.mark.parametrize(("name", "macs", "params"), PROXYLESS)
def test_published_proxyless_networks(name: str, macs: int, params: int) -> None:
    architecture = spaces.published(name)
    space = spaces.get(architecture.space)
    assert (space.macs(architecture), space.params(architecture)) == (macs, params)


def test_proxylessnas_is_the_space_of_the_paper() -> None:
    space = spaces.get("proxylessnas")
    counts = [len(choice.candidates) for choice in space.choices]
    assert len(counts) == 21
    assert counts.count(7) == 15  # where zero and the shortcut leave a cell out
    assert counts.count(6) == 6
    assert space.size == 6**6 * 7**15
    assert space.choices[0].candidates == ("k3e3", "k3e6", "k5e3", "k5e6", "k7e3", "k7e6")
    assert space.choices[1].candidates[-1] == "zero"
    assert (
        len(space.all_blocks) == 66 + 4
    )  # 66 keys of the published mobile table, and the fixed blocks


def test_width_multiplies_and_rounds_to_eights() -> None:
    assert scaled((16, 24, 40, 80, 112, 160), 1.2) == (24, 32, 48, 96, 136, 192)
    assert scaled((32, 16, 24, 40, 80, 96, 192, 320, 1280), 1.3) == (
        40,
        24,
        32,
        56,
        104,
        128,
        248,
        416,
        1664,
    )
    assert scaled((7, 13), 1) == (7, 13)
    narrow, wide = spaces.get("proxylessnas(width=0.5)"), spaces.get("proxylessnas(width=1.4)")
    first = [
        space.blocks(space.decode(space.sample(np.random.default_rng(0), 1))[0])
        for space in (narrow, wide)
    ]
    assert [blocks[0].output[0] for blocks in first] == [16, 48]
    assert [blocks[-1].input[0] for blocks in first] == [1280, 1792]


def test_the_389m_network_of_once_for_all() -> None:
    architecture = spaces.published("ofa-flops-389m")
    assert spaces.get(architecture.space).macs(architecture) == 389487856


@pytest.mark.reference_data
@pytest.mark.parametrize(
    "name", [name for name in spaces.published_names() if name.startswith("ofa")]
)
def test_published_ofa_networks_are_those_of_the_release(name: str, reference_data: Path) -> None:
    files = {
        "ofa-flops-389m": "flops-389M_top1-79.1_finetune-75",
        "ofa-note10-30ms": "note10_lat-30ms_top1-78.4_finetune-75",
        "ofa-pixel1-20ms": "pixel1_lat-20ms_top1-71.4_finetune-25",
        "ofa-cpu-10ms": "cpu_lat-10ms_top1-71.1_finetune-25",
        "ofa-v100-5ms": "v100_gpu64-5ms_top1-71.6_finetune-25",
    }
    folder = reference_data / "ofa"
    config = json.loads((folder / f"{files[name]}.net.config").read_text())
    size = json.loads((folder / f"{files[name]}.run.config").read_text())["image_size"]
    architecture = spaces.published(name)
    space = spaces.get(architecture.space)
    assert space.input_shape_of(architecture) == (3, size, size)
    found = [block for block in space.blocks(architecture) if block.operator == "mbconv"]
    published = [block["mobile_inverted_conv"] for block in config["blocks"]]
    activations = {"relu": "relu", "relu6": "relu6", "h_swish": "hswish"}
    assert [
        (b.input[0], b.output[0], b.kernel, b.stride, b.expansion, b.activation, b.se, b.shortcut)
        for b in found
    ] == [
        (
            b["in_channels"],
            b["out_channels"],
            b["kernel_size"],
            b["stride"],
            b["expand_ratio"],
            activations[b["act_func"]],
            b["use_se"],
            whole["shortcut"] is not None,
        )
        for b, whole in zip(published, config["blocks"], strict=True)
    ]


def test_ofa_counts_networks_and_not_spellings() -> None:
    space = spaces.get("ofa-mobilenetv3")
    assert space.size == (9**2 + 9**3 + 9**4) ** 5
    skipped = space.architecture({choice.key: choice.candidates[0] for choice in space.choices})
    assert [skipped[f"layer_{index}"] for index in (3, 4)] == ["skip", "skip"]
    late = space.architecture({**skipped.choices, "layer_4": "k5e6"})
    early = space.architecture({**skipped.choices, "layer_3": "k5e6"})
    assert late == early
    assert early["layer_3"] == "k5e6"


def test_ofa_samples_depths_evenly() -> None:
    space = spaces.get("ofa-mobilenetv3")
    codes = space.sample(np.random.default_rng(0), 6000)
    depths = 2 + (codes[:, [2, 3]] > 0).sum(1)
    shares = np.bincount(depths, minlength=5)[2:] / len(codes)
    assert shares == pytest.approx([1 / 3] * 3, abs=0.03)
    for depth in (3, 4):  # candidates of the layers that are there are drawn evenly too
        third = codes[depths >= depth, depth - 1]
        counts = np.bincount(third, minlength=10)[1:]
        assert counts == pytest.approx(np.full(9, counts.mean()), rel=0.25)


def test_resolution_is_the_first_choice_and_changes_macs_alone() -> None:
    space = spaces.get("ofa-mobilenetv3", resolutions=(160, 192, 224))
    assert space.choices[0].key == "resolution"
    assert space.choices[0].candidates == ("160", "192", "224")
    codes = np.repeat(space.sample(np.random.default_rng(0), 1), 3, 0)
    codes[:, 0] = [0, 1, 2]
    assert len(set(space.params(codes).tolist())) == 1
    alone = [spaces.get("ofa-mobilenetv3", resolutions=(size,)) for size in (160, 192, 224)]
    expected = [one.macs(codes[index : index + 1, 1:])[0] for index, one in enumerate(alone)]
    assert space.macs(codes).tolist() == expected
    assert sorted(expected) == expected
    assert space.size == 3 * alone[0].size


@pytest.mark.parametrize(
    "name",
    [
        "ofa-mobilenetv3(resolutions=(224, 224))",
        "ofa-mobilenetv3(depths=(2, 4))",
        "ofa-mobilenetv3(kernels=(3, 4))",
        "ofa-proxyless(expansions=(1, 3))",
        "proxylessnas(channels=(24, 40))",
        "fbnet(strides=(1, 2))",
    ],
)
def test_parameters_that_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises(InvalidParameter, match=name.partition("(")[2].partition("=")[0]):
        spaces.get(name)


def test_fbnet_has_the_structure_of_table_1() -> None:
    space = spaces.get("fbnet")
    assert [len(choice.candidates) for choice in space.choices] == [9] * 22
    assert math.log10(space.size) == pytest.approx(21, abs=0.01)
    blocks = space.blocks(space.architecture([3] * 22))
    assert [block.output for block in blocks if block.stride == 2] == [
        (16, 112, 112),
        (24, 56, 56),
        (32, 28, 28),
        (64, 14, 14),
        (184, 7, 7),
    ]
    assert [block.output[0] for block in blocks[1:-2]] == [
        *(16, *[24] * 4, *[32] * 4, *[64] * 4, *[112] * 4, *[184] * 4, 352),
    ]


def test_published_fbnet_a() -> None:
    architecture = spaces.published("fbnet-a")
    space = spaces.get(architecture.space)
    assert space.macs(architecture) / 1e6 == pytest.approx(249, abs=1)  # table 3 of the paper
    assert space.params(architecture) / 1e6 == pytest.approx(4.3, abs=0.05)


@pytest.mark.reference_data
def test_nasbench_macro_counts_are_those_of_the_benchmark(reference_data: Path) -> None:
    rows = json.loads(
        (reference_data / "nasbench_macro" / "nas-bench-macro_cifar10.json").read_text()
    )
    space = spaces.get("nasbench-macro")
    codes = np.array([[int(digit) for digit in name] for name in rows])
    assert len(codes) == space.size == 6561
    assert space.macs(codes).tolist() == [row["flops"] for row in rows.values()]
    assert space.params(codes).tolist() == [row["params"] for row in rows.values()]


def test_published_networks_are_listed_and_found() -> None:
    assert spaces.published_names("proxylessnas") == [name for name, _, _ in PROXYLESS]
    assert spaces.published_names("proxylessnas(width=0.5)") == spaces.published_names(
        "proxylessnas"
    )
    for name in spaces.published_names():
        architecture = spaces.published(name)
        assert spaces.get(architecture.space).encode([architecture]).shape[0] == 1
    with pytest.raises(spaces.errors.UnknownName, match="available: spos"):
        spaces.published("resnet")


def test_spos_channels_scale_the_channels_inside() -> None:
    plain, scaled_space = spaces.get("spos"), spaces.get("spos-channels")
    assert {len(choice.candidates) for choice in scaled_space.choices} == {40}
    same = scaled_space.architecture(
        {
            choice.key: f"{choice.candidates[0].partition('x')[0]}x1"
            for choice in scaled_space.choices
        }
    )
    assert scaled_space.macs(same) == 295842496 == plain.macs(plain.architecture([0] * 20))
    assert first_stage(scaled_space) == published("spos.channels.first_stage")
    nearest = spaces.get("spos-channels(rounding='nearest')")
    assert first_stage(nearest) == (6, 13, 19, 26, 32, 38, 45, 51, 58, 64)
    with pytest.raises(spaces.errors.InvalidParameter, match="rounding"):
        spaces.get("spos-channels(rounding='up')")


def first_stage(space: spaces.SearchSpace) -> tuple[int, ...]:
    """The channels inside the blocks of the first stage."""
    hidden = {
        block.hidden
        for block in space.all_blocks.values()
        if block.output[0] == 64 and block.hidden
    }
    return tuple(sorted(hidden))


def test_blocks_with_every_field_are_read_back() -> None:
    for name in ("ofa-mobilenetv3", "fbnet", "proxylessnas"):
        for key, block in spaces.get(name).all_blocks.items():
            assert Block.from_key(key) == block
