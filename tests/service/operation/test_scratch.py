"""Temporary folders of a service: in one place, and removed for those who could not do it."""

from pathlib import Path
from typing import Any

import pytest

from service.artifacts import Artifacts
from service.engine.attempt import Attempt
from service.engine.reports import Assignment, Done
from service.kinds.base import Context, Outcome, explain_refused_write
from service.operation.scratch import (
    SCRATCH,
    attempt_name,
    clear,
    scratch_folder,
    sweep,
    temporary_folder,
)

JOB = "0123456789abcdef" * 2


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the temporary folders of this process."""
    folder = scratch_folder(tmp_path, "attempts")
    monkeypatch.setenv(SCRATCH, str(folder))
    return folder


def test_attempt_has_its_folder_below_the_data(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kind:
        def run(self, task: Any, context: Context) -> Outcome:
            (context.folder / "file").touch()
            return Outcome({"folder": str(context.folder)})

    monkeypatch.setattr("service.engine.attempt.get", lambda kind: Kind())
    attempt = Attempt(
        Assignment(JOB, 3), Artifacts(tmp_path / "results"), lambda report: None, lambda _: False
    )
    report = attempt.run("search", {})
    assert isinstance(report, Done)
    folder = Path(report.result["folder"])
    assert folder.parent == scratch == tmp_path / "tmp" / "attempts"
    assert folder.name.startswith(f"{JOB}-3-")
    assert list(scratch.iterdir()) == []


def test_folders_of_attempts_that_nobody_runs_are_removed(scratch: Path) -> None:
    sweep(scratch, [])
    scratch.mkdir(parents=True)
    names = [attempt_name(JOB, number) for number in (1, 2, 12)]
    for name in names:
        (scratch / f"{name}-abc_123").mkdir()
        (scratch / f"{name}-abc_123" / "last.ckpt").write_bytes(b"x" * 100)
    sweep(scratch, [(JOB, 2), ("f" * 32, 1)])
    assert [path.name for path in scratch.iterdir()] == [f"{names[1]}-abc_123"]


def test_everything_is_removed_at_the_start_of_a_service(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "jobs.sqlite").touch()
    with temporary_folder("a") as folder:
        (folder / "file").touch()
        clear(tmp_path)
        assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.sqlite"]
    clear(tmp_path)


def test_full_scratch_folder_is_named_with_its_setting(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "torch: No space left on device"
    assert str(explain_refused_write(message)).endswith("--data sets the place")
    assert str(scratch) in str(explain_refused_write(message))
    monkeypatch.delenv(SCRATCH)
    assert str(explain_refused_write(message)).endswith("TMPDIR sets the place")
