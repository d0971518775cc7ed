"""Files in the layouts that the benchmarks' projects publish, with made-up numbers."""

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from spaces.cells.graph_hash import graph_hashes
from spaces.cells.nasbench101 import EDGES, OPERATIONS
from spaces.cells.nasbench201 import OPERATIONS as OPERATIONS_201

CELLS = [
    "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|",
    "|none~0|+|skip_connect~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|",
    "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|",
]
"""Cells of NAS-Bench-201 in the benchmark's writing."""

SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}


def results(index: int, data: str, seed: int, epochs: int) -> dict[str, Any]:
    """One training in the release's layout; the accuracy is 50 + 10 index + epoch / 10, and 1 more
    for seed 888.
    """
    accuracy = {
        f"{part}@{epoch}": 50.0 + 10 * index + epoch / 10 + (seed == 888)
        for part in SETS[data]
        for epoch in range(epochs)
    }
    return {
        "name": "infer.tiny",
        "net_state_dict": None,
        "train_acc1es": dict.fromkeys(range(epochs), 1.0),
        "train_acc5es": None,
        "train_losses": dict.fromkeys(range(epochs), 1.0),
        "train_times": dict.fromkeys(range(epochs), 2.0 + index),
        "arch_config": {
            "name": "infer.tiny",
            "C": 16,
            "N": 5,
            "arch_str": CELLS[index],
            "num_classes": 10,
        },
        "params": 0.1,
        "flop": 15.6,
        "seed": seed,
        "epochs": epochs,
        "latency": [0.010 + index / 1000, 0.012 + index / 1000] if data == "cifar10" else [-1.0],
        "eval_names": list(SETS[data]),
        "eval_acc1es": accuracy,
        "eval_times": {},
        "eval_losses": {key: np.float64(value / 100) for key, value in accuracy.items()},
    }


def part(index: int, epochs: int) -> dict[str, Any]:
    """`full` or `less` of one cell: two seeds, but for CIFAR-100 one."""
    seeds = {data: [777] if data == "cifar100" else [777, 888] for data in SETS}
    runs = {
        (data, seed): results(index, data, seed, epochs) for data in SETS for seed in seeds[data]
    }
    return {
        "arch_index": index,
        "arch_str": CELLS[index],
        "all_results": runs,
        "dataset_seed": seeds,
        "clear_net_done": True,
    }


@pytest.fixture
def release_201() -> dict[str, Any]:
    """The content of NAS-Bench-201's one file, for three cells."""
    infos = {
        index: {"full": part(index, 200), "less": part(index, 12)} for index in range(len(CELLS))
    }
    return {"meta_archs": list(CELLS), "arch2infos": infos, "evaluated_indexes": set(infos)}


@pytest.fixture
def hardware() -> dict[str, Any]:
    """The content of HW-NAS-Bench's pickle, for three cells; costs are 1, 2, 3 and so on."""
    tables = {}
    for offset, data in enumerate(("cifar10", "cifar100", "ImageNet16-120")):
        config = [
            {"name": "infer.tiny", "C": 16, "N": 5, "arch_str": text, "num_classes": 10}
            for text in CELLS
        ]
        costs = np.arange(1, 4) + 10.0 * offset
        tables[data] = {"config": config, "raspi4_latency": list(costs), "fpga_energy": costs + 0.5}
        tables[data]["eyeriss_arithmetic_intensity"] = costs
    return {"nasbench201": tables, "fbnet": {"raspi4_latency": {"Skip_H32": 1.5}}}


def metrics_message() -> Any:
    """The message class ModelMetrics, made by protobuf itself."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="model_metrics_test.proto", package="made_up", syntax="proto2"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    data = file.message_type.add(name="EvaluationData")
    names = (
        "current_epoch",
        "training_time",
        "train_accuracy",
        "validation_accuracy",
        "test_accuracy",
    )
    for number, name in enumerate(names, 1):
        data.field.add(name=name, number=number, type=kinds.TYPE_DOUBLE, label=kinds.LABEL_OPTIONAL)
    data.field.add(
        name="checkpoint_path", number=6, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL
    )
    whole = file.message_type.add(name="ModelMetrics")
    whole.field.add(
        name="evaluation_data",
        number=1,
        type=kinds.TYPE_MESSAGE,
        type_name=".made_up.EvaluationData",
        label=kinds.LABEL_REPEATED,
    )
    whole.field.add(
        name="trainable_parameters", number=2, type=kinds.TYPE_INT32, label=kinds.LABEL_OPTIONAL
    )
    whole.field.add(name="total_time", number=3, type=kinds.TYPE_DOUBLE, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("made_up.ModelMetrics"))


@pytest.fixture(scope="session")
def records_101() -> list[bytes]:
    """Records of NAS-Bench-101: ten cells, runs of 4 and of 108 epochs, three each.

    Cell c has c + 1000 parameters; its run r reaches .5 + c / 100 + r / 1000 in validation, .1 more
    in test.
    """
    space, message = spaces.get("nasbench101"), metrics_message()
    codes = space.sample(np.random.default_rng(0), 10)
    records = []
    for cell, (row, name) in enumerate(zip(codes, graph_hashes(codes), strict=True)):
        matrix = np.zeros((7, 7), dtype=int)
        for bit, (source, target) in zip(row, EDGES, strict=False):
            matrix[source, target] = bit
        used = [0, *(v for v in range(1, 6) if matrix[v].any()), 6]
        labels = ["input", *(OPERATIONS[row[len(EDGES) + v - 1]] for v in used[1:-1]), "output"]
        adjacency = "".join(map(str, matrix[np.ix_(used, used)].reshape(-1)))
        for epochs in (4, 108):
            for run in range(3):
                metrics = message(trainable_parameters=cell + 1000, total_time=9.0)
                for share, accuracy in (
                    (0.0, 0.1),
                    (0.5, 0.3),
                    (1.0, 0.5 + cell / 100 + run / 1000),
                ):
                    metrics.evaluation_data.add(
                        current_epoch=share * epochs,
                        training_time=share * epochs * 10,
                        train_accuracy=1.0,
                        validation_accuracy=accuracy,
                        test_accuracy=accuracy + 0.1,
                        checkpoint_path="/place/model.ckpt-1",
                    )
                text = base64.b64encode(metrics.SerializeToString()).decode()
                records.append(
                    json.dumps([name, epochs, adjacency, ",".join(labels), text]).encode()
                )
    return records


@pytest.fixture(scope="session")
def tfrecord(records_101: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records in a file that TensorBoard's own writer wrote."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    path = tmp_path_factory.mktemp("nasbench101") / "nasbench_full.tfrecord"
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for record in records_101:
            writer.write(record)
        writer.flush()
    return path


@pytest.fixture
def known(reference_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reference data as the only place where benchmarks are looked for."""
    monkeypatch.delenv("PATHFIT_DATA", raising=False)
    monkeypatch.setenv("PATHFIT_REFERENCE_DATA", str(reference_data))
    return reference_data


@pytest.fixture
def known_cells() -> list[int]:
    """The cells of `partial_csv` whose accuracy is known, which is the cell's number."""
    return list(range(0, 30, 3))


@pytest.fixture
def partial_csv(tmp_path: Path, known_cells: list[int]) -> Path:
    """A CSV file of 30 cells of NAS-Bench-201, of which a third has an accuracy."""
    path = tmp_path / "accuracy.csv"
    cells = itertools.islice(itertools.product(OPERATIONS_201, repeat=6), 30)
    lines = ["index,arch_str,cifar10_valid_acc"]
    for index, cell in enumerate(cells):
        text = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*cell)
        lines.append(f"{index},{text},{index if index in known_cells else ''}")
    path.write_text("\n".join(lines) + "\n")
    return path
