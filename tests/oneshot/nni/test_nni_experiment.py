"""An experiment of NNI itself, from the supernet to the retrained architecture.

`PATHFIT_NNI_PYTHON` names the Python of an environment with `nni==3.0`.
"""

import json
import os
import shutil
import socket
import subprocess
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("PATHFIT_NNI_PYTHON")
ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PYTHON is None, reason="PATHFIT_NNI_PYTHON names no environment with nni==3.0"
    ),
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Experiment:
    """NNI's experiment in a copy of the user's folder."""

    def __init__(self, folder: Path):
        assert PYTHON is not None
        shutil.copytree(Path(__file__).parent / "experiment", folder)
        self.folder = folder
        self.port = free_port()
        self.home = folder / "home"
        self.home.mkdir()

        # NNI's own packages come first: some versions of this environment's are too new for it.
        paths = folder / "paths"
        paths.mkdir()
        (paths / "sitecustomize.py").write_text(
            f"import sys\nsys.path.append({sysconfig.get_path('purelib')!r})\n"
        )
        self.environment = {
            **os.environ,
            "HOME": str(self.home),
            "PATH": f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{paths}",
            "no_proxy": "localhost,127.0.0.1",
        }

    def run(self, *command: str, **variables: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def get(self, name: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://localhost:{self.port}/api/v1/nni/{name}", timeout=20) as answer:
            return json.loads(answer.read())

    def log(self, name: str) -> str:
        [path] = self.home.glob(f"nni-experiments/[!_]*/log/{name}")
        return path.read_text()


@pytest.fixture
def experiment(tmp_path: Path) -> Iterator[Experiment]:
    experiment = Experiment(tmp_path / "spos")
    yield experiment
    experiment.run("nnictl", "stop", "--all")


def test_experiment_searches_and_ends_cleanly(experiment: Experiment) -> None:
    experiment.run("python", "supernet.py")
    space = experiment.folder / "nni_auto_gen_search_space.json"
    experiment.run("python", "tester.py", NNI_GEN_SEARCH_SPACE=str(space))
    experiment.run("nnictl", "create", "--config", "config.yml", "--port", str(experiment.port))

    statuses: list[str] = []
    num_succeeded: list[int] = []
    deadline = time.monotonic() + 480
    while not num_succeeded or num_succeeded[-1] < 8:
        assert time.monotonic() < deadline, experiment.log("dispatcher.log")
        trials = experiment.get("trial-jobs")
        statuses.append(experiment.get("check-status")["status"])
        num_succeeded.append([trial["status"] for trial in trials].count("SUCCEEDED"))
        time.sleep(1)
    experiment.run("nnictl", "stop", "--all")

    # NNI's state once a tuner has no more trials; before the last batch it runs.
    assert statuses[-1] in ("TUNER_NO_MORE_TRIAL", "DONE")
    assert {status for status, count in zip(statuses, num_succeeded, strict=True) if count < 6} <= {
        "INITIALIZED",
        "RUNNING",
    }
    assert [trial["status"] for trial in trials] == ["SUCCEEDED"] * 8
    while "terminiated" not in (log := experiment.log("dispatcher.log")):
        assert time.monotonic() < deadline, log
        time.sleep(1)
    assert "Error" not in log
    assert "Traceback" not in log
    [folder] = experiment.home.glob("nni-experiments/[!_]*/log/checkpoints")
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["001_000.json", "001_001.json", "002_000.json", "002_001.json"]

    printed = experiment.run("python", "scratch.py", "--fixed-arc", str(folder / "002_000.json"))
    assert float(printed) > 0.7
