"""Published tables are read by the names of their columns, and their faults are named."""

import gzip
import json
from pathlib import Path

import pytest

from tables.errors import InvalidTable
from tables.importing.rows import read_rows

TRUE_ROWS = {"a": (9.81, 0.2, 50), "b": (12.5, 0.1, 40)}
"""Key -> median in ms, inter-quartile range in ms, number of samples."""


@pytest.mark.parametrize(
    "text",
    [
        "a,9.81,0.2,50\nb,12.5,0.1,40\n",
        "key,latency_ms,iqr_ms,samples\na,9.81,0.2,50\nb,12.5,0.1,40\n",
        "key,latency_ms\na,9.81,0.2,50\nb,12.5,0.1,40\n",
        "key,latency_us,iqr_us,samples\na,9810,200,50\nb,12500,100,40\n",
        "key,latency_s,iqr_ms,samples\na,.00981,0.2,50\nb,.0125,0.1,40\n",
        "key,latency_ns,iqr_us,count\na,9810000,200,50\nb,12500000,100,40\n",
        "Block,Latency (us),IQR [us],Samples\na,9810,200,50\nb,12500,100,40\n",
        "block,latency_\u00b5s,iqr_\u03bcs,samples\na,9810,200,50\nb,12500,100,40\n",
        "key,iqr_ms,latency_ms,samples\na,0.2,9.81,50\nb,0.1,12.5,40\n",
        "samples,latency_ms,name,iqr_ms\n50,9.81,a,0.2\n40,12.5,b,0.1\n",
        "\ufeffkey,latency_ms,iqr_ms,samples\r\na,9.81,0.2,50\r\nb,12.5,0.1,40\r\n",
        "\nkey,median_us,latency_iqr_us,samples\na,9810,200,50\nb,12500,100,40\n",
    ],
)
def test_csv_columns_are_read_by_name_and_unit(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")

    rows = read_rows(path)

    assert list(rows) == list(TRUE_ROWS)
    for key, (latency_ms, iqr_ms, samples) in TRUE_ROWS.items():
        assert rows[key].latency_ms == pytest.approx(latency_ms)
        assert rows[key].iqr_ms == pytest.approx(iqr_ms)
        assert rows[key].samples == samples


def test_a_standard_deviation_in_csv_equals_that_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("key,latency_ms,std_us\na,9.81,150\n")
    (tmp_path / "t.yaml").write_text("a: {mean: 9.81, std: 0.15}\n")
    assert read_rows(tmp_path / "t.csv")["a"].iqr_ms == pytest.approx(
        read_rows(tmp_path / "t.yaml")["a"].iqr_ms
    )


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("name,flops,latency_ms", "unknown column 'flops'; available: key, latency_ms"),
        ("block,min_ms,latency_ms,max_ms", "unknown column 'min_ms'"),
        ("key,latency_minutes", "unknown column 'latency_minutes'"),
        ("layer,latency_ms", "unknown column 'layer'"),
        ("key,latency", "the column 'latency' has no unit; write latency_ms"),
        ("key,iqr_ms", "no column of the latency in 'key,iqr_ms'"),
        ("latency_ms,samples", "no column of the key in 'latency_ms,samples'"),
        ("key,mean_ms,median_ms", "'mean_ms' is a second column of the latency"),
    ],
)
def test_a_header_with_other_columns_is_refused(tmp_path: Path, header: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    with pytest.raises(InvalidTable) as caught:
        read_rows(path)
    assert str(caught.value).startswith(f"{path}, line 1: ")
    assert message in str(caught.value)


def test_json_is_read_as_the_same_text_in_yaml(tmp_path: Path) -> None:
    table = {"a": {"count": 79, "mean": 1.25, "std": 0.1}, "b": 2.5, "c": {"mean": 1e-05}}
    for name in ("t.json", "t.yaml"):
        (tmp_path / name).write_text(json.dumps(table, indent=1))
    # YAML refuses tabs, which JSON allows.
    (tmp_path / "tabs.json").write_text(json.dumps(table, indent="\t"))

    rows = read_rows(tmp_path / "t.json")

    assert rows == read_rows(tmp_path / "t.yaml") == read_rows(tmp_path / "tabs.json")
    assert (rows["a"].latency_ms, rows["a"].samples, rows["b"].latency_ms) == (1.25, 79, 2.5)


@pytest.mark.parametrize("name", ["t.csv", "t.yaml", "t.json"])
def test_a_compressed_table_is_read_as_the_plain_one(tmp_path: Path, name: str) -> None:
    text = "a,1.5\n" if name == "t.csv" else '{"a": 1.5}\n'
    (tmp_path / name).write_text(text)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    assert read_rows(tmp_path / f"{name}.gz") == read_rows(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "a,1\nb\n", "line 2: 'b' is not 'key,latency_ms[,iqr_ms[,samples]]'"),
        ("t.csv", "a,1\nb,-2\n", "line 2: latency_ms is '-2', which is no number of at least 0"),
        ("t.csv", "a,nan\n", "line 1: latency_ms is 'nan', which is no number"),
        ("t.csv", "a,1\na,2\n", "line 2: 'a' occurs a second time"),
        ("t.csv", "", ": the table is empty"),
        ("t.yaml", "", ": the table is empty"),
        (
            "t.yaml",
            "- 1\n",
            ": a list has aw_nas's profiled networks with the field primitives; a table",
        ),
        ("t.yaml", "a:\n  mean: 1\nb:\n  count: 3\n", "line 3: b has no 'mean'; it has count"),
        ("t.yaml", "a: {mean: fast}\n", "line 1: a: mean is 'fast', which is no number"),
        ("t.yaml", "a: {mean: true}\n", "line 1: a: mean is True, which is no number"),
        ("t.yaml", "a: {mean: 1, var: -1}\n", "line 1: a: var is -1, which is no number"),
        ("t.yaml", "a: [1\n", "line 2: not YAML"),
        ("t.yaml", "a: !!python/object/apply:os.getcwd []\n", "line 1: not YAML: "),
        (
            "t.txt",
            "a,1\n",
            ": tables are imported from .yaml, .yml, .json, .csv and .pickle, not from .txt",
        ),
        ("t.yaml", "a: {mean: 9810, unit: us}\n", "line 1: a has the unknown field 'unit'"),
        ("t.yaml", f"a: 1\nb: 1{'0' * 400}\n", "line 2: b is 1000"),
        ("t.yaml", f"a: 1\nb: 1{'0' * 5000}\n", "line 2: "),
        ("t.csv", f"a,1\nb,1{'0' * 5000}\n", "line 2: latency_ms is '1000"),
        ("t.csv", f"a,1\nb,{'0' * 200_000}\n", "line 2: not CSV: "),
        ("t.json", f'{{"a": 1{"0" * 5000}}}', ": not JSON: the integer 1000"),
        ("t.json", "[1]", ": a table maps keys to {mean, count, var or std}; this is no mapping"),
        ("t.json", '{"a": 1,\n"b": {"mean": NaN}}', "line 2: b: mean is nan, which is no number"),
        ("t.json", '{"a": 1,\n"a": 2}', "line 2: 'a' occurs a second time"),
        ("t.json", '{"a": 1,\n"b": [1]}', "line 2: b is [1], which is no number"),
        ("t.json", '{"a": 1', ": not JSON: "),
        (
            "t.json",
            '{"format": "pathfit-lookup-table"}',
            ": this is a lookup table already: use it",
        ),
    ],
)
def test_faults_are_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InvalidTable) as caught:
        read_rows(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
