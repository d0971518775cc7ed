"""The seven stages of the quickstart, each by the product's own commands."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from service.quickstart.processes import CommandFailed, run, started
from service.quickstart.workspace import Size, Stage
from spaces.console.progress import Bar
from spaces.files import write_text
from spaces.registry import get
from tables.lookup_table import LookupTable

if TYPE_CHECKING:
    from service.client import Client

SPACE, DATA = "spos-tiny", "digits"
NETWORKS = ("found", "random")
# Small networks gain little from a second thread, and lose much where other work shares the cores.
_THREADS = "1"


@dataclass(frozen=True)
class Paths:
    """Where the quickstart writes, all below `folder`."""

    folder: Path

    @property
    def table(self) -> Path:
        """The lookup table."""
        return self.folder / "tables" / "quickstart.json"

    @property
    def supernet(self) -> Path:
        """The supernet's run."""
        return self.folder / "supernet"

    @property
    def evaluations(self) -> Path:
        """The sampled sub-networks' evaluations."""
        return self.folder / "evaluations.jsonl"

    @property
    def predictor(self) -> Path:
        """The predictor."""
        return self.folder / "predictors" / "quickstart.safetensors"

    @property
    def report(self) -> Path:
        """The predictor's figures on unseen networks."""
        return self.folder / "predictor-report.json"

    @property
    def service(self) -> Path:
        """The service's jobs."""
        return self.folder / "service"

    def result(self, network: str) -> Path:
        """The search result that a network comes from."""
        return self.folder / f"{network}.json"

    def checked(self, network: str) -> Path:
        """The supernet's evaluation of a network."""
        return self.folder / f"{network}-supernet.jsonl"

    def architecture(self, network: str) -> Path:
        """A network's architecture as one line of JSON."""
        return self.folder / f"{network}-architecture.json"

    def retrained(self, network: str) -> Path:
        """The run of a network trained from scratch."""
        return self.folder / f"{network}-network"

    def onnx(self, network: str) -> Path:
        """A network's ONNX model."""
        return self.folder / f"{network}.onnx"

    @property
    def measured(self) -> Path:
        """The delivered networks' latencies."""
        return self.folder / "measured.json"


def stages(folder: Path, size: Size, seed: int) -> list[Stage]:
    """The stages in order, writing below `folder`."""
    paths = Paths(folder)
    return [
        _profile(paths, size, seed),
        _train(paths, size, seed),
        _evaluate(paths, size, seed),
        _predict(paths, seed),
        _search(paths, size, seed),
        _retrain(paths, size, seed),
        _deliver(paths, size, seed),
    ]


def _commands(
    name: str, title: str, paths: Paths, argv: list[list[str]], outputs: list[Path], at_once: bool
) -> Stage:
    def work() -> None:
        log = paths.folder / "log.txt"
        for group in [argv] if at_once else [[one] for one in argv]:
            run(group, log)

    return Stage(name, title, [" ".join(one) for one in argv], outputs, work)


def _profile(paths: Paths, size: Size, seed: int) -> Stage:
    options = [
        "--threads",
        _THREADS,
        "--budget",
        f"{size.budget_s}s",
        "--seed",
        str(seed),
        "-o",
        str(paths.table),
    ]
    title = f"measure the blocks of {SPACE} on this processor"
    return _commands(
        "profile",
        title,
        paths,
        [["profiler", "build", "--space", SPACE, *options]],
        [paths.table],
        False,
    )


def _train(paths: Paths, size: Size, seed: int) -> Stage:
    options = [
        "--data",
        DATA,
        "--epochs",
        str(size.epochs),
        "--seed",
        str(seed),
        "--threads",
        _THREADS,
        "--resume",
    ]
    command = ["oneshot", "train", "--space", SPACE, *options, "-o", str(paths.supernet)]
    return _commands(
        "train",
        "train one supernet that holds every network",
        paths,
        [command],
        [paths.supernet],
        False,
    )


def _evaluate(paths: Paths, size: Size, seed: int) -> Stage:
    options = [
        "-n",
        str(size.evaluations),
        "--seed",
        str(seed),
        "--threads",
        _THREADS,
        "-o",
        str(paths.evaluations),
    ]
    command = ["oneshot", "evaluate", str(paths.supernet), *options]
    title = f"evaluate {size.evaluations} sub-networks on a fixed validation split"
    return _commands("evaluate", title, paths, [command], [paths.evaluations], False)


def _predict(paths: Paths, seed: int) -> Stage:
    kinds = ["--encoder", "gates", "--baseline", "gp"]
    options = [
        *kinds,
        "--seed",
        str(seed),
        "--report",
        str(paths.report),
        "-o",
        str(paths.predictor),
    ]
    command = ["predictor", "train", "--data", str(paths.evaluations), "--space", SPACE, *options]
    title = "train the graph predictor on a part of them, test it on the rest"
    return _commands("predict", title, paths, [command], [paths.predictor, paths.report], False)


def _search(paths: Paths, size: Size, seed: int) -> Stage:
    found, drawn = (paths.result(network) for network in NETWORKS)
    outputs = [found, drawn, *(paths.architecture(network) for network in NETWORKS)]
    outputs += [paths.checked(network) for network in NETWORKS]

    def work() -> None:
        maximum = latency_limit(paths)
        with serving(paths) as (client, _):
            _found_by_service(client, paths, maximum, size, seed)
        constraint = f"latency_ms<={maximum}@{paths.table}"
        options = [
            "--strategy",
            "random",
            "--option",
            "evaluations=1",
            "--seed",
            str(seed),
            "-o",
            str(drawn),
        ]
        guide = f"predictor:{paths.predictor}"
        log = paths.folder / "log.txt"
        run(
            [
                [
                    "oneshot",
                    "search",
                    "--space",
                    SPACE,
                    "--guide",
                    guide,
                    "--constraint",
                    constraint,
                    *options,
                ]
            ],
            log,
        )
        for network in NETWORKS:
            best = json.loads(paths.result(network).read_text(encoding="utf-8"))["best"][0][
                "architecture"
            ]
            write_text(paths.architecture(network), json.dumps(best) + "\n")
        evaluate = ["oneshot", "evaluate", str(paths.supernet), "--threads", _THREADS]
        checks = [
            [
                *evaluate,
                "--archs",
                str(paths.architecture(network)),
                "-o",
                str(paths.checked(network)),
            ]
            for network in NETWORKS
        ]
        run(checks, log)

    title = "ask the service for the best network under the space's median latency"
    commands = [" ".join(_serve(paths, 0)), f"POST /search, seed {seed}, {size.generations}"]
    return Stage("search", title, commands, outputs, work)


def _found_by_service(client: Client, paths: Paths, maximum: float, size: Size, seed: int) -> None:
    handle = client.search(
        space=SPACE,
        device=paths.table.stem,
        constraints={"latency_ms": {"max": maximum}},
        strategy="spos",
        options={"generations": size.generations},
        guide=paths.predictor.stem,
        seed=seed,
    )
    with Bar(f"search {handle.id} under {maximum} ms") as bar:
        result = handle.wait(
            timeout=300,
            on_progress=lambda now: bar.update(
                now.evaluated / now.planned, f"{now.evaluated}/{now.planned}"
            ),
        )
    result.save(paths.result("found"))


def _retrain(paths: Paths, size: Size, seed: int) -> Stage:
    options = [
        "--data",
        DATA,
        "--epochs",
        str(size.retrain_epochs),
        "--seed",
        str(seed),
        "--threads",
        _THREADS,
    ]
    options.append("--resume")
    commands = [
        [
            "oneshot",
            "retrain",
            "--arch",
            str(paths.result(network)),
            *options,
            "-o",
            str(paths.retrained(network)),
        ]
        for network in NETWORKS
    ]
    title = "train it from scratch, beside a random network that meets the same constraint"
    return _commands(
        "retrain", title, paths, commands, [paths.retrained(network) for network in NETWORKS], True
    )


def _deliver(paths: Paths, size: Size, seed: int) -> Stage:
    commands = [
        ["oneshot", "export", str(paths.retrained(network)), "-o", str(paths.onnx(network))]
        for network in NETWORKS
    ]
    files = [
        str(path(network)) for path in (paths.architecture, paths.onnx) for network in NETWORKS
    ]
    options = ["--table", str(paths.table), "--rounds", str(size.rounds), "--seed", str(seed)]
    commands.append(["profiler", "measure", *files, *options, "-o", str(paths.measured)])
    outputs = [*(paths.onnx(network) for network in NETWORKS), paths.measured]

    def work() -> None:
        log = paths.folder / "log.txt"
        run(commands[:-1], log)
        with Bar("measuring both networks, in torch and under onnxruntime"):
            run(commands[-1:], log, shown=False)

    title = "export to ONNX, check it against torch, and measure what was promised"
    return Stage("deliver", title, [" ".join(one) for one in commands], outputs, work)


def latency_limit(paths: Paths) -> float:
    """The median estimate of the whole space on the quickstart's table, in milliseconds with three
    digits.

    On a machine so busy that the margin of the measurement reaches beyond the median, the least
    limit that the margin allows.
    """
    space = get(SPACE)
    model = LookupTable.read(paths.table).cost_model(space)
    codes = np.concatenate(list(space.enumerate_codes()))
    limit = max(float(np.median(model.estimate(codes))), float(model.upper(codes).min()))
    return math.ceil(limit * 1000) / 1000


def _serve(paths: Paths, port: int) -> list[str]:
    folders = ["--tables", str(paths.table.parent), "--predictors", str(paths.predictor.parent)]
    return ["service", "serve", "--port", str(port), *folders, "--data", str(paths.service)]


@contextmanager
def serving(paths: Paths, port: int = 0) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    """A service on the quickstart's table and predictor, ready: its client and its process."""
    from service.client import Client

    command = _serve(paths, port)
    with started(command, subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("serving at "):
                client = Client(line.removeprefix("serving at ").strip())
                client.wait_until_ready(60)
                yield client, process
                return
        raise CommandFailed(f"python -m {' '.join(command)} ended with exit code {process.wait()}")
