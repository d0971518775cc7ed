"""Measure this processor, write a lookup table, and compare its estimate with a measured network.

python examples/device_table.py --budget 25 --output my-cpu.json
"""

import argparse
from pathlib import Path

import numpy as np

import profiler
import spaces
from profiler.instruments.devices import find


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=25, help="seconds")
    parser.add_argument("--output", type=Path, default=Path("my-cpu.json"))
    options = parser.parse_args()

    space = spaces.get("spos-tiny")
    device = find("cpu")
    conditions = profiler.Conditions(device=device.torch_name, threads=1)
    backend = profiler.make_backend("torch", conditions)

    # Blocks are timed inside whole networks that are sampled for it.
    table = profiler.build(
        space,
        backend,
        profiler.Settings(budget_s=options.budget, threads=1),
        name=options.output.stem,
        device=device.to_dict(),
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
    )
    table.save(options.output)
    print(f"wrote {options.output}: {len(table.blocks)} blocks, {len(table.networks)} networks")

    model = table.cost_model(space, "latency_ms")
    architecture = space.sample(np.random.default_rng(1))
    runner = backend.network_runner(space, architecture)
    measured = profiler.measure({"network": runner}, threads=1)["network"]
    print(f"estimate {model.estimate([architecture])[0]:.3f} ms +- {model.sigma or 0:.3f}")
    print(f"measured {measured.latency_ms:.3f} ms")


if __name__ == "__main__":
    main()
