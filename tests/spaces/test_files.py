"""Writing files whole, or not at all."""

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest

from spaces.errors import InvalidFile
from spaces.files import JsonLines, read_text, replacing, write_text


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
