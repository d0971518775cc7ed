"""`service gc` removes old ended jobs with all their files, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from service.artifacts import Artifacts
from service.jobs import UnknownJob
from service.operation.leftovers import find_leftovers
from service.store import Store


def test_old_jobs_are_removed_with_their_artifacts(
    run: Any, store: Store, artifacts: Artifacts, jobs: dict[str, str]
) -> None:
    result = run("gc", "--older-than", "30d")
    assert (result.exit_code, result.stdout) == (0, "removed 2 jobs\n")
    for name in ("old", "old cancelled"):
        with pytest.raises(UnknownJob):
            store.jobs.get(jobs[name])
    stored = {job.id for job in store.jobs.list()[0]}
    assert stored == {jobs[name] for name in ("recent", "waiting since long", "running since long")}
    assert artifacts.paths() == [f"{jobs['recent']}/1/result.json"]
    assert len(store.events.list(jobs["recent"])) == 4
    assert run("gc", "--older-than", "30d").stdout == "removed 0 jobs\n"
    assert run("gc", "--older-than", "12h").stdout == "removed 1 jobs\n"
    assert artifacts.paths() == []
    assert store.jobs.list()[1] == 2


def test_files_of_attempts_without_a_result_are_removed(
    run: Any, store: Store, artifacts: Artifacts, jobs: dict[str, str]
) -> None:
    removed_job = "0" * 32
    abandoned = [
        artifacts.write(jobs["recent"], 0, "kept-last.ckpt", b"x"),
        artifacts.write(jobs["recent"], 2, "late.json", b"x"),
        artifacts.write(removed_job, 1, "result.json", b"x"),
    ]
    needed = [
        artifacts.write(jobs["running since long"], 1, "kept-last.ckpt", b"x"),
        artifacts.write(jobs["waiting since long"], 3, "kept-last.ckpt", b"x"),
        artifacts.write("check-17", 0, "probe", b"x"),
        artifacts.keep(b"an upload")[0],
        f"{jobs['recent']}/1/result.json",
    ]
    message = run("gc", "--older-than", "30d").stdout
    assert message == "removed 2 jobs and the files of 3 attempts without a result\n"
    assert artifacts.paths() == sorted(needed)
    assert not any(map(artifacts.exists, abandoned))

    # Checkpoints are needed until their job ends.
    cancelled = store.jobs.cancel(jobs["running since long"])
    assert find_leftovers(store, artifacts) == [(cancelled.id, 1)]


def test_a_dry_run_changes_nothing(
    run: Any, store: Store, artifacts: Artifacts, jobs: dict[str, str]
) -> None:
    before = store.jobs.list(), artifacts.paths()
    message = run("gc", "--older-than", "30d", "--dry-run").stdout.splitlines()
    assert message == [jobs["old"], jobs["old cancelled"], "2 jobs would be removed"]
    assert (store.jobs.list(), artifacts.paths()) == before


def test_a_dry_run_prints_all_that_would_be_removed(
    run: Any, store: Store, artifacts: Artifacts, jobs: dict[str, str]
) -> None:
    for job_id, attempt in ((jobs["recent"], 2), ("0" * 32, 1), (jobs["old"], 2)):
        artifacts.write(job_id, attempt, "kept-last.ckpt", b"x")
    before = artifacts.paths()
    message = run("gc", "--older-than", "30d", "--dry-run").stdout.splitlines()
    assert message == [
        jobs["old"],
        jobs["old cancelled"],
        *sorted([f"{'0' * 32}/1", f"{jobs['recent']}/2"]),
        "2 jobs and the files of 2 attempts without a result would be removed",
    ]
    assert artifacts.paths() == before

    # The same as without it.
    removed = "removed 2 jobs and the files of 2 attempts without a result\n"
    assert run("gc", "--older-than", "30d").stdout == removed


def test_artifacts_that_cannot_be_removed_are_retried(
    run: Any, store: Store, jobs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.local import LocalFileSystem

    def failing(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(LocalFileSystem, "rm", failing)
    result = run("gc", "--older-than", "30d")
    assert result.exit_code == 2
    assert "cannot remove the artifact" in result.stderr
    assert "Read-only file system" in result.stderr
    assert store.jobs.get(jobs["old"]).result == {"name": "old"}
    monkeypatch.undo()
    assert run("gc", "--older-than", "30d").stdout == "removed 2 jobs\n"


def test_unfinished_jobs_are_never_removed(store: Store, jobs: dict[str, str]) -> None:
    assert store.jobs.remove(list(jobs.values())) == 3
    assert {job.id for job in store.jobs.list()[0]} == {
        jobs["waiting since long"],
        jobs["running since long"],
    }


def test_artifacts_are_removed_where_the_environment_names_them(
    run: Any, jobs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Artifacts(tmp_path / "elsewhere")
    path = elsewhere.write(jobs["old"], 1, "result.json", b"{}")
    monkeypatch.setenv("PATHFIT_ARTIFACTS", str(tmp_path / "elsewhere"))
    assert run("gc", "--older-than", "30d").exit_code == 0
    assert not elsewhere.exists(path)


@pytest.mark.parametrize("given", ["30", "d", "-1d", "thirty", "1w", "nand", "infd"])
def test_malformed_durations_are_refused(run: Any, store: Store, given: str) -> None:
    result = run("gc", "--older-than", given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"30d, 12h, 90m or 45s, not '{given}'" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["gc", "--older-than", "1d"], ["backup", "x.tar"], ["token", "list"]]
)
def test_a_folder_without_a_service_is_named_and_unchanged(
    run: Any, data: Path, arguments: list[str]
) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr
        == f"Error: there is no service's data in {data}: jobs.sqlite is missing; choose another"
        " --data\n"
    )
    assert not data.exists()
