"""net.config files as architectures of the spaces of ProxylessNAS and Once-for-All."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spaces
from spaces import formats
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.space import SearchSpace
from spaces.zoo.publications import published

# Target -> MACs and parameters as the release states them.
PROXYLESS = {
    "gpu": (465260160, 7119848),
    "cpu": (439243864, 4361648),
    "mobile": (320427584, 4080512),
    "mobile_14": (580883408, 6857568),
}
# File -> the zoo's name of the network.
OFA = {
    "cpu_lat-10ms_top1-71.1_finetune-25": "ofa-cpu-10ms",
    "v100_gpu64-5ms_top1-71.6_finetune-25": "ofa-v100-5ms",
    "flops-389M_top1-79.1_finetune-75": "ofa-flops-389m",
    "note10_lat-30ms_top1-78.4_finetune-75": "ofa-note10-30ms",
    "pixel1_lat-20ms_top1-71.4_finetune-25": "ofa-pixel1-20ms",
}
ELASTIC = "ofa-mobilenetv3(resolutions=(128, 160, 224))"


@pytest.mark.reference_data
@pytest.mark.parametrize("name", PROXYLESS)
def test_published_networks_of_proxylessnas(reference_data: Path, name: str) -> None:
    path = reference_data / "proxylessnas" / f"proxyless_{name}.config"
    architecture = formats.read(path)
    space = spaces.get(architecture.space)
    assert formats.detect(path.read_text()) == "proxylessnas"
    assert (space.macs(architecture), space.params(architecture)) == PROXYLESS[name]
    assert architecture == published(f"proxyless-{name.replace('_', '-')}")
    assert formats.read(path, "proxylessnas", space) == architecture
    assert json.loads(formats.write(architecture, "proxylessnas")) == json.loads(path.read_text())


@pytest.mark.reference_data
@pytest.mark.parametrize("name", OFA)
def test_published_networks_of_ofa(reference_data: Path, name: str) -> None:
    path = reference_data / "ofa" / f"{name}.net.config"
    architecture = formats.read(path)
    assert formats.detect(path.read_text()) == "ofa"
    assert architecture == published(OFA[name])
    written, released = json.loads(formats.write(architecture, "ofa")), json.loads(path.read_text())
    assert written == released
    run = path.with_name(f"{name}.run.config")
    assert json.loads(formats.write_run_config(architecture)) == json.loads(run.read_text())


@pytest.mark.reference_data
def test_macs_of_ofa_count_squeeze_and_excitation(reference_data: Path) -> None:
    architecture = formats.read(
        reference_data / "ofa" / "flops-389M_top1-79.1_finetune-75.net.config"
    )
    assert spaces.get(architecture.space).macs(architecture) == 389487856


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("proxylessnas", "proxylessnas"),
        ("proxylessnas", "proxylessnas(input_size=160, width=1.4)"),
        ("proxylessnas", "proxylessnas-tiny"),
        ("ofa", "ofa-proxyless"),
        ("ofa", "ofa-mobilenetv3"),
        ("ofa", "ofa-mobilenetv3(width=1.2)"),
        ("ofa", "ofa-mobilenetv3(width=0.5, num_classes=10)"),
        ("ofa", ELASTIC),
    ],
)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=10)
def test_reads_back(name: str, space: str, seed: int) -> None:
    built = spaces.get(space)
    architecture = built.sample(np.random.default_rng(seed))
    text = formats.write(architecture, name)
    size = built.input_shape_of(architecture)[1]
    assert formats.detect(text) == name
    assert formats.read(text, name, space, input_size=size) == architecture


@pytest.mark.parametrize(
    "space", ["proxylessnas(input_size=192, num_classes=7)", "ofa-proxyless", "ofa-mobilenetv3"]
)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=10)
def test_the_space_follows_from_the_file(space: str, seed: int) -> None:
    built = spaces.get(space)
    architecture = built.sample(np.random.default_rng(seed))
    text = formats.write(architecture, "ofa" if space.startswith("ofa") else "proxylessnas")
    assert formats.read(text, input_size=built.input_shape[1]) == architecture


def sample(space: str, seed: int = 0) -> dict[str, Any]:
    name = "ofa" if space.startswith("ofa") else "proxylessnas"
    value: dict[str, Any] = json.loads(
        formats.write(spaces.get(space).sample(np.random.default_rng(seed)), name)
    )
    return value


def test_image_size_is_that_of_the_run_config_beside(tmp_path: Path) -> None:
    path, run = tmp_path / "a.net.config", tmp_path / "a.run.config"
    path.write_text(json.dumps(sample("ofa-mobilenetv3")))
    assert formats.read(path).space == "ofa-mobilenetv3"
    run.write_text('{"image_size": 160}')
    assert formats.read(path).space == "ofa-mobilenetv3(resolutions=(160,))"
    assert formats.read(path, input_size=192).space == "ofa-mobilenetv3(resolutions=(192,))"
    assert formats.read(path.read_text()).space == "ofa-mobilenetv3"
    assert formats.read(path, space=ELASTIC)["resolution"] == "160"
    shutil.move(path, tmp_path / "net.config")
    shutil.move(run, tmp_path / "run.config")
    assert formats.read(tmp_path / "net.config").space == "ofa-mobilenetv3(resolutions=(160,))"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{}", "a.run.config next to it: the key 'image_size' is missing"),
        ('{"image_size": "160"}', "a.run.config next to it: image_size must be an integer"),
        ('{"image_size": 160, "more": 1}', "a.run.config next to it: unexpected key 'more'"),
        ("160", "a.run.config next to it: the file must be an object"),
    ],
)
def test_a_wrong_run_config_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "a.net.config"
    path.write_text(json.dumps(sample("ofa-mobilenetv3")))
    (tmp_path / "a.run.config").write_text(text)
    with pytest.raises(InvalidFile, match=f"^{path}: {named}"):
        formats.read(path)


def test_image_sizes_of_the_space_are_kept_to() -> None:
    text = json.dumps(sample("ofa-mobilenetv3"))
    with pytest.raises(
        InvalidArchitecture, match=r"has the resolutions \(128, 160, 224\), not 192"
    ):
        formats.read(text, space=ELASTIC, input_size=192)
    with pytest.raises(
        InvalidArchitecture, match="ofa-mobilenetv3 has the input size 224, not 192"
    ):
        formats.read(text, space="ofa-mobilenetv3", input_size=192)
    assert formats.read(text, space=ELASTIC)["resolution"] == "128"
    chosen = formats.read(text, space=ELASTIC, input_size=160)
    assert chosen["resolution"] == "160"
    assert json.loads(formats.write_run_config(chosen)) == {"image_size": 160}


def inner(value: dict[str, Any], index: int) -> dict[str, Any]:
    found: dict[str, Any] = value["blocks"][index]["mobile_inverted_conv"]
    return found


def widen(value: dict[str, Any]) -> None:
    """A stage of 52 channels in place of 48."""
    stage = [block for block in value["blocks"] if 48 in inner({"blocks": [block]}, 0).values()]
    text = (
        json.dumps(value).replace('"in_channels": 48', '"in_channels": 52').replace("[48]", "[52]")
    )
    assert stage
    value.update(json.loads(text.replace('"out_channels": 48', '"out_channels": 52')))


def drop_stage(value: dict[str, Any]) -> None:
    starts = [index for index, block in enumerate(value["blocks"]) if block["shortcut"] is None]
    del value["blocks"][starts[-1] :]
    channels = inner(value, -1)["out_channels"]
    value["final_expand_layer"]["in_channels"] = channels


def lengthen(value: dict[str, Any]) -> None:
    last = value["blocks"][-1]
    value["blocks"] += [last] * 4


def shorten(value: dict[str, Any]) -> None:
    starts = [index for index, block in enumerate(value["blocks"]) if block["shortcut"] is None]
    del value["blocks"][starts[-1] + 1 :]


OFA_FAULTS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (
        lambda v: inner(v, 1).update(kernel_size=9),
        r"blocks\[1\]: layer_1 has no candidate 'k9e\d'; .*k3e3",
    ),
    (
        lambda v: inner(v, 1).update(expand_ratio=5),
        r"blocks\[1\]: layer_1 has no candidate 'k\de5'",
    ),
    (
        lambda v: inner(v, 1).update(mid_channels=7),
        r"blocks\[1\].mobile_inverted_conv.mid_channels is 7, but in ofa-m",
    ),
    (
        lambda v: inner(v, 1).update(act_func="relu6"),
        r"blocks\[1\].mobile_inverted_conv.act_func is 'relu6', but",
    ),
    (
        lambda v: inner(v, 1).update(use_se=True),
        r"blocks\[1\].mobile_inverted_conv.use_se is True, but",
    ),
    (lambda v: inner(v, 1).update(stride=1), r"blocks\[1\].mobile_inverted_conv.stride is 1, but"),
    (
        lambda v: inner(v, 0).update(kernel_size=5),
        r"blocks\[0\].mobile_inverted_conv.kernel_size is 5, but",
    ),
    (lambda v: v["bn"].update(eps=0.01), "bn.eps is 0.01, but"),
    (lambda v: v["feature_mix_layer"].update(use_bn=True), "feature_mix_layer.use_bn is True, but"),
    (drop_stage, "has 5 stages of layers to choose, not 4"),
    (lengthen, r"blocks\[\d+\]: the stage from blocks\[\d+\] has at most 4 layers"),
    (shorten, r"the stage from blocks\[\d+\] has 1 layers, too few"),
    (widen, r"(in|out)_channels is (\[52\]|52), but in ofa-mobilenetv3"),
]


@pytest.mark.parametrize(("spoil", "named"), OFA_FAULTS)
def test_networks_outside_the_space_are_named(
    spoil: Callable[[dict[str, Any]], object], named: str
) -> None:
    value = sample("ofa-mobilenetv3(width=1.2)")
    spoil(value)
    with pytest.raises(InvalidArchitecture, match=named):
        formats.read(json.dumps(value), "ofa")


def test_unknown_widths_need_a_named_space() -> None:
    space = "ofa-mobilenetv3(width=0.5)"
    value = sample(space)
    with pytest.raises(
        InvalidArchitecture,
        match=r"first_conv.out_channels is 8; .* 16 or 24 channels: name the space",
    ):
        formats.read(json.dumps(value))
    assert formats.read(json.dumps(value), space=space).space == space


def test_a_zero_where_it_cannot_stand_is_named() -> None:
    value = sample("ofa-proxyless")
    index = next(i for i, block in enumerate(value["blocks"]) if block["shortcut"] is not None)
    value["blocks"][index]["mobile_inverted_conv"] = {"name": "ZeroLayer", "stride": 1}
    with pytest.raises(
        InvalidArchitecture, match=rf"blocks\[{index}\]: layer_\d+ has no candidate 'zero'"
    ):
        formats.read(json.dumps(value), "ofa")


def test_dialects_are_told_apart() -> None:
    with pytest.raises(InvalidFile, match="the blocks are in the dialect of OFA"):
        formats.read(json.dumps(sample("ofa-proxyless")), "proxylessnas")
    with pytest.raises(InvalidFile, match="the blocks are in the dialect of ProxylessNAS"):
        formats.read(json.dumps(sample("proxylessnas")), "ofa")


@pytest.mark.parametrize(
    ("name", "space"), [("ofa", "proxylessnas"), ("proxylessnas", "ofa-proxyless")]
)
def test_formats_are_for_their_own_spaces(name: str, space: str) -> None:
    with pytest.raises(InvalidArchitecture, match=f"net.config is not for {space}"):
        formats.write(spaces.get(space).sample(np.random.default_rng(0)), name)


def test_spaces_of_other_blocks_are_refused(mixed: SearchSpace) -> None:
    with pytest.raises(InvalidArchitecture, match=r"net\.config is not for mixed"):
        formats.write(mixed.sample(np.random.default_rng(0)), "ofa")
    with pytest.raises(InvalidArchitecture, match=r"a net\.config .*'xception k3"):
        formats.write(spaces.get("spos").architecture([3] * 20), "proxylessnas")
    with pytest.raises(InvalidArchitecture, match="spos has 20 stages of layers to choose, not 7"):
        formats.read(json.dumps(sample("proxylessnas")), "proxylessnas", "spos")


def test_first_block_must_be_fixed() -> None:
    value = sample("proxylessnas-tiny")
    value["blocks"][0]["mobile_inverted_conv"]["out_channels"] = 16
    del value["blocks"][1]
    with pytest.raises(
        InvalidArchitecture, match=r"blocks\[1\].shortcut must be null where the first stage begins"
    ):
        formats.read(json.dumps(value), "proxylessnas")
