"""Agents against a scripted service: jobs, their resumption, refusals, a service that is away."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

import spaces
from profiler.agent import connection as connection_module
from profiler.agent.agent import Agent
from profiler.agent.connection import Connection
from profiler.agent.work import ROUNDS_PER_REPORT, Bench
from profiler.backends.registry import BACKENDS, register_backend
from profiler.errors import AgentRefused, ServiceAway
from profiler.instruments.devices import find
from spaces.fingerprint import space_fingerprint
from tables import LookupTable
from tables.network_measurements import NetworkMeasurements
from tests.steady import SteadyBackend, latency_of, steady_table

SPACE = spaces.get("spos-tiny")


class Service:
    """A service with scripted jobs.

    Attributes:
        jobs: Jobs that the next claims take, in order.
        reports: What was reported, in order.
        failures: Statuses of the next answers, in place of what they would be.
        held: Whether the agent still holds its job, after so many reports; None: always.
        registered: What agents registered.
    """

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.failures: list[int] = []
        self.held: int | None = None
        self.registered: list[dict[str, Any]] = []
        self.stopping = threading.Event()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        if self.failures:
            return self.failures.pop(0), {"detail": "the job store does not respond"}
        if path == "/agents":
            self.registered.append(body)
            return 200, {}
        if path.endswith("/claims"):
            if self.jobs:
                return 200, self.jobs.pop(0)
            # The agent of a test ends with its jobs.
            self.stopping.set()
            return 204, None
        # Heartbeats come whenever they come.
        if body["state"] == "running" and "measured" not in body:
            return 200, {"held": True}
        self.reports.append(body)
        return 200, {"held": self.held is None or len(self.reports) <= self.held}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Service, str]]:
    """Return a service and its URL; pauses between repetitions are short."""
    monkeypatch.setattr(connection_module, "_PAUSES_S", (0.01,))
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, value = service.answer(self.path, json.loads(self.rfile.read(length)))
            content = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield service, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def table() -> LookupTable:
    return steady_table(SPACE)


@pytest.fixture
def run(served: tuple[Service, str]) -> Iterator[Any]:
    """Runs an agent with the steady backend until its service has no more jobs."""
    service, url = served

    def begin() -> list[str]:
        lines: list[str] = []
        bench = Bench(find("cpu"), ("steady",), 1)
        connection = Connection(url, "secret", service.stopping)
        Agent("board", bench, connection, service.stopping, lines.append).run()
        return lines

    with BACKENDS.preserved():
        register_backend("steady")(SteadyBackend)
        yield begin


def networks_job(table: LookupTable, rounds: int = 12, **fields: Any) -> dict[str, Any]:
    codes = np.unique(SPACE.sample(np.random.default_rng(0), 3), axis=0)
    measuring = {
        "task": "networks",
        "table": table.to_dict(),
        "codes": codes.tolist(),
        "rounds": rounds,
        "space": SPACE.name,
        "fingerprint": space_fingerprint(SPACE),
        "version": "9.9",
        **fields,
    }
    return {"id": "abc", "attempt": 1, "measuring": measuring, "measured": None}


def test_latencies_are_reported_after_every_fifth_round(
    served: tuple[Service, str], run: Any, table: LookupTable
) -> None:
    service, _ = served
    service.jobs = [networks_job(table)]
    run()

    assert service.registered[0]["name"] == "board"
    assert service.registered[0]["threads"] == 1
    assert [report["state"] for report in service.reports] == [*["running"] * 3, "done"]
    rounds = [
        len(report["measured"]["networks"][0]["latency_ms"]) for report in service.reports[:3]
    ]
    assert rounds == [ROUNDS_PER_REPORT, 2 * ROUNDS_PER_REPORT, 12]
    measurements = NetworkMeasurements.from_dict(service.reports[2]["measured"])
    measurements.check_matches(table)
    for network in measurements.networks:
        latency = latency_of(SPACE, SPACE.architecture(network.codes))
        assert measurements.latency_ms(network) == pytest.approx(latency, rel=1e-3)


def test_next_attempt_measures_the_missing_rounds(
    served: tuple[Service, str], run: Any, table: LookupTable
) -> None:
    service, _ = served
    service.jobs = [networks_job(table)]
    run()
    half = service.reports[1]["measured"]
    service.reports.clear()
    service.stopping.clear()
    service.jobs = [{**networks_job(table), "attempt": 2, "measured": half}]
    run()

    assert [report["state"] for report in service.reports] == ["running", "done"]
    networks = service.reports[0]["measured"]["networks"]
    assert {len(network["latency_ms"]) for network in networks} == {12}
    # The rounds of the first attempt are kept as they were.
    first = half["networks"][0]["latency_ms"]
    assert networks[0]["latency_ms"][: len(first)] == first


def test_results_are_reported_when_the_service_is_back(
    served: tuple[Service, str], run: Any, table: LookupTable
) -> None:
    service, _ = served
    service.jobs = [networks_job(table, rounds=5)]
    # Neither registering nor reporting is given up.
    service.failures = [503, 502, 503]
    answer = service.answer

    def away_before_each_report(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path.endswith("/jobs/abc") and not service.failures and "seen" not in body:
            state = service.reports[-1]["state"] if service.reports else None
            if state is None and not away.is_set():
                away.set()
                return 503, {"detail": "busy"}
        return answer(path, body)

    away = threading.Event()
    service.answer = away_before_each_report  # type: ignore[method-assign]
    run()
    assert away.is_set()
    assert [report["state"] for report in service.reports] == ["running", "done"]


def test_lost_job_is_left(served: tuple[Service, str], run: Any, table: LookupTable) -> None:
    service, _ = served
    service.jobs = [networks_job(table, rounds=20), {**networks_job(table, rounds=3), "id": "def"}]
    service.held = 1
    lines = run()
    # The second report finds it lost; then the next job is taken, and lost at once.
    assert "the job abc was cancelled or is done by another attempt" in lines
    assert len(service.reports) == 3


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"fingerprint": "0" * 64},
            "space: spos-tiny has other networks in Pathfit .* here than in 9.9 at the service",
        ),
        ({"space": "spos-tin"}, "unknown space 'spos-tin'"),
        ({"task": "dance"}, "task: this agent of Pathfit .* knows networks, build, validate"),
    ],
)
def test_job_that_cannot_be_done_fails_with_the_reason(
    served: tuple[Service, str],
    run: Any,
    table: LookupTable,
    fields: dict[str, Any],
    sentence: str,
) -> None:
    import re

    service, _ = served
    service.jobs = [networks_job(table, **fields)]
    run()
    (report,) = service.reports
    assert report["state"] == "failed"
    assert re.search(sentence, report["error"]), report["error"]


def test_tables_of_other_conditions_fail(
    served: tuple[Service, str], run: Any, table: LookupTable
) -> None:
    service, _ = served
    value = table.to_dict()
    others = [
        {**value, "device": {**value["device"], "processor": "abacus"}},
        {**value, "conditions": {**value["conditions"], "threads": 7}},
        {**value, "conditions": {**value["conditions"], "backend": "tvm"}},
    ]
    service.jobs = [networks_job(LookupTable.from_dict(other)) for other in others]
    run()
    first, second, third = (report["error"] for report in service.reports)
    assert "was measured on abacus" in first
    assert "threads: 'steady' was measured with 7, this agent measures with 1" in second
    assert "backend: 'tvm' is not among steady here" in third


def test_tables_are_built(served: tuple[Service, str], run: Any) -> None:
    service, _ = served
    job = networks_job(
        steady_table(SPACE),
        task="build",
        name="board-tiny",
        conditions={"backend": "steady", "batch": 1, "precision": "fp32", "threads": 1},
        budget_s=0.5,
        seed=3,
    )
    service.jobs = [job]
    run()
    (report,) = service.reports
    table = LookupTable.from_dict(report["table"])
    assert (table.name, table.space, table.seed) == ("board-tiny", SPACE.name, 3)
    assert set(table.blocks) == set(SPACE.all_blocks)


def test_tables_are_validated(served: tuple[Service, str], run: Any, table: LookupTable) -> None:
    service, _ = served
    service.jobs = [networks_job(table, task="validate", networks=4, searched=1, rounds=4, seed=1)]
    run()
    (report,) = service.reports
    assert report["state"] == "done", report
    # The backend has no noise.
    assert report["validation"]["estimate"]["mape"] < 0.01
    assert report["validation"]["rounds"] == 4


def test_interrupted_agent_gives_its_job_back(
    served: tuple[Service, str],
    run: Any,
    table: LookupTable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service, _ = served
    service.jobs = [networks_job(table)]

    def interrupted(self: Bench, claim: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Bench, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert [report["state"] for report in service.reports] == ["returned"]


def test_refusals_quote_the_service(served: tuple[Service, str]) -> None:
    service, url = served
    connection = Connection(url, None, service.stopping)
    service.failures = [403, 503]
    with pytest.raises(AgentRefused, match="the job store does not respond"):
        connection.insist("POST", "/agents", {})
    service.stopping.set()
    # Nothing is repeated once the agent is to end.
    with pytest.raises(ServiceAway, match="answers 503"):
        connection.insist("POST", "/agents", {})
    with pytest.raises(AgentRefused, match="is no address"):
        Connection("localhost:8000", None, service.stopping)
