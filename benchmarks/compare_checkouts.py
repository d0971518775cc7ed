"""Run two checkouts side by side and compare the bytes that they write.

    python benchmarks/compare_checkouts.py ../pathfit-before . [--only spos]

Each case is a short command with a fixed seed: two-step trainings, a retraining, predictor
trainings and searches. Both checkouts run it on this machine, one after the other, because
digests of floating-point results differ between processors. A file that names its own run
(paths, versions, times) is compared after these have been removed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SEARCH = ["--constraint", "flops<=1.8e6", "--seed", "3", "-o", "OUT/result.json"]
SHORT = ["--data", "digits", "--steps", "2", "--limit", "200", "--no-tensorboard", "-o", "OUT/run"]

CASES: dict[str, list[str]] = {
    "spos": ["oneshot", "train", "--space", "spos-tiny", *SHORT],
    "darts": ["oneshot", "train", "--space", "darts-tiny", "--algorithm", "darts", *SHORT],
    "gdas": ["oneshot", "train", "--space", "darts-tiny", "--algorithm", "gdas", *SHORT],
    "ofa": [
        *("oneshot", "train", "--algorithm", "ofa", *SHORT, "--space"),
        "ofa-mobilenetv3(resolutions=(32,), width=0.5, kernels=(3, 5), expansions=(3, 4))",
    ],
    "proxyless": [
        *("oneshot", "train", "--algorithm", "proxyless", "--space", "proxylessnas-tiny"),
        *("--constraint", "flops<=4e6", *SHORT),
    ],
    "retrain": ["oneshot", "retrain", "--arch", "INPUTS/architecture.json", *SHORT],
    "search": ["oneshot", "search", "--space", "spos-tiny", "--guide", "predictor:GP", *SEARCH],
    "pareto": [
        *("oneshot", "search", "--space", "spos-tiny", "--guide", "predictor:GP"),
        *("--strategy", "pareto", *SEARCH),
    ],
}
"""Name -> the command after `python -m`; `retrain` and the searches use the inputs below."""

ENCODERS = ("gp", "gates", "ta-gates", "lstm", "gcn", "mlp", "transformer", "boosting")
CASES |= {
    f"predictor-{encoder}": [
        *("predictor", "train", "--data", "INPUTS/evaluations.jsonl", "--space", "spos-tiny"),
        *("--encoder", encoder, "--baseline", "forest", "--seed", "1"),
        *("--report", "OUT/report.json", "-o", "OUT/predictor.safetensors"),
    ]
    for encoder in ENCODERS
}

RUN_KEYS = {
    *("command", "version", "versions", "created", "started", "finished", "seconds", "duration"),
    *("time", "images_per_second", "peak_memory_bytes", "host", "folder", "path", "predictor"),
}
"""Fields that name the run rather than its result."""

INPUTS = """
import json, sys
import numpy as np
import spaces
from pathlib import Path

folder = Path(sys.argv[1])
space = spaces.get("spos-tiny")
rng = np.random.default_rng(0)
codes = space.sample(rng, 60)
scores = 2.3 - 0.1 * codes.astype(float).sum(1) / codes.shape[1] + rng.normal(0, 0.02, len(codes))
rows = [
    {"architecture": a.to_dict(), "metrics": {"cross_entropy": float(s)}, "source": {"kind": "x"}}
    for a, s in zip(space.decode(codes), scores)
]
(folder / "evaluations.jsonl").write_text("".join(json.dumps(row) + "\\n" for row in rows))
(folder / "architecture.json").write_text(json.dumps(rows[0]["architecture"]))
"""
"""Evaluations and an architecture that both checkouts read; written by the first of them."""


def run_module(checkout: Path, arguments: list[str]) -> None:
    """Run `python -m ...` of a checkout; raises SystemExit with its output where it fails."""
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(arguments)}\n{done.stdout}{done.stderr}")


def contents(folder: Path) -> dict[str, bytes]:
    """Relative path -> content of every file below `folder`, without what names the run."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _content(path) for path in files}


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        # Its header holds the run's settings as JSON; the tensors follow.
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        header.pop("__metadata__", None)
        return json.dumps(header, sort_keys=True).encode() + data[8 + size :]
    if path.suffix in (".json", ".jsonl"):
        lines = data.decode().splitlines() if path.suffix == ".jsonl" else [data.decode()]
        return "\n".join(json.dumps(_cleaned(json.loads(line))) for line in lines).encode()
    if path.suffix in (".log", ".txt", ".csv"):
        return re.sub(rb"[0-9.]+ ?(ms|s|min|images/s)\b", b"", data)
    return data


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items() if key not in RUN_KEYS}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value


def compare(name: str, checkouts: list[Path], inputs: Path, predictor: Path) -> list[str]:
    """Run one case in both checkouts; return the files that differ, with their keys."""
    results = []
    for checkout in checkouts:
        with tempfile.TemporaryDirectory() as folder:
            values = {
                "OUT": folder,
                "INPUTS": str(inputs),
                "predictor:GP": f"predictor:{predictor}",
            }
            arguments = list(CASES[name])
            for word, value in values.items():
                arguments = [argument.replace(word, value) for argument in arguments]
            run_module(checkout, arguments)
            results.append(contents(Path(folder)))
    before, after = results
    different = sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
    return [path + _keys_between(before.get(path), after.get(path)) for path in different]


def _keys_between(before: bytes | None, after: bytes | None) -> str:
    """Return the keys of JSON objects whose values differ, in parentheses; else nothing."""
    try:
        values = [json.loads(content or b"") for content in (before, after)]
    except ValueError:
        return "" if before is not None and after is not None else " (in one only)"
    if not all(isinstance(value, dict) for value in values):
        return ""
    old, new = values
    missing = object()
    keys = sorted(
        key for key in old.keys() | new.keys() if old.get(key, missing) != new.get(key, missing)
    )
    return f" ({', '.join(keys)})"


def main() -> None:
    """Compare every case and exit with 1 where a file differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", action="append", choices=sorted(CASES), help="may be repeated")
    options = parser.parse_args()
    checkouts = [options.before.resolve(), options.after.resolve()]

    different = False
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder)
        # The interpreter puts the working directory first on its path: that checkout's packages.
        subprocess.run([sys.executable, "-c", INPUTS, folder], cwd=checkouts[0], check=True)
        predictor = inputs / "gp.safetensors"
        data = ["--data", str(inputs / "evaluations.jsonl"), "--space", "spos-tiny"]
        run_module(checkouts[0], ["predictor", "train", *data, "-o", str(predictor)])

        for name in options.only or CASES:
            files = compare(name, checkouts, inputs, predictor)
            different = different or bool(files)
            print(
                f"{name:24} {'same' if not files else 'DIFFERENT: ' + ', '.join(files)}", flush=True
            )
    sys.exit(different)


if __name__ == "__main__":
    main()
