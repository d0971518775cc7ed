"""Artifacts: complete or absent, locally and remotely, with failures in one sentence."""

import errno
import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.artifacts import ArtifactFailed, Artifacts, MissingArtifact

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["folder", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    urls = {"file": f"file://{tmp_path}/results", "memory": f"memory://{uuid.uuid4().hex}"}
    return Artifacts(urls.get(request.param, tmp_path / "results"))


def test_listings_of_shared_storage_are_not_cached(place: Artifacts) -> None:
    files = place._files._files if place.folder is None else place._files
    assert files.storage_options["use_listings_cache"] is False


def test_artifacts_are_read_under_their_attempt(place: Artifacts, tmp_path: Path) -> None:
    first = place.write("job", 1, "result.json", b"one")
    (tmp_path / "big").write_bytes(b"two" * 1000)
    second = place.write("job", 2, "result.json", tmp_path / "big")
    assert (first, second) == ("job/1/result.json", "job/2/result.json")
    assert (place.read(first), place.read(second)) == (b"one", b"two" * 1000)
    assert (place.size(second), place.exists(first), place.exists("job/3/result.json")) == (
        3000,
        True,
        False,
    )
    assert place.paths() == [first, second]
    with place.opened(second) as file:
        assert file.read(6) == b"twotwo"
    assert place.local(first, tmp_path / "copies").read_bytes() == b"one"


def test_writing_an_artifact_again_replaces_it(place: Artifacts) -> None:
    for content in (b"one", b"another"):
        assert place.read(place.write("job", 1, "x", content)) == content
    assert place.paths() == ["job/1/x"]


def test_removing_an_attempt_keeps_the_other_attempts(place: Artifacts) -> None:
    for attempt in (1, 2, 3):
        place.write("job", attempt, "x", b"x")
    other = place.write("job2", 1, "x", b"x")
    place.remove("job", 2)
    place.remove("job", 2)
    assert place.paths() == ["job/1/x", "job/3/x", other]
    place.remove("job")
    place.remove("never")
    assert place.paths() == [other]


def test_missing_artifact_is_named(place: Artifacts, tmp_path: Path) -> None:
    for read in (place.read, place.size, lambda path: place.local(path, tmp_path / "copies")):
        with pytest.raises(MissingArtifact, match="the artifact job/1/x is gone"):
            read("job/1/x")
    with pytest.raises(MissingArtifact), place.opened("job/1/x"):
        pass


def test_equal_uploads_are_stored_once_under_their_digest(place: Artifacts) -> None:
    path, digest = place.keep(b"a table")
    assert place.keep(b"a table") == (path, digest)
    assert digest == hashlib.sha256(b"a table").hexdigest()
    assert path == f"uploads/{digest}"
    assert place.keep(b"another")[0] != path
    assert place.read(path) == b"a table"


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/etc/passwd",
        "job/../../x",
        "job//x",
        "",
        "job/.hidden",
        "job/x\0",
        "a\\..\\b",
        "job/x\n",
        "ä",
    ],
)
def test_paths_outside_the_storage_are_refused(place: Artifacts, path: str) -> None:
    with pytest.raises(ArtifactFailed, match="not the path of an artifact"):
        place.read(path)


@given(st.text(max_size=30))
def test_any_name_is_stored_inside_the_attempt_or_refused(name: str) -> None:
    place = Artifacts("memory://names")
    try:
        path = place.write("job", 1, name, b"x")
    except ArtifactFailed:
        return
    assert place.read(path) == b"x"
    assert all(found.startswith("job/1/") for found in place.paths())
    place.remove("job")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_failed_write_is_reported_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    place = Artifacts(tmp_path)
    stored = place.write("job", 1, "x", b"old")

    def failing(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(ArtifactFailed) as caught:
        place.write("job", 1, "x", b"new")
    message = str(caught.value)
    assert message.startswith(
        f"cannot write the artifact job/1/x in {tmp_path}: {os.strerror(number)}"
    )
    assert ("gc --older-than" in message) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert (place.read(stored), [path.name for path in (tmp_path / "job" / "1").iterdir()]) == (
        b"old",
        ["x"],
    )
    with pytest.raises(ArtifactFailed, match="cannot write the artifact check-"):
        place.check()


def test_file_size_limit_leaves_no_partial_file(tmp_path: Path) -> None:
    """A real refusal of the kernel: no file of this process may have more than 4096 bytes."""
    code = (
        "import resource, signal, sys; from service.artifacts import ArtifactFailed, Artifacts\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "place = Artifacts(sys.argv[1]); place.write('job', 1, 'small', b'x' * 4096)\n"
        "try: place.write('job', 1, 'big', b'x' * 5000)\n"
        "except ArtifactFailed as error: print(error, place.paths())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    message = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    ).stdout
    assert (
        message
        == f"cannot write the artifact job/1/big in {tmp_path}: File too large ['job/1/small']\n"
    )
    assert len(list(tmp_path.rglob("*"))) == 3


def test_a_file_at_the_path_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    with pytest.raises(
        ArtifactFailed, match=r"cannot write the artifact job/1/x in .*results: Not a directory"
    ):
        Artifacts(tmp_path / "results").write("job", 1, "x", b"x")


def test_unknown_storage_protocol_is_refused() -> None:
    with pytest.raises(
        ArtifactFailed, match="cannot store artifacts at nowhere://x: Protocol not known: nowhere"
    ):
        Artifacts("nowhere://x")


def test_failing_remote_storage_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Artifacts("memory://failing")

    class NoCredentials(Exception):
        pass

    def failing(*_: object) -> None:
        raise NoCredentials("Unable to locate credentials")

    monkeypatch.setattr(place._files, "pipe_file", failing)
    with pytest.raises(
        ArtifactFailed, match=r"job/1/x in memory://failing: Unable to locate credentials"
    ):
        place.write("job", 1, "x", b"x")


def test_partial_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    place = Artifacts(tmp_path)
    place.write("job", 1, "x", b"x")
    (tmp_path / "job" / "1" / ".y.abc.part").write_bytes(b"half")
    assert place.paths() == ["job/1/x"]
    place.sweep()
    assert [path.name for path in (tmp_path / "job" / "1").iterdir()] == ["x"]


@pytest.fixture(autouse=True)
def _leave_no_memory() -> Iterator[None]:
    yield
    import fsspec

    fsspec.filesystem("memory").store.clear()
