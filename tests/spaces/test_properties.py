"""What holds for any architecture of any space, however it came to be."""

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spaces
from spaces.testing import counted_flops

# One preset a run of the function: the examples of one preset may share it.
once = settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])


@once
@given(seed=st.integers(0, 2**32 - 1), probability=st.floats(0.0, 1.0))
def test_sampled_mutated_and_crossed_architectures_are_valid_and_build(
    preset: str, seed: int, probability: float
) -> None:
    space, rng = spaces.get(preset), np.random.default_rng(seed)
    sampled = space.sample(rng, 8)
    mutated = space.mutate(sampled, rng, probability)
    crossed = space.crossover(sampled, mutated[::-1], rng)
    for codes in (sampled, mutated, crossed):
        architectures = space.decode(codes)
        assert (space.encode(architectures) == codes).all()
        assert [space.architecture(one.choices) for one in architectures] == architectures
        assert space.macs(codes).tolist() == [
            sum(b.macs for b in space.blocks(one)) for one in architectures
        ]
    architecture = space.decode(crossed[:1])[0]
    network = space.network(architecture).eval()
    image = space.random_input(architecture, 1, torch.Generator().manual_seed(0))
    _, flops = counted_flops(network, image)
    # Torch counts the products of signs like any other.
    assert flops == 2 * (space.macs(architecture) + space.binary_macs(architecture))
    assert sum(value.numel() for value in network.parameters()) == space.params(architecture)
