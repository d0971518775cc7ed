"""`python -m service search`, `jobs`, `cancel` and `upload` on the real application."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import spaces
from service.client import Client
from service.commands import main
from service.jobs import JobError
from tables.lookup_table import LookupTable

SPACE = "spos-tiny"


def typed(answering: Any, *arguments: str) -> Result:
    return CliRunner().invoke(main, [arguments[0], "--url", answering.url, *arguments[1:]])


def test_a_search_is_requested_listed_and_cancelled(answering: Any) -> None:
    options = [
        "--device",
        "made-up",
        "--latency-ms",
        "0.8",
        "--strategy",
        "random",
        "-O",
        "evaluations=5",
    ]
    body = typed(answering, "search", "--space", SPACE, *options, "--no-wait")
    assert body.exit_code == 0, body.output
    job_id = body.stdout.strip()
    answering.run(progress=({"evaluated": 2, "planned": 5, "best": 1.0},))
    listed = typed(answering, "jobs").stdout
    assert re.search(
        rf"{job_id} +search +running 40% +[-\d]+ [:\d]+ +{SPACE} made-up latency_ms<=0.8 ", listed
    )
    answer = json.loads(typed(answering, "jobs", "--json", "--state", "running").stdout)
    assert (answer["id"], answer["request"]["strategy"]["options"]) == (job_id, {"evaluations": 5})
    assert typed(answering, "cancel", job_id).stdout == f"cancelled {job_id}\n"
    assert typed(answering, "jobs", "--state", "running").stdout == "no jobs\n"


def test_a_predictor_of_several_metrics_is_requested_and_files_are_removed(
    answering: Any, tmp_path: Path
) -> None:
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(3), 80), axis=0)[:30]
    metrics = [
        {"top1": float(index), "cross_entropy": float(-index)} for index in range(len(codes))
    ]
    items = zip(space.decode(codes), metrics, strict=True)
    Client(answering.url).upload_evaluations(
        "mine", [{"architecture": item.to_dict(), "metrics": found} for item, found in items]
    )
    options = ["--evaluations", "mine", "--name", "steps", "--metric", "cross_entropy"]

    options += ["--metric", "top1"]

    refused = typed(answering, "predictor", *options, "--no-wait")
    assert (refused.exit_code, "ta-gates" in refused.output) == (2, True)
    typed(answering, "predictor", *options, "-O", "encoder=ta-gates", "--no-wait")
    job = answering.store.leases.claim("test", 60)
    assert job.task["options"] == {"encoder": "ta-gates", "metric": ["cross_entropy", "top1"]}
    twice = typed(answering, "predictor", *options[:4], "-O", "metric=top1")
    assert (twice.exit_code, "--metric" in twice.output) == (2, True)

    assert typed(answering, "remove", "evaluations", "mine").stdout == (
        "removed evaluations mine: 1 version\n"
    )
    again = typed(answering, "remove", "evaluations", "mine")
    assert (again.exit_code, "mine" in again.output) == (2, True)


def test_a_list_shows_failures_and_progress(answering: Any) -> None:
    first = typed(answering, "search", "--space", SPACE, "--no-wait").stdout.strip()
    job = answering.store.leases.claim("test", 60)
    answering.store.jobs.fail(job.id, job.attempt, JobError("Odd", "the moon is full"))
    Client(answering.url).retrain(spaces.get(SPACE).architecture([0] * 6))
    answering.run(progress=({"share": 0.25, "stage": "training", "state": ""},))
    listed = typed(answering, "jobs").stdout
    assert re.search(rf"{first} +search +failed .*{SPACE}: the moon is full", listed)
    assert re.search(rf"retrain +running 25% .*{SPACE} digits", listed)


def test_the_front_is_printed_while_watching(
    answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oneshot.search.result import SearchResult

    codes = np.unique(spaces.get(SPACE).sample(np.random.default_rng(0), 40), axis=0)[:12]
    falling = np.linspace(1.0, 0.0, 12)
    result = SearchResult(
        SPACE,
        {},
        [],
        ["macs", "latency_ms"],
        {"name": "random"},
        0,
        codes,
        falling,
        np.full(12, 0.25),
        {"macs": 2e6 + falling, "latency_ms": 3 + falling},
        np.arange(12),
        [],
    )
    monkeypatch.setattr("service.client.handles.SearchHandle.wait", lambda handle, **_: result)
    output = typed(answering, "search", "--space", SPACE, "--watch").stdout
    assert "10 of the 12 networks that none beats in score, macs and latency_ms" in " ".join(
        output.split()
    )
    assert re.search(r"1 ± 0\.25 +2 +4 ", output)
    assert re.search(r"\n +0 ± 0\.25 +2 +3 ", output)
    assert output.count(" ± ") == 10


def test_a_failed_cancellation_does_not_prevent_the_others(answering: Any) -> None:
    job_id = typed(answering, "search", "--space", SPACE, "--no-wait").stdout.strip()
    outcome = typed(answering, "cancel", "nonsense", job_id)
    assert (outcome.exit_code, outcome.stdout) == (2, f"cancelled {job_id}\n")
    assert "nonsense" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    other = typed(answering, "search", "--space", SPACE, "--no-wait").stdout.strip()
    assert answering.run(result={}) == other
    assert f"the job {other} is done" in typed(answering, "cancel", other).stderr


def test_tables_are_uploaded(answering: Any, world: Any, tmp_path: Path) -> None:
    table = LookupTable.read(world.tables / "made-up.json")
    fields = {name: getattr(table, name) for name in table.__dataclass_fields__}
    LookupTable(**{**fields, "name": "mine"}).save(tmp_path / "mine.json")
    assert (
        typed(answering, "upload", str(tmp_path / "mine.json")).stdout
        == "mine is version 1 of that table\n"
    )
    renamed = typed(answering, "upload", str(tmp_path / "mine.json"), "--name", "ours")
    assert renamed.stdout == "ours is version 1 of that table\n"
    refused = typed(answering, "upload", str(world.tables / "broken.json"))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "broken.json" in refused.stderr


def test_evaluations_are_uploaded_under_the_name_of_the_file_or_another(
    answering: Any, tmp_path: Path
) -> None:
    found = {
        "architecture": {
            "space": SPACE,
            "choices": {f"layer_{layer}": "k3" for layer in range(1, 7)},
        }
    }
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({**found, "metrics": {"top1": 90.0}}) + "\n", encoding="utf-8")
    assert (
        typed(answering, "upload", str(path)).stdout == "mine is version 1 of these evaluations\n"
    )
    assert (
        typed(answering, "upload", str(path), "--name", "others").stdout
        == "others is version 1 of these evaluations\n"
    )
    listed = Client(answering.url).request("GET", "/evaluations")["items"]
    assert [(item["name"], item["networks"], item["metrics"]) for item in listed] == [
        ("mine", 1, ["top1"]),
        ("others", 1, ["top1"]),
    ]
    path.write_text("{}\n", encoding="utf-8")
    assert "mine.jsonl, line 1" in typed(answering, "upload", str(path)).stderr
    assert (
        "--name is for one file"
        in typed(answering, "upload", str(path), str(path), "--name", "x").stderr
    )


def test_a_token_is_taken_from_the_environment(
    answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = answering.store.tokens.create("client")
    refused = typed(answering, "jobs")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "Error: a token is needed: send the header Authorization: Bearer TOKEN\n",
    )
    monkeypatch.setenv("PATHFIT_TOKEN", secret)
    assert typed(answering, "jobs").stdout == "no jobs\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "--space", SPACE, "-O", "evaluations"], "NAME=VALUE, not 'evaluations'"),
        (
            ["search", "--space", SPACE, "--no-wait", "--watch"],
            "--watch needs the result: leave out --no-wait",
        ),
        (["search", "--space", SPACE, "-O", "nonsense=1"], "nonsense"),
        (["search", "--space", SPACE, "--data", "digits"], "--finalists; add --finalists 8"),
        (
            ["search", "--space", SPACE, "--finalists", "4", "--training", "step=3"],
            "no such setting",
        ),
        (["jobs", "--state", "asleep"], "asleep"),
        (["cancel"], "ID"),
        (["upload", "nowhere.json"], "nowhere.json"),
    ],
)
def test_wrong_input_is_answered_in_one_line(
    answering: Any, arguments: list[str], said: str
) -> None:
    outcome = typed(answering, *arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.count("\n") == 1
    assert said in outcome.stderr


def test_administrators_upload_to_the_shared_library(
    answering: Any, world: Any, tmp_path: Path
) -> None:
    table = LookupTable.read(world.tables / "made-up.json")
    replace(table, name="phone").save(tmp_path / "phone.json")
    tokens = answering.store.tokens
    secrets = {name: tokens.create(name, administrator=name == "root") for name in ("ada", "root")}

    def upload(name: str, *options: str) -> Result:
        return typed(
            answering, "upload", str(tmp_path / "phone.json"), "--token", secrets[name], *options
        )

    assert upload("ada").stdout == "ada/phone is version 1 of that table\n"
    assert upload("root", "--shared").stdout == "shared/phone is version 1 of that table\n"
    refused = upload("ada", "--shared")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "administrator" in refused.stderr
