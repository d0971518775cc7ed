"""Request a network under a latency limit from a running service, and save it.

python -m service serve --port 8000
python examples/service_client.py --device my-cpu --latency-ms 3.2
"""

import argparse
import json
from pathlib import Path

from service import Client


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--token", help="where the service needs one")
    parser.add_argument("--space", default="spos-tiny")
    parser.add_argument("--device", required=True, help="a name of GET /tables")
    parser.add_argument("--latency-ms", type=float, required=True)
    parser.add_argument("--output", type=Path, default=Path("architecture.json"))
    options = parser.parse_args()

    client = Client(options.url, token=options.token)
    bounds = client.bounds(options.device, options.space).metrics["latency_ms"]
    print(f"{options.device}: networks of {bounds.least:.3g} to {bounds.greatest:.3g} ms")

    handle = client.search(
        space=options.space,
        device=options.device,
        constraints={"latency_ms": options.latency_ms},
        objectives=["latency_ms"],
    )
    result = handle.wait(timeout=300)

    for candidate in handle.front():
        print(f"score {candidate.score:.4f}  {candidate.costs['latency_ms']:.3f} ms")
    best = result.best
    options.output.write_text(json.dumps(best.architecture.to_dict()) + "\n")
    print(
        f"wrote {options.output}; train it with: python -m oneshot retrain --arch {options.output}"
    )


if __name__ == "__main__":
    main()
