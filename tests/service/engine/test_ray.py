"""Ray: its token, the processes that it leaves, and a cluster of two nodes."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.engine import cleanup
from service.engine.ray_session import environment
from service.store import Store
from tests.waiting import within

ROOT = Path(__file__).resolve().parents[3]
SPACE = "spos-tiny"

STRANGER = """
import os, sys
for name in list(os.environ):
    if name.startswith("RAY_"):
        del os.environ[name]
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_gcs_rpc_server_connect_timeout_s="3", **dict(map(
    lambda text: text.split("="), sys.argv[2:])))
import ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="CRITICAL")
    print("joined", ray.cluster_resources().get("CPU"))
except BaseException as error:
    print("refused", type(error).__name__)
"""


def test_every_engine_gets_a_new_private_token(tmp_path: Path) -> None:
    first = environment(tmp_path, None)
    path = Path(first["RAY_AUTH_TOKEN_PATH"])
    assert (first["RAY_AUTH_MODE"], first["RAY_USAGE_STATS_ENABLED"]) == ("token", "0")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text()
    assert len(secret) == 64
    environment(tmp_path, None)
    assert path.read_text() != secret
    assert "RAY_AUTH_MODE" not in environment(tmp_path, "10.0.0.1:6379"), (
        "a cluster's operator decides"
    )


def test_remaining_processes_are_recognised_and_killed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    folder = cleanup.new_session_folder(data)
    assert len(str(folder)) < 30 or "TMPDIR" in os.environ
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    marked = subprocess.Popen(sleep, env={**os.environ, cleanup.MARK: str(data)})
    with open(folder / "log", "w", encoding="utf-8") as log:
        logging = subprocess.Popen(sleep, stdout=log)
    other = subprocess.Popen(sleep, env={**os.environ, cleanup.MARK: str(tmp_path / "other")})
    try:
        assert within(
            5, lambda: sorted(cleanup.living_processes(data)) == sorted([marked.pid, logging.pid])
        )
        cleanup.clean_up(data)
        assert (marked.wait(30), logging.wait(30), other.poll()) == (-9, -9, None)
        assert not folder.exists()
        assert list(data.iterdir()) == []
        (data / "ray-folder").write_text(str(tmp_path))
        cleanup.clean_up(data)
        assert tmp_path.is_dir(), "a note that names anything else is not believed"
    finally:
        for process in (marked, logging, other):
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_client_without_the_token_is_refused(served: Any) -> None:
    store = Store(served.data / "jobs.sqlite")
    address = store.engines.list()[0].ray.address
    store.close()
    token = served.data / "ray-token"

    def ask(*variables: str) -> str:
        command = [sys.executable, "-c", STRANGER, address, *variables]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT).stdout

    assert ask("RAY_AUTH_MODE=token", f"RAY_AUTH_TOKEN_PATH={token}").startswith("joined 1.0")
    assert ask().startswith("refused")
    forged = served.data / "forged"
    forged.write_text("0" * 64, encoding="ascii")
    assert ask("RAY_AUTH_MODE=token", f"RAY_AUTH_TOKEN_PATH={forged}").startswith("refused")


@pytest.mark.slow
def test_jobs_run_on_a_cluster_of_two_nodes(
    start: Any, served: Any, two_nodes: Any, tmp_path: Path
) -> None:
    address = two_nodes(0).address
    service = start(
        tmp_path / "data", "--ray-address", address, "--artifacts", str(tmp_path / "shared")
    )
    options = {"population": 10, "generations": 3}
    here = served.client.search(space=SPACE, options=options, seed=4).wait(400)
    there = service.client.search(space=SPACE, options=options, seed=4).wait(400)
    assert there.to_dict(2)["candidates"] == here.to_dict(2)["candidates"]
    assert service.named("gcs_server") == [], "it brought no Ray of its own"
    assert list((tmp_path / "shared").rglob("result.json"))
    store = Store(tmp_path / "data" / "jobs.sqlite")
    assert store.engines.list()[0].ray.cluster is True
    store.close()


@pytest.mark.slow
def test_an_unreachable_cluster_is_reported_and_ends_the_service(
    world: Any, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "service",
        "serve",
        "--port",
        "0",
        "--data",
        str(tmp_path / "data"),
    ]
    address = ["--ray-address", "127.0.0.1:1"]
    result = subprocess.run(
        [*command, *address], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (result.returncode, result.stderr) == (
        2,
        "Error: a Ray cluster needs artifacts that every node reaches: give --artifacts URL\n",
    )
    shared = ["--artifacts", str(tmp_path / "shared")]
    result = subprocess.run(
        [*command, *address, *shared], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 2
    assert "Error: no Ray cluster at '127.0.0.1:1': Connection refused" in result.stderr
