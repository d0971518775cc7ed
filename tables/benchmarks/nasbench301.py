"""The trained networks of NAS-Bench-301, a JSON file each.

Siems et al., 2020 (arXiv 2008.09777); automl/nasbench301. The folder `nb_301_v13` has a folder for
each optimiser with `results_0.json` and so on: `{"optimized_hyperparamater_config":
{"NetworkSelectorDatasetInfo:darts:edge_normal_0": "max_pool_3x3",
"NetworkSelectorDatasetInfo:darts:inputs_node_normal_3": "0_1", ...}, "budget": 98, "info":
[{"val_accuracy": 94.1}], "test_accuracy": 93.7}`. Edges are numbered node after node, with one for
each earlier node; the first node reads both inputs. Networks that occur several times have the
mean. The surrogates of the release are pickled models, which are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidArchitecture
from spaces.formats.darts import architecture_of
from spaces.formats.genotype import Cell, Edge, Genotype
from spaces.progress import Progress, silent
from spaces.registry import get
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.json_results import accuracy, json_value, mean_records
from tables.benchmarks.records import Column, Records

SPACE = "darts"

_CONFIGURATION = "optimized_hyperparamater_config"
_PREFIX = "NetworkSelectorDatasetInfo:darts:"
_NODES = (2, 3, 4, 5)
"""Numbers of the inner nodes; 0 and 1 are the two cells before."""


def read_folder(path: Path, progress: Progress = silent) -> Records:
    """Read the networks of a folder, or of one file.

    Args:
        path: Folder with `.json` files at any depth, or one of them.
        progress: Called with the fraction that is done.

    Raises:
        InvalidBenchmark: There is no file, or one is broken; the file and the field are named.
    """
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InvalidBenchmark(f"{path}: no .json file of a trained network in it")

    space = get(SPACE)
    architectures, validation, test = [], [], []
    for number, file in enumerate(files):
        result = json_value(file)
        if not isinstance(result, Mapping) or not isinstance(result.get(_CONFIGURATION), Mapping):
            raise InvalidBenchmark(f"{file}: not a result of NAS-Bench-301: no {_CONFIGURATION!r}")
        try:
            architectures.append(architecture_of(space, _genotype(result[_CONFIGURATION], file)))
        except InvalidArchitecture as error:
            raise InvalidBenchmark(f"{file}: {error}") from error

        info = result.get("info")
        last = info[0] if isinstance(info, list) and info else {}
        value = last.get("val_accuracy") if isinstance(last, Mapping) else None
        validation.append(accuracy(value, f"{file}: info[0].val_accuracy"))
        test.append(accuracy(result.get("test_accuracy"), f"{file}: test_accuracy"))
        progress((number + 1) / len(files), file.name)

    columns: dict[Column, NDArray[np.float64]] = {
        ("cifar10_valid_acc", None): np.array(validation),
        ("cifar10_test_acc", None): np.array(test),
    }
    return mean_records(SPACE, space.encode(architectures), columns)


def _genotype(configuration: Mapping[str, Any], file: Path) -> Genotype:
    return Genotype(*(_cell(configuration, name, file) for name in ("normal", "reduce")))


def _cell(configuration: Mapping[str, Any], name: str, file: Path) -> Cell:
    return tuple(tuple(_node(configuration, name, node, file)) for node in _NODES)


def _node(configuration: Mapping[str, Any], name: str, node: int, file: Path) -> Iterator[Edge]:
    """Yield the two edges into a node."""
    key = f"{_PREFIX}inputs_node_{name}_{node}"
    # The first inner node has no decision.
    inputs = "0_1" if node == _NODES[0] else configuration.get(key)
    sources = inputs.split("_") if isinstance(inputs, str) else []
    if len(sources) != 2 or not all(source.isascii() and source.isdigit() for source in sources):
        raise InvalidBenchmark(f"{file}: {key} is two numbers such as '0_1', not {inputs!r:.60}")

    # As many edges precede the node's as the nodes before have possible inputs.
    first = sum(range(_NODES[0], node))
    for source in map(int, sources):
        operation = configuration.get(f"{_PREFIX}edge_{name}_{first + source}")
        if not isinstance(operation, str):
            raise InvalidBenchmark(
                f"{file}: {_PREFIX}edge_{name}_{first + source} is missing, which {key} reads"
            )
        yield Edge(operation, source)
