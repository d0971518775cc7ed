"""LookupTable: its file, and what a file must not say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spaces import Block, ChainSpace
from tables import LookupTable
from tables.errors import InvalidTable
from tables.lookup_table import NetworkSample


def test_json_gives_the_table_back(table: LookupTable, tmp_path: Path) -> None:
    assert LookupTable.from_json(table.to_json()) == table
    table.save(tmp_path / "deep" / "t.json")
    assert LookupTable.read(tmp_path / "deep" / "t.json") == table
    assert LookupTable.from_dict(json.loads(table.to_json())).to_json() == table.to_json()


def test_json_has_a_block_or_a_network_a_line(table: LookupTable) -> None:
    lines = table.to_json().splitlines()
    for key in table.blocks:
        assert sum(line.startswith(f"  {json.dumps(key)}: {{") for line in lines) == 1
    assert sum(line.startswith('  {"codes": ') for line in lines) == len(table.networks)


def test_latencies_have_the_drift_divided_out(
    make_table: Callable[..., LookupTable], tiny: ChainSpace
) -> None:
    truth = {(0, 0, 0, 0, 0, 0): 2.0, (3, 2, 1, 0, 1, 2): 5.0}
    slow = {0: 1.0, 1: 1.25, 2: 0.5}
    networks = tuple(
        NetworkSample(codes, number, (ms * factor, 99.0, ms * factor, 0.1), 4.0 * factor)
        for number, factor in slow.items()
        for codes, ms in truth.items()
    )
    table = make_table(tiny, networks=4)
    fields = {name: getattr(table, name) for name in table.__dataclass_fields__}
    measurement = type(table.measurement)(3, 1.0, 1.0, "budget", 0.1, ((0,) * 6,), 4.0)
    table = LookupTable(**{**fields, "networks": networks, "measurement": measurement})
    codes, latencies = table.network_latencies()
    assert [tuple(row) for row in codes.tolist()] == [*truth] * 3
    assert latencies == pytest.approx(np.array([2.0, 5.0] * 3))


def change(table: LookupTable, *place: Any, value: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(table.to_json())
    inner: Any = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return whole


@pytest.mark.parametrize("field", ["macs", "params"])
def test_counts_that_are_not_the_blocks_are_refused(table: LookupTable, field: str) -> None:
    key = next(iter(table.blocks))
    true = getattr(Block.from_key(key), field)
    with pytest.raises(InvalidTable) as caught:
        LookupTable.from_dict(change(table, "blocks", key, field, value=true + 1))
    assert str(caught.value) == f"blocks.{key}.{field}: {true + 1} where the block has {true}"


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("seed",), "x", "seed: 'x' is not of type integer"),
        (("seed",), True, "seed: True is not of type integer"),
        (("version",), 2, "version: 2 is not one of 1"),
        (("version",), True, "version: True is not one of 1"),
        (("format",), "yaml", "format: 'yaml' is not one of 'pathfit-lookup-table'"),
        (("device", "cores"), 0, "device.cores: 0 is below 1"),
        (
            ("conditions", "precision"),
            "fp8",
            "conditions.precision: 'fp8' is not one of 'fp32', 'fp16', 'bf16', 'int8'",
        ),
        (
            ("conditions", "clock"),
            3,
            (
                "conditions: unexpected key 'clock'; expected are: backend, batch, precision,"
                " threads, prompt, cache, graph, performance_hint, allocator, affinity"
            ),
        ),
        (
            ("measurement", "reference", "latency_ms"),
            0,
            "measurement.reference.latency_ms: 0 must be above 0",
        ),
        (
            ("measurement", "seconds"),
            float("nan"),
            "measurement.seconds: nan is not a finite number",
        ),
        (
            ("measurement", "budget_s"),
            float("inf"),
            "measurement.budget_s: inf is not a finite number",
        ),
        (("networks", 2, "reference_ms"), -1.0, "networks[2].reference_ms: -1.0 must be above 0"),
        (
            ("networks", 1, "latency_ms"),
            [],
            "networks[1].latency_ms: needs at least 1 entries, has 0",
        ),
        (
            ("networks", 1, "latency_ms"),
            [1.0, None],
            "networks[1].latency_ms[1]: None is not of type number",
        ),
        (("networks", 3, "codes"), [0, 0, -1, 0, 0, 0], "networks[3].codes[2]: -1 is below 0"),
        (("networks", 3, "codes"), [0, 0], "networks[3].codes: 2 codes where others have 6"),
        (("networks", 3, "codes"), [10**30] * 6, f"networks[3].codes[0]: {10**30} is too large"),
        (("networks",), {}, "networks: {} is not of type array"),
        (("blocks",), [], "blocks: [] is not of type object"),
    ],
)
def test_errors_name_place_and_value(
    table: LookupTable, place: tuple[Any, ...], value: Any, said: str
) -> None:
    with pytest.raises(InvalidTable) as caught:
        LookupTable.from_json(json.dumps(change(table, *place, value=value)))
    assert str(caught.value) == said


@pytest.mark.parametrize("key", ["device", "blocks", "measurement", "seed"])
def test_a_missing_key_is_named(table: LookupTable, key: str) -> None:
    whole = json.loads(table.to_json())
    del whole[key]
    with pytest.raises(InvalidTable) as caught:
        LookupTable.from_dict(whole)
    assert str(caught.value) == f"the table: the key {key!r} is missing"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "conv",
        "conv k3",
        "convolution k3 s2 relu 3x32x32 -> 16x16x16",
        "conv k03 s2 relu 3x32x32 -> 16x16x16",
        "conv k3 s2 relu 3x32x32 -> 16x16x16 ",
        "conv k3 s2 relu 3x32x32->16x16x16",
        "conv k3 s2 relu 3 -> 16",
        "conv k3 s2 relu 3x32 -> 16x16",
        "shuffle k5 m32 s2 relu 16x112 -> 64x56x56",
        "shuffle k5 m32 s2 relu 16x112x112x112 -> 64x56x56",
        "xception k3 m4 s1 relu 1x8x8 -> 8x8x8",
        "xception k3 m4 s1 relu 0x0x0 -> 0x0x0",
        f"conv k3 s2 relu {'9' * 5000}x32x32 -> 16x16x16",
    ],
)
def test_impossible_blocks_are_refused(table: LookupTable, key: str) -> None:
    whole = json.loads(table.to_json())
    whole["blocks"][key] = {
        "latency_ms": 1.0,
        "latency_iqr_ms": 0.1,
        "samples": 3,
        "macs": 1,
        "params": 1,
    }
    with pytest.raises(InvalidTable, match=r"^blocks: ") as caught:
        LookupTable.from_dict(whole)
    assert key.split(" ")[0] in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "nonsense", "[" * 100_000, "1" * 5000, '{"seed": ' + "1" * 5000 + "}"]
)
def test_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidTable, match=r"^not JSON: "):
        LookupTable.from_json(text)


@pytest.mark.parametrize("text", ["1", "null", "[]", '"table"'])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidTable, match=r"^the table: .* is not of type object$"):
        LookupTable.from_json(text)


def test_errors_of_a_file_name_it(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidTable) as caught:
        LookupTable.read(path)
    assert str(caught.value) == f"{path}: the table: the key 'format' is missing"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidTable, match=r"t\.json: not UTF-8 text"):
        LookupTable.read(path)
    with pytest.raises(InvalidTable, match=r"no\.json: No such file"):
        LookupTable.read(tmp_path / "no.json")


def test_an_interrupted_write_leaves_the_old_file(
    table: LookupTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.json"
    table.save(path)
    before = path.read_bytes()
    write = Path.write_text

    def interrupted(self: Path, text: str, **keywords: Any) -> int:
        write(self, text[: len(text) // 2], **keywords)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", interrupted)
    fields = {name: getattr(table, name) for name in table.__dataclass_fields__}
    with pytest.raises(KeyboardInterrupt):
        LookupTable(**{**fields, "name": "another"}).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["t.json"]


def test_unknown_metrics_are_named(table: LookupTable, tiny: ChainSpace) -> None:
    from spaces.errors import UnknownName

    with pytest.raises(UnknownName) as caught:
        table.cost_model(tiny, "energy")
    assert "unknown metric 'energy'" in str(caught.value)
    assert "prefill_ms, decode_ms, macs, binary_macs, params, memory_bytes" in str(caught.value)
