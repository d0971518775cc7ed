"""A made-up table of decoders, with both phases."""

from spaces.space import SearchSpace
from tables.lookup_table import BlockCost, LookupTable, Measurement

LENGTHS = {"prompt": 12, "cache": 10}


def decoder_table(space: SearchSpace, name: str = "text") -> LookupTable:
    """Return a table whose blocks take a millisecond for each thousand MACs."""
    phases = [space.at_phase("prefill", 12), space.at_phase("decode", 10)]
    blocks = {key: block for phase in phases for key, block in phase.all_blocks.items()}
    measurement = Measurement(
        rounds=8,
        seconds=1.0,
        budget_s=1.0,
        stopped_by="budget",
        standard_error=0.01,
        reference_codes=((0,) * len(space.choices),),
        reference_ms=3.0,
        phases={"prefill": 2.0, "decode": 1.0},
    )
    return LookupTable(
        name=name,
        space=space.name,
        device={"kind": "cpu", "processor": "made-up"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1, **LENGTHS},
        versions={},
        created="2026-11-30T00:00:00+00:00",
        command="made up",
        seed=0,
        measurement=measurement,
        blocks={
            key: BlockCost(block.macs / 1000, None, 3, block.macs, block.params)
            for key, block in blocks.items()
        },
        networks=(),
    )
