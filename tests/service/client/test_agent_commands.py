"""`python -m service agents`, `measurers`, `build` and `token create --agent-of`, on a service."""

from pathlib import Path

from click.testing import CliRunner, Result

import spaces
from service.client import Client
from service.commands import main
from service.context import Service
from service.jobs import JobState
from tests.service.verified import end_verified_search
from tests.steady import steady_table

IDENTITY = ({"kind": "cpu", "processor": "A Board's Processor"}, ["torch"], 4, "1.0")


def typed(url: str, command: str, *arguments: str, token: str | None = None) -> Result:
    environment = {"COLUMNS": "200", "PATHFIT_URL": url, "PATHFIT_TOKEN": token or ""}
    return CliRunner(env=environment).invoke(main, [command, *arguments])


def test_devices_are_listed_and_asked_for_tables(application: tuple[str, Service]) -> None:
    url, service = application
    assert "no agents; start one" in typed(url, "agents").stdout
    service.store.agents.register("board", None, *IDENTITY)
    listed = typed(url, "agents").stdout
    assert "board" in listed
    assert "ready" in listed
    assert "A Board's Processor" in listed

    done = typed(url, "build", "--device", "board", "--space", "spos-tiny", "--no-wait")
    assert done.exit_code == 0, done.output
    job = service.store.jobs.get(done.stdout.strip())
    assert (job.kind, job.state) == ("measure", JobState.QUEUED)
    assert job.request["name"] == "board-spos-tiny"
    assert typed(url, "jobs", "--kind", "measure").stdout.count(job.id) == 1

    refused = typed(url, "build", "--device", "bord", "--space", "spos-tiny")
    assert refused.exit_code == 2
    assert "unknown agent 'bord'" in refused.stderr


def test_table_learns_from_a_search(application: tuple[str, Service]) -> None:
    url, service = application
    table = steady_table(spaces.get("spos-tiny"), name="steady")
    client = Client(url)
    client.upload_table(table, "steady")
    client.search(space="spos-tiny", guide="small")
    search, _ = end_verified_search(service, table)
    before = len(table.networks)
    learned = typed(url, "refine", "steady", search).stdout
    assert learned.startswith(f"steady, version 2: added 3 to {before} networks, sigma ")

    refused = typed(url, "refine", "steady", search, "--name", "other")
    assert refused.exit_code == 2
    assert "measurements are in 'steady' already" in refused.stderr


def test_owner_lets_others_measure(application: tuple[str, Service], tmp_path: Path) -> None:
    url, service = application
    data = str(service.settings.data)

    def created(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["token", "create", *arguments, "--data", data])
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    refused = CliRunner().invoke(
        main, ["token", "create", "board", "--agent-of", "ada", "--data", data]
    )
    assert refused.exit_code == 2
    assert "there is no token 'ada' of a person" in refused.stderr
    ada, bob = created("ada"), created("bob")
    created("board", "--agent-of", "ada")
    roles = CliRunner().invoke(main, ["token", "list", "--data", data]).stdout
    assert "agent" in roles

    owner = next(token for token in service.store.tokens.list() if token.name == "ada")
    service.store.agents.register("board", owner.id, *IDENTITY)
    assert Client(url, bob).agents() == []
    assert typed(url, "measurers", "board", "bob", token=ada).stdout == "board: bob\n"
    (agent,) = Client(url, bob).agents()
    assert (agent.name, agent.is_own, agent.measurers) == ("board", False, None)
    assert typed(url, "measurers", "board", token=ada).stdout == "board: its owner alone\n"
    refused = typed(url, "measurers", "board", "bob", token=bob)
    assert refused.exit_code == 2
    assert "belongs to somebody else" in refused.stderr
