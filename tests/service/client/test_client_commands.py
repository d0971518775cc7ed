"""`python -m service search`, `jobs`, `cancel` and `upload` on the real application."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.commands import main
from tables.lookup_table import LookupTable

SPACE = "spos-tiny"


def typed(answering: Any, *arguments: str) -> Result:
    return CliRunner().invoke(main, [arguments[0], "--url", answering.url, *arguments[1:]])


def test_a_search_is_asked_for_listed_and_cancelled(answering: Any) -> None:
    options = ["--device", "made-up", "--latency-ms", "0.8", "--strategy", "random", "-O", "evaluations=5"]
    asked = typed(answering, "search", "--space", SPACE, *options, "--no-wait")
    assert asked.exit_code == 0, asked.output
    job_id = asked.stdout.strip()
    answering.run(progress=({"evaluated": 2, "planned": 5, "best": 1.0},))
    listed = typed(answering, "jobs").stdout
    assert re.search(rf"{job_id} +search +running 40% +{SPACE} made-up latency_ms<=0.8 ", listed)
    told = json.loads(typed(answering, "jobs", "--json", "--state", "running").stdout)
    assert (told["id"], told["request"]["strategy"]["options"]) == (job_id, {"evaluations": 5})
    assert typed(answering, "cancel", job_id).stdout == f"cancelled {job_id}\n"
    assert typed(answering, "jobs", "--state", "running").stdout == "no jobs\n"


def test_what_cannot_be_cancelled_keeps_nothing_else_running(answering: Any) -> None:
    job_id = typed(answering, "search", "--space", SPACE, "--no-wait").stdout.strip()
    ended = typed(answering, "cancel", "nonsense", job_id)
    assert (ended.exit_code, ended.stdout) == (2, f"cancelled {job_id}\n")
    assert "nonsense" in ended.stderr
    assert ended.stderr.count("\n") == 1
    other = typed(answering, "search", "--space", SPACE, "--no-wait").stdout.strip()
    assert answering.run(result={}) == other
    assert f"the job {other} is done" in typed(answering, "cancel", other).stderr


def test_tables_are_uploaded(answering: Any, world: Any, tmp_path: Path) -> None:
    table = LookupTable.read(world.tables / "made-up.json")
    fields = {name: getattr(table, name) for name in table.__dataclass_fields__}
    LookupTable(**{**fields, "name": "mine"}).save(tmp_path / "mine.json")
    assert typed(answering, "upload", str(tmp_path / "mine.json")).stdout == "mine is version 1 of that table\n"
    refused = typed(answering, "upload", str(world.tables / "broken.json"))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "broken.json" in refused.stderr


def test_a_token_is_taken_from_the_environment(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = answering.store.tokens.create("client")
    refused = typed(answering, "jobs")
    assert (refused.exit_code, refused.stderr) == (2, "Error: a token is needed: send Authorization: Bearer TOKEN\n")
    monkeypatch.setenv("PATHFIT_TOKEN", secret)
    assert typed(answering, "jobs").stdout == "no jobs\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "--space", SPACE, "-O", "evaluations"], "'evaluations' is no NAME=VALUE"),
        (["search", "--space", SPACE, "--no-wait", "--watch"], "--watch needs the result: leave out --no-wait"),
        (["search", "--space", SPACE, "-O", "nonsense=1"], "nonsense"),
        (["jobs", "--state", "asleep"], "asleep"),
        (["cancel"], "ID"),
        (["upload", "nowhere.json"], "nowhere.json"),
    ],
)
def test_bad_input_is_one_line(answering: Any, arguments: list[str], said: str) -> None:
    ended = typed(answering, *arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert said in ended.stderr
