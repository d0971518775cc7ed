"""Find the best network of NAS-Bench-Macro under a limit on FLOPs, guided by its accuracies.

    python examples/search_with_benchmark.py --benchmark nas-bench-macro_cifar10.json

The file is the one that the benchmark's authors publish (github.com/xiusu/NAS-Bench-Macro).
"""

import argparse
from pathlib import Path

import tables
from oneshot import BenchmarkGuide, Limit, SearchProblem, run_search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", type=Path, help="default: the folders of PATHFIT_DATA")
    parser.add_argument("--max-macs", type=float, default=60e6)
    parser.add_argument("--generations", type=int, default=10)
    options = parser.parse_args()

    benchmark = tables.benchmark("nasbench-macro", options.benchmark)
    guide = BenchmarkGuide(benchmark)

    # A limit becomes a constraint when it is bound to a space; FLOPs need no lookup table.
    limit = Limit("flops", options.max_macs).bind(benchmark.space, tables.load)
    problem = SearchProblem(benchmark.space, guide, [limit])
    result = run_search(problem, "evolution", options={"generations": options.generations}, seed=0)

    best = result.best
    print(f"{len(result)} networks looked up, the best has {best.score:.2f}% test accuracy")
    print(f"{best.costs['macs'] / 1e6:.1f}M MACs of at most {options.max_macs / 1e6:.1f}M")
    print(best.architecture.to_dict()["choices"])


if __name__ == "__main__":
    main()
