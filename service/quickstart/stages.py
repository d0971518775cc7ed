"""The eight stages of the quickstart, each by Pathfit's own commands."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from service.quickstart.paths import NETWORKS, Paths
from service.quickstart.processes import CommandFailed, run, started
from service.quickstart.workspace import Size, Stage
from spaces.console.progress import Bar
from spaces.files import write_text
from spaces.registry import get
from tables.lookup_table import LookupTable

if TYPE_CHECKING:
    from service.client import Client, SearchProgress

PIPELINE = Path(__file__).with_name("quickstart.yaml")
"""Pipeline of the first stages."""

SPACE = "spos-tiny"
DATA = "digits"

# Small networks gain little from a second thread, and lose much where other work shares the cores.
_THREADS = "1"

# A machine that is busy with other work starts the workers in minutes. A process that ends is
# noticed at once.
_PATIENCE_S = 300


def stages(folder: Path, size: Size, seed: int) -> list[Stage]:
    """Return the stages in their order.

    Args:
        folder: Folder of everything that they write.
        size: Amount of work.
        seed: Seed of every stage.
    """
    paths = Paths(folder)
    return [
        *_pipeline_stages(paths, size, seed),
        _search(paths, size, seed),
        _retrain(paths, size, seed),
        _deliver(paths, size, seed),
    ]


def _command_stage(
    name: str,
    title: str,
    paths: Paths,
    commands: list[list[str]],
    outputs: list[Path],
    parallel: bool = False,
) -> Stage:
    """Build a stage that runs commands, one after the other or all at the same time."""

    def work() -> None:
        log = paths.folder / "log.txt"
        # Commands in one group run at the same time.
        groups = [commands] if parallel else [[command] for command in commands]
        for group in groups:
            run(group, log)

    return Stage(name, title, [" ".join(command) for command in commands], outputs, work)


def _pipeline_stages(paths: Paths, size: Size, seed: int) -> list[Stage]:
    """Return the stages of the shipped pipeline, from the table to the ranking."""
    from oneshot.pipeline.building import read_pipeline

    assignments = [
        f"seed={seed}",
        f"profile.budget={size.budget_s}s",
        f"train.epochs={size.epochs}",
        f"evaluate.n={size.evaluations}",
        f"proxies.n={size.proxies}",
    ]
    titles = {
        "profile": f"measure the blocks of {SPACE} on this processor",
        "train": "train one supernet that contains every network",
        "evaluate": f"evaluate {size.evaluations} sub-networks on a fixed validation split",
        "proxies": f"measure four proxies of {size.proxies} networks without any training",
        "predict": "let the proxies and the supernet's loss vote for a ranking of all networks",
    }
    pipeline = read_pipeline(PIPELINE, paths.folder, assignments)
    return [
        _command_stage(
            stage.name,
            titles[stage.name],
            paths,
            [list(stage.arguments)],
            list(stage.outputs),
        )
        for stage in pipeline.stages
    ]


def _search(paths: Paths, size: Size, seed: int) -> Stage:
    outputs = [paths.result(network) for network in NETWORKS]
    outputs += [paths.architecture(network) for network in NETWORKS]
    outputs += [paths.evaluation(network) for network in NETWORKS]

    def work() -> None:
        log = paths.folder / "log.txt"
        maximum = latency_limit(paths)
        with serving(paths) as (client, _):
            _search_by_service(client, paths, maximum, size, seed)

        run([_random_search(paths, maximum, seed)], log)
        for network in NETWORKS:
            result = json.loads(paths.result(network).read_text(encoding="utf-8"))
            architecture = result["best"][0]["architecture"]
            write_text(paths.architecture(network), json.dumps(architecture) + "\n")

        run([_evaluation(paths, network) for network in NETWORKS], log)

    title = "request the best network under the space's median latency from the service"
    commands = [" ".join(_serve(paths, 0)), f"POST /search, seed {seed}, {size.generations}"]

    return Stage("search", title, commands, outputs, work)


def _search_by_service(client: Client, paths: Paths, maximum: float, size: Size, seed: int) -> None:
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

        def report(progress: SearchProgress) -> None:
            bar.update(progress.fraction, f"{progress.evaluated}/{progress.planned}")

        result = handle.wait(timeout=_PATIENCE_S, on_progress=report)

    result.save(paths.result("found"))


def _random_search(paths: Paths, maximum: float, seed: int) -> list[str]:
    """Return the command that draws one random network under the constraint."""
    command = ["oneshot", "search", "--space", SPACE, "--guide", f"predictor:{paths.predictor}"]
    command += ["--constraint", f"latency_ms<={maximum}@{paths.table}"]
    command += ["--strategy", "random", "--option", "evaluations=1", "--seed", str(seed)]
    return [*command, "-o", str(paths.result("random"))]


def _evaluation(paths: Paths, network: str) -> list[str]:
    """Return the command that evaluates a network in the supernet."""
    command = ["oneshot", "evaluate", str(paths.supernet), "--threads", _THREADS]
    architecture = str(paths.architecture(network))
    return [*command, "--archs", architecture, "-o", str(paths.evaluation(network))]


def _retrain(paths: Paths, size: Size, seed: int) -> Stage:
    options = ["--data", DATA, "--epochs", str(size.retrain_epochs), "--seed", str(seed)]
    options += ["--threads", _THREADS, "--resume"]
    commands = []
    for network in NETWORKS:
        command = ["oneshot", "retrain", "--arch", str(paths.result(network)), *options]
        commands.append([*command, "-o", str(paths.retrained(network))])

    outputs = [paths.retrained(network) for network in NETWORKS]
    title = "train it from scratch, and a random network under the same constraint"

    return _command_stage("retrain", title, paths, commands, outputs, parallel=True)


def _deliver(paths: Paths, size: Size, seed: int) -> Stage:
    exports = [
        ["oneshot", "export", str(paths.retrained(network)), "-o", str(paths.onnx(network))]
        for network in NETWORKS
    ]
    files = [str(paths.architecture(network)) for network in NETWORKS]
    files += [str(paths.onnx(network)) for network in NETWORKS]
    measure = ["profiler", "measure", *files, "--table", str(paths.table)]
    measure += ["--rounds", str(size.rounds), "--seed", str(seed), "-o", str(paths.measured)]
    outputs = [*(paths.onnx(network) for network in NETWORKS), paths.measured]

    def work() -> None:
        log = paths.folder / "log.txt"
        run(exports, log)
        with Bar("measuring both networks, in torch and under onnxruntime"):
            run([measure], log, show_progress=False)

    title = "export to ONNX, compare it with torch, and measure both"
    commands = [" ".join(command) for command in [*exports, measure]]

    return Stage("deliver", title, commands, outputs, work)


def latency_limit(paths: Paths) -> float:
    """Return the median latency of the space by the quickstart's table, in ms rounded up to 1 us.

    If the margin of the measurement reaches beyond the median, as on a busy machine, the least
    limit that the margin permits is returned.
    """
    space = get(SPACE)
    model = LookupTable.read(paths.table).cost_model(space)
    codes = np.concatenate(list(space.enumerate_codes()))
    # `upper` is the estimate with its margin, which a search keeps below the limit.
    limit = max(float(np.median(model.estimate(codes))), float(model.upper(codes).min()))
    return math.ceil(limit * 1000) / 1000


def _serve(paths: Paths, port: int) -> list[str]:
    folders = ["--tables", str(paths.table.parent), "--predictors", str(paths.predictor.parent)]
    return ["service", "serve", "--port", str(port), *folders, "--data", str(paths.service)]


@contextmanager
def serving(paths: Paths, port: int = 0) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    """Run a service with the quickstart's table and predictor during the block.

    Args:
        paths: Files of the quickstart.
        port: Port of the service; 0 for any free one.

    Yields:
        A client of the service, which is ready, and the process of the service.
    """
    from service.client import Client

    command = _serve(paths, port)
    with started(command, subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("serving at "):
                client = Client(line.removeprefix("serving at ").strip())
                client.wait_until_ready(_PATIENCE_S)
                yield client, process
                return
        raise CommandFailed(f"python -m {' '.join(command)} ended with exit code {process.wait()}")
