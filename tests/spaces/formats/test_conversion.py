"""Reading texts and files, formats named or detected."""

import json
from pathlib import Path

import numpy as np
import pytest

import spaces
from spaces import formats
from spaces.errors import InvalidArchitecture, InvalidFile, UnknownName
from spaces.space import SearchSpace

ARCHITECTURE = spaces.get("spos-tiny").architecture([2, 1, 0, 3, 2, 1])


def test_names() -> None:
    assert formats.available() == sorted(formats.FORMATS)
    named = {
        "pathfit",
        "nni",
        "nni-1.9",
        "nni-2.10",
        "nni-3.0",
        "nni-sample",
        "spos",
        "nasbench201",
        "darts",
        "aw-nas",
        "aw-nas-dense",
        "darts-rnn",
    }
    assert named | {"proxylessnas", "ofa"} == set(formats.available())


@pytest.mark.parametrize(
    "name", ["pathfit", "nni-1.9", "nni-2.10", "nni-3.0", "nni-sample", "spos"]
)
def test_files_are_read_by_path_and_by_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / "architecture (1), [a].txt"
    path.write_text(f"\n{formats.write(ARCHITECTURE, name)}\n")
    for given in (path, str(path), path.read_text()):
        assert formats.read(given, name, "spos-tiny") == ARCHITECTURE
        assert formats.read(given, space="spos-tiny") == ARCHITECTURE


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "architecture.json"
    path.write_text('{"layer_1": "k9"}')
    with pytest.raises(InvalidArchitecture, match=f"^{path}: "):
        formats.read(path, "nni", "spos-tiny")
    path.write_text("nothing")
    with pytest.raises(InvalidFile, match=f"^{path}: 'nothing' is in no format"):
        formats.read(str(path))
    with pytest.raises(InvalidFile, match=r"^cannot read .*missing.json: No such file"):
        formats.read(str(tmp_path / "missing.json"))
    with pytest.raises(InvalidFile, match=r"^cannot read .*: Is a directory"):
        formats.read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "{}",
        "[]",
        "null",
        "(a, b)",
        "layer_1: k3\n",
        "{\x00}",
        "a\x00b",
        "a" * 2000,
        "(" * 100_000,
    ],
)
def test_texts_in_no_format_are_refused(text: str) -> None:
    with pytest.raises(InvalidFile):
        formats.read(text)


def test_unknown_formats_and_spaces_are_named() -> None:
    for use in (lambda: formats.read("{}", "onnx"), lambda: formats.write(ARCHITECTURE, "onnx")):
        with pytest.raises(UnknownName, match="unknown format 'onnx'; available: aw-nas, aw-nas-d"):
            use()
    with pytest.raises(UnknownName, match="unknown space 'nope'"):
        formats.read("(1, 2)", space="nope")


def test_an_architecture_of_another_space_is_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="an architecture of spos-tiny, not of spos"):
        formats.read(ARCHITECTURE.to_json(), space="spos")
    assert formats.read(ARCHITECTURE.to_json(), space="spos-tiny") == ARCHITECTURE


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"space": "spos-tiny", "choices": {"layer_1": "k3"}}', "'layer_2' is missing"),
        ('{"space": "spos-tiny", "choices": []}', "'choices' must map"),
        ('{"space": "spos-tiny", "space": "spos", "choices": {}}', "'space' occurs twice"),
    ],
)
def test_own_json_is_read_strictly(text: str, named: str) -> None:
    with pytest.raises((InvalidArchitecture, InvalidFile), match=named):
        formats.read(text, "pathfit")


def test_a_space_that_is_not_registered_is_passed_to_both_sides(mixed: SearchSpace) -> None:
    own = type(mixed)("my model", mixed.choices, (3, 32, 32), 10)
    architecture = own.sample(np.random.default_rng(0))
    for name in ("pathfit", "nni", "nni-2.10", "nni-3.0", "nni-sample"):
        assert formats.read(formats.write(architecture, name, own), name, own) == architecture
    with pytest.raises(UnknownName, match="unknown space 'my model'"):
        formats.write(architecture, "nni")
    with pytest.raises(InvalidArchitecture, match="an architecture of my model was given to mixed"):
        formats.write(architecture, "nni", mixed)


def test_nothing_but_the_named_format_is_tried() -> None:
    text = json.dumps(spaces.get("spos-tiny").sample(np.random.default_rng(0)).choices)
    with pytest.raises(InvalidFile, match="is a tuple like"):
        formats.read(text, "spos")
    with pytest.raises(InvalidFile, match="a cell of NAS-Bench-201 has 3 nodes"):
        formats.read(text, "nasbench201")
