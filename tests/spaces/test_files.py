"""Writing files whole, or not at all."""

import errno
import gzip
import os
import stat
import tempfile
from pathlib import Path

import pytest

from spaces import files
from spaces.errors import InvalidFile
from spaces.files import JsonLines, read_text, replacing, text_suffix, write_text


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_interruption_leaves_the_old_content_alone(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    path = tmp_path / "table.json"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as beside:
            beside.write_text("half of the new")
            assert beside.parent == path.parent
            raise interruption

    with pytest.raises(interruption):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_interruption_of_a_first_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with replacing(tmp_path / "new.json") as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_old_content_stays_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    write_text(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    assert read_text(str(path)) == "größer\n"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_mode_is_that_of_a_file_opened_for_writing(tmp_path: Path, mask: int, mode: int) -> None:
    path = tmp_path / "file.txt"
    before = os.umask(mask)
    try:
        write_text(path, "text")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "below" / "table.json"
    with pytest.raises(InvalidFile) as caught:
        write_text(path, "text")
    assert str(caught.value) == f"cannot write {path}: Not a directory"


def test_a_folder_that_may_not_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(
        tempfile, "mkstemp", refuse
    )  # root may write everywhere, so folders cannot show it
    path = tmp_path / "table.json"
    with pytest.raises(InvalidFile) as caught:
        write_text(path, "text")
    assert str(caught.value) == f"cannot write {path}: Permission denied"


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InvalidFile) as caught:
        write_text(folder, "text")
    assert str(caught.value) == f"cannot write {folder}: it is a folder"
    assert list(tmp_path.iterdir()) == [folder]


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9")
    reasons = {
        "missing": "No such file or directory",
        "latin": "not UTF-8 text",
        "": "Is a directory",
    }
    for name, reason in reasons.items():
        with pytest.raises(InvalidFile) as caught:
            read_text(tmp_path / name)
        assert str(caught.value) == f"cannot read {tmp_path / name}: {reason}"


def test_json_lines_ignore_and_replace_a_torn_line(tmp_path: Path) -> None:
    journal = JsonLines(tmp_path / "deep" / "journal.jsonl")
    assert journal.lines() == []
    journal.append('{"a": 1}')
    with open(journal.path, "a") as file:
        file.write('{"b": ')
    assert journal.lines() == [(1, '{"a": 1}')]

    journal.append('{"c": 3}')
    assert journal.lines() == [(1, '{"a": 1}'), (2, '{"c": 3}')]
    assert journal.path.read_text() == '{"a": 1}\n{"c": 3}\n'


def test_json_lines_keep_a_complete_value_without_line_break(tmp_path: Path) -> None:
    journal = JsonLines(tmp_path / "journal.jsonl")
    journal.path.write_text('{"a": 1}\n\n{"b": 2}')
    assert journal.lines() == [(1, '{"a": 1}'), (3, '{"b": 2}')]

    journal.append('{"c": 3}')
    assert journal.lines() == [(1, '{"a": 1}'), (3, '{"b": 2}'), (4, '{"c": 3}')]


def test_json_lines_begin_an_empty_file(tmp_path: Path) -> None:
    journal = JsonLines(tmp_path / "journal.jsonl")
    journal.path.touch()
    journal.append("1")
    assert journal.path.read_text() == "1\n"


@pytest.mark.parametrize("name", ["e.jsonl.gz", "e.jsonl"])
def test_compressed_lines_are_read_under_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress('{"a": 1}\n{"a": "größer"}\n'.encode()))
    assert JsonLines(path).lines() == [(1, '{"a": 1}'), (2, '{"a": "größer"}')]
    assert read_text(path) == '{"a": 1}\n{"a": "größer"}\n'


def test_text_with_the_suffix_gz_is_written_compressed(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl.gz"
    write_text(path, "größer\n")
    content = path.read_bytes()
    assert gzip.decompress(content).decode() == read_text(path) == "größer\n"

    write_text(path, "größer\n")
    assert path.read_bytes() == content


@pytest.mark.parametrize("exists", [True, False])
def test_a_compressed_file_is_not_appended_to(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "e.jsonl.gz"
    if exists:
        path.write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(InvalidFile, match=r"e\.jsonl\.gz: it is compressed"):
        JsonLines(path).append("{}")
    assert path.exists() == exists
    assert not exists or gzip.decompress(path.read_bytes()) == b"{}\n"


@pytest.mark.parametrize("cut", [5, -4])
def test_a_damaged_compressed_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "e.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 100)[:cut])
    with pytest.raises(InvalidFile, match="it cannot be unpacked"):
        read_text(path)


def test_a_file_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 1001))
    monkeypatch.setattr(files, "MOST_UNPACKED", 1000)
    with pytest.raises(InvalidFile, match="unpacks to more than 1000 bytes"):
        read_text(path)


def test_the_mark_and_line_ends_of_windows_are_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffa,b\r\n1,2\r3,4\n".encode())
    assert read_text(path) == "a,b\n1,2\n3,4\n"


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("t.csv", ".csv"), ("t.CSV.GZ", ".csv"), ("t.gz", ""), ("t", ""), ("a.b/t.json.gz", ".json")],
)
def test_the_suffix_is_that_without_compression(name: str, suffix: str) -> None:
    assert text_suffix(name) == suffix
