"""Strict reading of JSON files: values, and sentences that name the file."""

import gzip
from pathlib import Path

import pytest

from spaces.errors import InvalidFile
from spaces.formats.json_text import read_json


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_value_of_a_file_is_read(pack: type[bytes], tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    path.write_bytes(pack(b'{"a": [1, 2.5, null]}'))
    assert read_json(path) == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not JSON: Expecting"),
        ("[" * 100_000, "not JSON: nested too deeply"),
        (f'{{"a": 1{"0" * 5000}}}', "not JSON: the integer 1000"),
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        ('{"a": NaN}', "not JSON: .*NaN"),
    ],
)
def test_what_is_no_json_is_named_with_its_file(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    path.write_text(text)
    with pytest.raises(InvalidFile, match=rf"value\.json: {named}"):
        read_json(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"cannot read .*none\.json"):
        read_json(tmp_path / "none.json")
