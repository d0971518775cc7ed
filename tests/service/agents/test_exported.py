"""An agent where torch cannot be imported: it joins networks of blocks that are exported."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profiler
import spaces
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from profiler.instruments.devices import find
from service.admission.tasks import SearchTask, VerifyTask
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference
from service.catalog.names import Sender
from service.client import Client
from service.context import Service
from service.jobs import Job, JobState
from service.kinds import get
from service.kinds.base import Context, HandedOver
from service.kinds.verification import _exported
from service.measuring import MEASURED_ARTIFACT, network_measuring
from tables import LookupTable
from tables.network_measurements import NetworkMeasurements
from tests.service.agents.conftest import ROOT
from tests.waiting import within

SPACE = spaces.get("spos-tiny(input_size=16, repeats=(1, 1, 1))")
BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError("torch is blocked")

sys.meta_path.insert(0, Blocker())
from profiler.commands import main
main()
"""


@pytest.fixture(scope="module")
def table() -> LookupTable:
    """Return a table of this machine by onnxruntime, of few rounds."""
    conditions = Conditions("cpu", threads=1)
    return profiler.build(
        SPACE,
        make_backend("onnxruntime", conditions),
        profiler.Settings(budget_s=0.5, fewest_networks=10),
        name="onnx",
        device=find("cpu").to_dict(),
        conditions={"backend": "onnxruntime", "batch": 1, "precision": "fp32", "threads": 1},
        command="built for a test",
    )


@pytest.fixture
def torchless(application: tuple[str, Service]) -> Iterator[subprocess.Popen[str]]:
    """Return an agent in a process that cannot import torch."""
    arguments = ("--service", application[0], "--name", "board", "--threads", "1")
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED, "agent", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class NoReports:
    """Receives nothing and cancels nothing."""

    def progress(self, progress: Any) -> None:
        """Ignore the progress."""

    def cancelled(self) -> bool:
        """Return that it is not cancelled."""
        return False


def hand_over(service: Service, folder: Path) -> Job:
    """Run the queued job as a worker does, until its agent has to measure."""
    job = service.store.leases.claim("engine")
    assert job is not None
    context = Context(job.id, job.attempt, folder, service.artifacts, NoReports())
    outcome = get(job.kind).run(job.task, context)
    assert isinstance(outcome, HandedOver)
    needs = (outcome.agent, outcome.measuring, outcome.within_s)
    service.store.jobs.hand_over(job.id, job.attempt, *needs)
    return job


def result_of(service: Service, job: Job) -> Any:
    """Return the result of a job that an agent ends."""
    ended = (JobState.DONE, JobState.FAILED)
    assert within(180, lambda: service.store.jobs.get(job.id).state in ended)
    job = service.store.jobs.get(job.id)
    assert job.state is JobState.DONE, job.error
    return job.result


def test_agent_without_torch_builds_and_validates_a_table(
    application: tuple[str, Service], torchless: subprocess.Popen[str], tmp_path: Path
) -> None:
    url, service = application
    assert within(60, lambda: bool(service.store.agents.list()))
    (agent,) = service.store.agents.list()
    assert (agent.has_torch, "onnxruntime" in agent.backends) == (False, True)

    client = Client(url)
    handle = client.build_table("board", "spos-tiny", backend="onnxruntime", budget_s=0.5)
    job = hand_over(service, tmp_path)
    result = result_of(service, job)

    assert result["table"] == handle.wait(400)["table"]
    table, _ = Catalog(service.settings, service.uploads, Sender()).table(result["table"])
    assert (table.conditions["backend"], table.measured.blocks) == ("onnxruntime", "solved")
    space = spaces.get("spos-tiny")
    assert set(table.blocks) == set(space.all_blocks)
    assert table.cost_model(space).sigma is not None

    client.validate_table(table.name, "board", networks=5, searched=1, rounds=4)
    validation = result_of(service, hand_over(service, tmp_path))["validation"]
    assert 0 < validation["estimate"]["mape"] < 1


def test_agent_without_torch_measures_exported_networks(
    application: tuple[str, Service],
    torchless: subprocess.Popen[str],
    table: LookupTable,
    tmp_path: Path,
) -> None:
    store, artifacts = application[1].store, application[1].artifacts
    assert within(60, lambda: bool(store.agents.list()))
    (agent,) = store.agents.list()

    # What a worker does that needs networks to be measured.
    path = tmp_path / "onnx.json"
    table.save(path)
    reference = FileReference.from_path("onnx", path)
    request = VerifyTask(2, reference, agent=agent.id, agent_name="board", rounds=5)
    task = SearchTask(SPACE.name, reference, None, {}, 1.64, "evolution", {}, 1, 0, verify=request)
    job, _ = store.jobs.create("search", {"space": SPACE.name}, task.to_dict())
    store.leases.claim("engine")
    codes = np.unique(SPACE.sample(np.random.default_rng(0), 4), axis=0)
    context = Context(job.id, 1, tmp_path, artifacts, NoReports())
    measuring = network_measuring(reference, SPACE, codes, request)
    measuring |= _exported(table, codes, context)
    store.jobs.hand_over(job.id, 1, agent.id, measuring, 600.0)

    def measured() -> NetworkMeasurements | None:
        with suppress(Exception):
            text = artifacts.read(f"{job.id}/2/{MEASURED_ARTIFACT}").decode()
            (tmp_path / "measured.json").write_text(text)
            return NetworkMeasurements.read(tmp_path / "measured.json")
        return None

    assert within(120, lambda: measured() is not None), store.jobs.get(job.id).error
    measurements = measured()
    assert measurements is not None
    measurements.check_matches(table)
    assert {network.codes for network in measurements.networks} == set(map(tuple, codes.tolist()))
    assert all(len(network.latency_ms) == 5 for network in measurements.networks)
    assert within(30, lambda: store.jobs.get(job.id).agent is None)
