"""Tables that others published: their own figures come out, their faults are named."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import spaces
from spaces import Block, ChainSpace, ChoiceLayer
from spaces.chains.additive_space import AdditiveSpace
from spaces.modules.network import release_initialiser
from tables import LookupTable
from tables.commands import main
from tables.errors import InvalidTable, MissingRow
from tables.importing.importer import Imported, import_table
from tables.importing.keys import ofa_key, proxylessnas_key, short_key
from tables.importing.rows import read_rows

CONDITIONS = {"backend": "tflite", "batch": 1, "precision": "fp32", "threads": 1}


def imported(files: list[Path], space: ChainSpace) -> Imported:
    return import_table(
        files, space, name="phone", processor="a phone", conditions=CONDITIONS, command="by hand"
    )


def proxyless_chain(widths: tuple[int, ...] = (24, 40, 80, 96, 192, 320)) -> ChainSpace:
    """ProxylessNAS's space, after the release: stem, a fixed block, 21 cells, head, classifier."""

    def mbconv(
        inputs: int, outputs: int, side: int, kernel: int, expansion: int, stride: int
    ) -> Block:
        return Block(
            "mbconv",
            (inputs, side, side),
            (outputs, side // stride, side // stride),
            kernel,
            stride=stride,
            activation="relu6",
            expansion=expansion,
            shortcut=stride == 1 and inputs == outputs,
        )

    layout: list[Block | ChoiceLayer] = [
        Block("conv", (3, 224, 224), (32, 112, 112), 3, None, 2, "relu6"),
        mbconv(32, 16, 112, 3, 1, 1),
    ]
    inputs, side = 16, 112
    for stage, (outputs, cells, first) in enumerate(
        zip(widths, (4, 4, 4, 4, 4, 1), (2, 2, 2, 1, 2, 1), strict=True)
    ):
        for cell in range(cells):
            stride = first if cell == 0 else 1
            candidates: dict[str, tuple[Block, ...]] = {
                f"{kernel}x{kernel}_MBConv{expansion}": (
                    mbconv(inputs, outputs, side, kernel, expansion, stride),
                )
                for kernel in (3, 5, 7)
                for expansion in (3, 6)
            }
            if stride == 1 and inputs == outputs:
                candidates["Zero"] = ()
            layout.append(ChoiceLayer(f"stage_{stage}_cell_{cell}", candidates))
            inputs, side = outputs, side // stride

    def classifier(classes: int) -> Block:
        return Block("linear", (1280, 7, 7), (classes,))

    layout += [Block("conv", (320, 7, 7), (1280, 7, 7), 1, None, 1, "relu6"), classifier(1000)]
    return ChainSpace(
        "proxyless", layout, (3, 224, 224), 1000, classifier, lambda: release_initialiser
    )


@pytest.fixture(scope="module")
def mobile(reference_data: Path) -> Path:
    return reference_data / "proxylessnas" / "mobile_trim.yaml"


def check_published_figures(
    space: ChainSpace, mobile: Path, names: tuple[str, str] = ("3x3_MBConv3", "3x3_MBConv6")
) -> None:
    """The figures of the release's own code on its own table."""
    found = imported([mobile], space)
    # The fixed block is there with kernels of 5 and 7 as well.
    assert (found.source, len(found.unused)) == ("proxylessnas", 2)
    model = found.table.cost_model(space)
    least, greatest = model.bounds()
    assert (least.value, greatest.value) == pytest.approx((29.609, 191.030), abs=5e-4)
    uniform = [
        torch.full((count,), 1 / count, dtype=torch.float64) for count in space.candidates.tolist()
    ]
    assert model.expected(uniform).item() == pytest.approx(113.988, abs=5e-4)
    for candidate, expected in zip(names, (76.048, 136.466), strict=True):
        codes = [list(layer.candidates).index(candidate) for layer in space.choice_layers]
        assert model.estimate(np.array([codes], dtype=np.int8))[0] == pytest.approx(
            expected, abs=5e-4
        )
    assert model.sigma is None
    assert sum(
        found.table.blocks[block.key].latency_ms for block in space.fixed_blocks
    ) == pytest.approx(11.364, abs=5e-4)


@pytest.mark.reference_data
def test_proxylessnas_gives_the_published_figures(mobile: Path) -> None:
    check_published_figures(proxyless_chain(), mobile)


@pytest.mark.reference_data
def test_rows_hold_the_published_spread(mobile: Path) -> None:
    table = imported([mobile], proxyless_chain()).table
    stem = table.blocks["conv k3 s2 relu6 3x224x224 -> 32x112x112"]
    assert (stem.latency_ms, stem.samples) == (4.083755600814664, 982)
    assert stem.latency_iqr_ms == pytest.approx(1.349 * math.sqrt(0.2502372872758427))
    assert (table.measurement, table.networks, table.device["kind"]) == (None, (), "other")
    assert LookupTable.from_json(table.to_json()) == table


@pytest.mark.reference_data
def test_blocks_that_the_file_lacks_are_named_as_there(mobile: Path) -> None:
    """The published mobile net's first stage is 32 wide; the release's code takes 200 ms for what
    it does not find.
    """
    with pytest.raises(MissingRow) as caught:
        imported([mobile], proxyless_chain((32, 40, 80, 96, 192, 320)))
    key = "expanded_conv-input:112x112x16-output:56x56x32-expand:3-kernel:3-stride:2-idskip:0"
    assert caught.value.missing[0] == key
    assert f"mobile_trim.yaml has no row for '{key}' and 17 more of proxyless" in str(caught.value)


@pytest.mark.reference_data
def test_the_corrupted_table_is_refused(reference_data: Path) -> None:
    path = reference_data / "proxylessnas" / "proxyless_latency_kairos03.csv"
    with pytest.raises(InvalidTable) as caught:
        read_rows(path)
    lines = path.read_text().splitlines()
    number = next(index for index, text in enumerate(lines, start=1) if "findstr" in text)
    assert (
        str(caught.value)
        == f"{path}, line {number}: latency_ms is '6.0329findstr04639175257', which is no number of"
        " at least 0"
    )


@pytest.mark.reference_data
def test_the_mended_table_is_read(reference_data: Path, tmp_path: Path) -> None:
    text = (reference_data / "proxylessnas" / "proxyless_latency_kairos03.csv").read_text()
    path = tmp_path / "kairos.csv"
    outer = (
        "\nConv-224x224x3-112x112x32,4\nConv_1-7x7x320-7x7x1280,3\nLogits-7x7x1280-1000,0.5,0.1,7\n"
    )
    path.write_text(text.replace("6.0329findstr04639175257", "6.03290463917525") + outer)
    space = proxyless_chain()
    found = imported([path], space)
    assert found.source == "csv"
    assert len(found.unused) == 2  # the fixed block with kernels of 5 and 7
    model = found.table.cost_model(space)
    codes = np.zeros((1, 21), dtype=np.int8)
    rows = read_rows(path)
    by_hand = sum(
        rows[short_key(block)].latency_ms for block in space.blocks(space.decode(codes)[0])
    )
    assert model.estimate(codes)[0] == pytest.approx(by_hand)
    assert found.table.blocks["linear 1280x7x7 -> 1000"].samples == 7
    assert found.table.blocks["conv k1 s1 relu6 320x7x7 -> 1280x7x7"].latency_iqr_ms is None


@pytest.mark.reference_data
def test_the_note_10_net_takes_its_published_time(reference_data: Path) -> None:
    """OFA's specialised net for 30 ms sums up to 29.97 ms by OFA's own table."""
    folder = reference_data / "ofa"
    net = json.loads((folder / "note10_lat-30ms_top1-78.4_finetune-75.net.config").read_text())
    rows = read_rows(folder / "note10_224_lookup_table.yaml")
    blocks = [Block("conv", (3, 224, 224), (24, 112, 112), 3, None, 2, "hswish")]
    side = 112
    for entry in net["blocks"]:
        conv = entry["mobile_inverted_conv"]
        after = side // conv["stride"]
        blocks.append(
            Block(
                "mbconv",
                (conv["in_channels"], side, side),
                (conv["out_channels"], after, after),
                conv["kernel_size"],
                stride=conv["stride"],
                activation={"relu": "relu", "h_swish": "hswish"}[conv["act_func"]],
                expansion=conv["expand_ratio"],
                se=conv["use_se"],
                shortcut=entry["shortcut"] is not None,
            )
        )
        side = after
    blocks += [
        Block("conv", (192, 7, 7), (1152, 7, 7), 1, None, 1, "hswish"),
        Block("avg_pool", (1152, 7, 7), (1152, 1, 1), 7),
        Block("conv_act", (1152, 1, 1), (1536, 1, 1), 1, None, 1, "hswish"),
        Block("linear_dropout", (1536, 1, 1), (1000,)),
    ]
    assert sum(rows[ofa_key(block)].latency_ms for block in blocks) == pytest.approx(
        29.97, abs=0.005
    )


def test_keys_read_as_published() -> None:
    block = Block(
        "mbconv", (24, 56, 56), (40, 28, 28), 5, expansion=3, stride=2, activation="relu6"
    )
    ends = "input:56x56x24-output:28x28x40"
    assert proxylessnas_key(block) == f"expanded_conv-{ends}-expand:3-kernel:5-stride:2-idskip:0"
    assert ofa_key(block) == f"expanded_conv-{ends}-expand:72-kernel:5-stride:2-idskip:0-se:0-hs:0"
    assert short_key(block) == "56x56x24-28x28x40-expand:3-kernel:5-stride:2"


def own_csv(space: ChainSpace, path: Path) -> Path:
    lines = [f"{key},{index + 1}.5" for index, key in enumerate(space.all_blocks)]
    path.write_text("\n".join(["block,latency_ms", *lines]) + "\n")
    return path


def test_a_csv_with_own_keys_fits_any_space(tiny: ChainSpace, tmp_path: Path) -> None:
    found = imported([own_csv(tiny, tmp_path / "t.csv")], tiny)
    assert found.source == "pathfit"
    assert [cost.latency_ms for cost in found.table.blocks.values()] == [
        index + 1.5 for index in range(27)
    ]
    codes = tiny.sample(np.random.default_rng(0), 5)
    assert found.table.cost_model(tiny).estimate(codes).min() > 0


def test_files_are_pooled_by_their_samples(tiny: ChainSpace, tmp_path: Path) -> None:
    first, second = own_csv(tiny, tmp_path / "a.csv"), tmp_path / "b.csv"
    stem = next(iter(tiny.all_blocks))
    text = first.read_text().replace(f"{stem},1.5", f"{stem},1.0,0.2,30")
    first.write_text(text)
    second.write_text(f"{stem},2.0,0.1,10\n")
    stored = imported([first, second], tiny).table.blocks[stem]
    assert (stored.latency_ms, stored.latency_iqr_ms, stored.samples) == (1.25, 0.2, 40)


def test_files_of_other_things_are_refused(tiny: ChainSpace, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("kitchen,3\n")
    with pytest.raises(
        InvalidTable, match="no row is of a block of the space: the first row is 'kitchen', a block"
    ):
        imported([path], tiny)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["import", *arguments], env={"COLUMNS": "200"})


def test_the_command_writes_a_table_that_estimates(tiny: ChainSpace, tmp_path: Path) -> None:
    source, out = own_csv(tiny, tmp_path / "t.csv"), tmp_path / "deep" / "phone.json"
    done = run(
        str(source), "--space", "spos-tiny", "--device", "a phone", "--threads", "4", "-o", str(out)
    )
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == f"wrote {out}"
    table = LookupTable.read(out)
    assert (table.name, table.device["processor"], table.conditions["threads"]) == (
        "phone",
        "a phone",
        4,
    )
    (tmp_path / "arch.json").write_text(tiny.architecture([0] * 6).to_json())
    estimate = CliRunner().invoke(
        main, ["estimate", str(tmp_path / "arch.json"), "--table", str(out)]
    )
    assert json.loads(estimate.output)["sigma_ms"] is None


def test_a_stated_deviation_gives_limits_a_margin(tiny: ChainSpace, tmp_path: Path) -> None:
    source, path = own_csv(tiny, tmp_path / "t.csv"), tmp_path / "phone.json"
    plain = run(str(source), "--space", "spos-tiny", "-o", str(path))
    without = LookupTable.read(path).cost_model(tiny)
    stated = run(str(source), "--space", "spos-tiny", "--sigma", "0.5", "-o", str(path))
    table = LookupTable.read(path)

    assert "keep no margin; state it by --sigma" in plain.output
    assert "margin" not in stated.output
    codes = tiny.sample(np.random.default_rng(0), 5)
    model = table.cost_model(tiny)
    assert (without.sigma, model.sigma) == (None, 0.5)
    assert model.upper(codes, 2) == pytest.approx(model.estimate(codes) + 1)
    assert LookupTable.from_json(table.to_json()) == table
    with pytest.raises(InvalidTable, match="sigma_ms"):
        LookupTable.from_dict({**table.to_dict(), "sigma_ms": -1})


def test_a_broken_file_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,x\n")
    out = tmp_path / "out.json"
    done = run(str(tmp_path / "t.csv"), "--space", "spos-tiny", "-o", str(out))
    assert (done.exit_code, out.exists()) == (2, False)
    assert done.output.startswith(f"Error: {tmp_path / 't.csv'}, line 1: latency_ms is 'x'")


@pytest.mark.reference_data
def test_the_space_gives_the_published_figures(mobile: Path) -> None:
    space = spaces.get("proxylessnas")
    assert isinstance(space, ChainSpace)
    check_published_figures(space, mobile, ("k3e3", "k3e6"))


@pytest.mark.reference_data
@pytest.mark.parametrize("size", [160, 176, 192, 208, 224])
def test_once_for_all_reads_its_tables_at_every_resolution(reference_data: Path, size: int) -> None:
    space = spaces.get("ofa-mobilenetv3", width=1.2, resolutions=(size,))
    assert isinstance(space, AdditiveSpace)
    found = imported([reference_data / "ofa" / f"note10_{size}_lookup_table.yaml"], space)
    assert (found.source, found.unused) == ("ofa", ())
    model = found.table.cost_model(space)
    least, greatest = model.bounds()
    assert 0 < least.value < greatest.value
    assert model.estimate([least.architecture, greatest.architecture]) == pytest.approx(
        [least.value, greatest.value]
    )


@pytest.mark.reference_data
def test_the_note_10_net_of_the_space_takes_its_published_time(reference_data: Path) -> None:
    space = spaces.get("ofa-mobilenetv3", width=1.2)
    assert isinstance(space, AdditiveSpace)
    found = imported([reference_data / "ofa" / "note10_224_lookup_table.yaml"], space)
    net = json.loads(
        (reference_data / "ofa" / "note10_lat-30ms_top1-78.4_finetune-75.net.config").read_text()
    )
    layers = [entry["mobile_inverted_conv"] for entry in net["blocks"][1:]]
    chosen: list[str] = []
    channels = 0
    for layer in layers:
        if layer["out_channels"] != channels and chosen:
            chosen += ["skip"] * (-len(chosen) % 4)
        channels = layer["out_channels"]
        chosen.append(f"k{layer['kernel_size']}e{layer['expand_ratio']}")
    chosen += ["skip"] * (-len(chosen) % 4)
    mapping = {
        choice.key: candidate for choice, candidate in zip(space.choices, chosen, strict=True)
    }
    architecture = space.architecture(mapping)
    assert found.table.cost_model(space).estimate([architecture])[0] == pytest.approx(
        29.97, abs=0.005
    )


@pytest.mark.reference_data
def test_resolutions_are_imported_together(reference_data: Path) -> None:
    space = spaces.get("ofa-mobilenetv3", width=1.2, resolutions=(160, 224))
    files = [reference_data / "ofa" / f"note10_{size}_lookup_table.yaml" for size in (160, 224)]
    model = imported(files, space).table.cost_model(space)
    for code, file in enumerate(files):
        alone = spaces.get("ofa-mobilenetv3", width=1.2, resolutions=((160, 224)[code],))
        codes = alone.sample(np.random.default_rng(code), 20)
        both = np.concatenate([np.full((20, 1), code, dtype=codes.dtype), codes], axis=1)
        # Blocks that both files have are pooled: the one behind the pool, where the resolution is
        # gone.
        assert model.estimate(both) == pytest.approx(
            imported([file], alone).table.cost_model(alone).estimate(codes), rel=2e-3
        )
