"""Train predictors on your own evaluations, and rank unseen networks by them.

python -m oneshot evaluate runs/supernet -n 240 -o evaluations.jsonl
python examples/predictor_on_evaluations.py evaluations.jsonl --metric cross_entropy
"""

import argparse
from pathlib import Path

import numpy as np

import predictor
import spaces
import tables
from predictor.metrics import kendall_tau


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evaluations", type=Path, help="JSON lines")
    parser.add_argument("--metric", default="cross_entropy")
    parser.add_argument("--kind", action="append", help="may be repeated; default: gp and forest")
    parser.add_argument("--output", type=Path, default=Path("predictor.safetensors"))
    options = parser.parse_args()

    evaluations = tables.evaluation.read(options.evaluations)
    space = spaces.get(evaluations[0].architecture.space)
    codes = space.encode([evaluation.architecture for evaluation in evaluations])
    # Scores have the sign at which greater is better, whatever the metric.
    scores = np.array(tables.evaluation.scores(evaluations, options.metric))

    order = np.random.default_rng(0).permutation(len(codes))
    train, test = np.split(order, [4 * len(order) // 5])
    for kind in options.kind or ["gp", "forest"]:
        model = predictor.make(kind, space, seed=0)
        model.fit(codes[train], scores[train])
        means, _ = model.predict(codes[test])
        print(f"{kind:10} tau {kendall_tau(means, scores[test]):.3f} on {len(test)} networks")

    # The last model is fitted on all evaluations and saved.
    model.fit(codes, scores)
    model.save(options.output)
    candidates = space.sample(np.random.default_rng(1), 1000)
    means, deviations = model.predict(candidates)
    best = means.argmax()
    print(f"best of 1000 random: {means[best]:.4f} +- {deviations[best]:.4f}")
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
