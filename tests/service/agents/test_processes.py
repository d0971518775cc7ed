"""Agents and a service in real processes: tables from afar, verified searches, crashes."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import spaces
from service.client import Client, ServiceProblem
from spaces.architecture import Architecture
from tests.service.agents.conftest import StartAgent
from tests.steady import latency_of
from tests.waiting import within

SPACE = spaces.get("spos-tiny")

# Workers of a loaded machine take minutes to start.
PATIENCE_S = 600
SEARCH: dict[str, Any] = {"space": "spos-tiny", "guide": "small", "options": {"generations": 3}}


@pytest.fixture(scope="module")
def client(
    served_class: Any, world: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """Return the client of a service that has no agent yet."""
    service = served_class(world, tmp_path_factory.mktemp("agents"))
    try:
        yield service.client
    finally:
        service.end()


def build(client: Client, device: str, **fields: Any) -> Any:
    handle = client.build_table(device, "spos-tiny", budget_s=2.0, **fields)
    return handle.wait(PATIENCE_S)


@pytest.mark.slow
def test_two_devices_have_tables_and_verified_searches_of_their_own(
    client: Client, start_agent: StartAgent
) -> None:
    agents = {threads: start_agent(client.url, f"t{threads}", threads) for threads in (1, 2)}
    for agent in agents.values():
        assert agent.says("measures for"), agent.output
    assert {(item.name, item.threads, item.state) for item in client.agents()} == {
        ("t1", 1, "ready"),
        ("t2", 2, "ready"),
    }

    for threads in agents:
        assert build(client, f"t{threads}")["table"] == f"t{threads}-spos-tiny"
        result = client.search(
            **SEARCH,
            device=f"t{threads}-spos-tiny",
            constraints={"latency_ms": 1.8 / threads},
            verify=3,
        ).wait(PATIENCE_S)
        verification = result.verification
        assert verification is not None
        assert verification.conditions["threads"] == threads
        assert len(verification.networks) == 3
        for network in verification.networks:
            architecture = result.candidate(network.rank).architecture
            latency = latency_of(SPACE, architecture, threads)
            assert network.measured_ms == pytest.approx(latency, rel=0.01)
            assert network.predicted_ms == pytest.approx(latency, rel=0.05)
        measured = [network.measured_ms for network in verification.networks]
        assert measured == sorted(measured)
        assert result.best == result.candidate(verification.networks[0].rank)

    validation = client.validate_table("t1-spos-tiny", "t1", networks=5, searched=1, rounds=4)
    assert validation.wait(PATIENCE_S)["validation"]["estimate"]["mape"] < 0.05

    # Ctrl-C ends an agent that waits.
    assert agents[1].stop() == 130


@pytest.mark.slow
def test_killed_agent_loses_its_claim_and_the_next_one_goes_on(
    client: Client, start_agent: StartAgent
) -> None:
    quick = start_agent(client.url, "killed", 3)
    assert quick.says("measures for")
    build(client, "killed")
    quick.stop()

    # 20 rounds of 20 ms runs take half a minute: time enough to die in the middle.
    slow = start_agent(client.url, "killed", 3, pause_ms=20.0)
    handle = client.search(**SEARCH, device="killed-spos-tiny", verify=2)
    assert within(90, lambda: _rounds(handle) >= 0.25), slow.output
    slow.stop(signal.SIGKILL)

    # Its rounds are kept: the next agent measures the others, after the lease is over.
    again = start_agent(client.url, "killed", 3)
    result = handle.wait(PATIENCE_S)
    assert again.says("attempt")
    assert result.verification is not None
    assert len(result.verification.networks) == 2


def _rounds(handle: Any) -> float:
    details = handle.status().details or {}
    return float(details.get("device", {}).get("share", 0.0))


@pytest.mark.slow
def test_interrupted_agent_gives_its_job_back(client: Client, start_agent: StartAgent) -> None:
    slow = start_agent(client.url, "stopped", 4, pause_ms=20.0)
    assert slow.says("measures for")
    handle = client.build_table("stopped", "spos-tiny", budget_s=60.0)
    assert slow.says("attempt 1")
    assert slow.stop() == 130
    assert "given back" in slow.output
    assert within(10, lambda: handle.status().state == "queued")
    handle.cancel()


@pytest.mark.slow
def test_search_of_a_device_that_is_away_ends_with_what_is_predicted(
    client: Client, start_agent: StartAgent, tmp_path: Path
) -> None:
    agent = start_agent(client.url, "away", 5)
    assert agent.says("measures for")
    build(client, "away")
    agent.stop()

    result = client.search(
        **SEARCH, device="away-spos-tiny", verify=3, verify_within_s=3.0, count=2
    ).wait(PATIENCE_S)
    assert result.verification is not None
    assert result.verification.networks == ()
    assert result.verification.note == (
        "away has not measured within 3 s: latencies are those that away-spos-tiny predicts"
    )
    assert result.best == result.candidate(0)
    assert isinstance(result.best.architecture, Architecture)


@pytest.mark.slow
def test_table_of_no_device_cannot_verify(client: Client) -> None:
    with pytest.raises(ServiceProblem, match="no agent is on the device of 'made-up'") as caught:
        client.search(**SEARCH, device="made-up", verify=3)
    assert caught.value.field == "verify"
