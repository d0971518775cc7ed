"""Tables by name and by path."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import tables
from spaces import ChainSpace
from spaces.errors import UnknownName
from tables import LookupTable
from tables.errors import InvalidTable
from tables.store import folders


@pytest.fixture
def made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_table: Callable[..., LookupTable],
    tiny: ChainSpace,
) -> Path:
    """A working folder with two folders of tables, named by PATHFIT_TABLES, and the default one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(
        "PATHFIT_TABLES", os.pathsep.join([str(tmp_path / "one"), "", str(tmp_path / "two")])
    )
    for folder, name in (
        ("one", "a"),
        ("two", "a"),
        ("two", "b"),
        ("runs/tables", "b"),
        ("runs/tables", "c"),
    ):
        make_table(tiny, networks=1, name=name, command=folder).save(
            tmp_path / folder / f"{name}.json"
        )
    (tmp_path / "one" / "notes.txt").write_text("not a table")
    return tmp_path


def test_the_first_folder_wins(made: Path) -> None:
    assert {name: tables.load(name).command for name in ("a", "b", "c")} == {
        "a": "one",
        "b": "two",
        "c": "runs/tables",
    }
    found = tables.available()
    assert [found[name] for name in ("a", "b")] == [
        made / "one" / "a.json",
        made / "two" / "b.json",
    ]
    assert "notes" not in found


def test_extra_folders_come_before_all(
    made: Path, make_table: Callable[..., LookupTable], tiny: ChainSpace
) -> None:
    make_table(tiny, networks=1, name="a", command="extra").save(made / "extra" / "a.json")
    assert tables.load("a", (made / "extra",)).command == "extra"
    assert tables.load("b", (made / "extra",)).command == "two"


def test_paths_are_read_as_they_are(made: Path) -> None:
    assert tables.load(made / "two" / "a.json").command == "two"
    assert tables.load("two/a.json").command == "two"


def test_a_compressed_table_is_loaded_by_its_path(
    tmp_path: Path, table: LookupTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table.save("t.json.gz")
    assert tables.load("t.json.gz") == table


@pytest.mark.parametrize("name", ["no.json", "two/a", "folder/"])
def test_missing_paths_are_named(made: Path, name: str) -> None:
    with pytest.raises(InvalidTable) as caught:
        tables.load(name)
    assert str(caught.value) == f"there is no table at {name}"


def test_unknown_names_list_those_that_exist(made: Path) -> None:
    with pytest.raises(UnknownName) as caught:
        tables.load("d")
    assert caught.value.kind == "table"
    assert {"a", "b", "c"} <= set(caught.value.known)
    assert str(caught.value).startswith("unknown table 'd'; available: a, b, c")


def test_without_the_variable_the_default_folders_are_left(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = folders()
    monkeypatch.delenv("PATHFIT_TABLES")
    assert folders() == named[2:]
    assert tables.load("b").command == "runs/tables"


def test_a_broken_file_is_named(made: Path) -> None:
    (made / "one" / "broken.json").write_text("[]")
    with pytest.raises(
        InvalidTable, match=r"^.*broken\.json: the table: \[\] is not of type object$"
    ):
        tables.load("broken")
