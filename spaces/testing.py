"""SpaceContract: tests of the contract of a search space, which plug-ins run on their spaces.

    from spaces.testing import SpaceContract

    class TestMine(SpaceContract):
        def space(self):
            return spaces.get("mine")

All of Pathfit relies on this contract. The tests build and run networks, so that a small preset of
the space is best. They need pytest, and torch-geometric for the graphs.
"""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from spaces.architecture import Architecture
from spaces.errors import InvalidArchitecture
from spaces.modules.nested import mapped, tensors_in
from spaces.space import Codes, SearchSpace


class SpaceContract(ABC):
    """Tests of one space; name the subclass `Test...` and implement `space`."""

    samples = 200
    """Number of architectures in tests that build nothing."""

    builds = 4
    """Number of architectures in tests that build networks."""

    registered = True
    """Whether `spaces.get(space.name)` returns the space; only then it can be pickled."""

    @abstractmethod
    def space(self) -> SearchSpace:
        """Return the space under test."""

    def codes(self, seed: int = 0, n: int | None = None) -> Codes:
        """Sample codes [n, choices]."""
        return self.space().sample(np.random.default_rng(seed), self.samples if n is None else n)

    # Architectures and codes

    def test_choices_have_different_keys_and_candidates(self) -> None:
        keys = [choice.key for choice in self.space().choices]
        assert len(keys) == len(set(keys)) > 0
        for choice in self.space().choices:
            assert len(choice.candidates) == len(set(choice.candidates)) > 0

    def test_encoding_and_decoding_are_inverse(self) -> None:
        space = self.space()
        codes = self.codes()
        architectures = space.decode(codes)
        assert (space.encode(architectures) == codes).all()
        assert space.decode(space.encode(architectures)) == architectures
        for architecture, row in zip(architectures[: self.builds], codes, strict=False):
            assert space.architecture(architecture.choices) == architecture
            assert space.architecture(row.tolist()) == architecture

    def test_codes_have_contiguous_columns_of_small_integers(self) -> None:
        space = self.space()
        codes = self.codes()
        assert codes.dtype == space.dtype
        assert codes.flags.f_contiguous

    def test_sampling_needs_nothing_but_its_generator(self) -> None:
        np.random.seed(0)  # noqa: NPY002 (the global state must not matter)
        first = self.codes(seed=7)
        np.random.seed(1)  # noqa: NPY002
        assert (self.codes(seed=7) == first).all()
        if self.space().size > self.samples:
            assert (self.codes(seed=8) != first).any()

    def test_children_are_architectures(self) -> None:
        space = self.space()
        rng = np.random.default_rng(1)
        codes = self.codes()
        for children in (space.mutate(codes, rng, 0.3), space.crossover(codes, codes[::-1], rng)):
            assert children.shape == codes.shape
            assert (space.encode(space.decode(children)) == children).all()

    def test_no_mutation_and_equal_parents_change_nothing(self) -> None:
        space = self.space()
        rng = np.random.default_rng(2)
        codes = self.codes()
        assert (space.mutate(codes, rng, 0.0) == codes).all()
        assert (space.crossover(codes, codes, rng) == codes).all()

    def test_mutation_reaches_every_choice(self) -> None:
        space = self.space()
        codes = self.codes()
        changed = np.zeros(len(space.choices), dtype=bool)
        rng = np.random.default_rng(3)
        for _ in range(20):
            changed |= (space.mutate(codes, rng, 0.3) != codes).any(0)

        assert changed[space.candidates > 1].all()

    def test_enumeration_is_in_order_without_duplicates(self) -> None:
        space = self.space()
        codes = next(iter(space.enumerate_codes(batch=2048)))
        rows = [tuple(row) for row in codes.tolist()]
        assert rows == sorted(set(rows))
        assert (space.check(codes) == codes).all()
        if space.size <= 20_000:
            assert sum(map(len, space.enumerate_codes())) == space.size

    def test_foreign_choices_are_refused_by_name(self) -> None:
        space = self.space()
        choices = space.decode(self.codes(n=1))[0].choices
        first = space.choices[0].key
        without = {key: value for key, value in choices.items() if key != first}

        for wrong, named in (
            (without, first),
            ({**choices, "unheard-of": "k3"}, "unheard-of"),
            ({**choices, first: "unheard-of"}, first),
        ):
            with pytest.raises(InvalidArchitecture, match=named):
                space.architecture(wrong)

        with pytest.raises(InvalidArchitecture):
            space.architecture([0] * (len(space.choices) + 1))

    def test_json_and_pickle_give_it_back(self) -> None:
        if not self.registered:
            pytest.skip("the space is not registered")

        space = self.space()
        architecture = space.decode(self.codes(n=1))[0]
        assert Architecture.from_json(architecture.to_json()) == architecture
        again = pickle.loads(pickle.dumps(space))
        assert again == space
        assert again.choices == space.choices

    # Blocks and counts

    def test_counts_are_those_of_the_blocks(self) -> None:
        space = self.space()
        codes = self.codes(n=20)
        keys, counts = space.block_counts(codes)
        assert len(keys) == len(set(keys))
        assert counts.shape == (len(codes), len(keys))

        for architecture, row in zip(space.decode(codes), counts, strict=True):
            blocks = space.blocks(architecture)
            present = {key: int(count) for key, count in zip(keys, row, strict=True) if count}
            assert Counter(block.key for block in blocks) == present
            assert space.macs(architecture) == sum(block.macs for block in blocks)
            binary_macs = sum(block.binary_macs for block in blocks)
            assert space.binary_macs(architecture) == binary_macs
            assert space.params(architecture) == sum(block.params for block in blocks)
            assert all(space.all_blocks[block.key] == block for block in blocks)

    def test_batches_cost_the_same_as_single_architectures(self) -> None:
        space = self.space()
        codes = self.codes(n=20)
        architectures = space.decode(codes)

        for count in (space.macs, space.binary_macs, space.params):
            many = count(codes)
            assert many.dtype == np.int64
            assert many.tolist() == [count(architecture) for architecture in architectures]
            assert count(architectures).tolist() == many.tolist()

    # Networks

    def test_networks_count_as_the_space_does(self) -> None:
        space = self.space()
        for architecture in space.decode(self.codes(seed=4, n=self.builds)):
            network = space.network(architecture).eval()
            assert sum(value.numel() for value in network.parameters()) == space.params(
                architecture
            )
            result, flops = counted_flops(network, self.image(architecture))
            self.check_output(architecture, result)
            assert all(value.isfinite().all() for value in tensors_in(result))

            # Two operations a multiply-accumulate, and two images.
            counted = space.macs(architecture) + space.binary_macs(architecture)
            assert flops == 2 * 2 * counted

    def test_network_executes_its_blocks(self) -> None:
        space = self.space()
        for architecture in space.decode(self.codes(seed=5, n=self.builds)):
            network = space.network(architecture).eval()
            blocks = space.blocks(architecture)
            modules: Sequence[nn.Module] = network.blocks  # type: ignore[assignment]
            called: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []
            assert len(modules) == len(blocks)

            # Hooks record the order of calls, and shapes with the batch in front.
            for index, module in enumerate(modules):
                module.register_forward_hook(_recorder(index, called))
            with torch.no_grad():
                network(self.image(architecture))
            order = [index for index, _, _ in called]
            if space.repeats_blocks:
                order = list(dict.fromkeys(order))
            assert order == list(range(len(blocks)))

            for index, before, after in called:
                # A module that runs once for each token has one token at a time.
                first = len(blocks[index].input) + 1 - len(before) if space.repeats_blocks else 0
                assert before[1:] == blocks[index].input[first:], blocks[index].key
                assert after[1:] == blocks[index].output[first:], blocks[index].key

    def test_weights_come_from_the_generator(self) -> None:
        space = self.space()
        architecture = space.decode(self.codes(n=1))[0]
        state = torch.random.get_rng_state()
        first, same, other = (
            space.network(architecture, generator=torch.Generator().manual_seed(seed))
            for seed in (1, 1, 2)
        )
        assert torch.equal(torch.random.get_rng_state(), state)
        pairs = list(zip(first.parameters(), same.parameters(), other.parameters(), strict=True))
        assert all(torch.equal(a, b) for a, b, _ in pairs)
        assert any(not torch.equal(a, c) for a, _, c in pairs)

    def test_networks_learn(self) -> None:
        space = self.space()
        architecture = space.decode(self.codes(seed=6, n=1))[0]
        network = space.network(architecture).train()
        _backpropagate(network(self.image(architecture)))
        gradients = [value.grad for value in network.parameters() if value.grad is not None]
        assert gradients
        assert all(gradient.isfinite().all() for gradient in gradients)

    # The supernet

    def test_supernet_runs_the_active_architecture(self) -> None:
        space = self.space()
        supernet = space.supernet().eval()
        for row in self.codes(seed=7, n=self.builds):
            architecture = space.decode(row[None])[0]
            supernet.activate(row)
            with torch.no_grad():
                by_codes = supernet(self.image(architecture))
            supernet.activate(architecture)
            with torch.no_grad():
                by_architecture = supernet(self.image(architecture))
            pairs = zip(tensors_in(by_architecture), tensors_in(by_codes), strict=True)
            assert all(torch.equal(first, second) for first, second in pairs)
            self.check_output(architecture, by_codes)

    def test_only_the_path_takes_gradients(self) -> None:
        space = self.space()
        supernet = space.supernet().train()
        rows = self.codes(seed=8, n=2)
        supernet.activate(rows[0])
        _backpropagate(supernet(self.image(space.decode(rows[:1])[0])))
        on_path = {id(value) for module in supernet.path() for value in module.parameters()}
        for name, value in supernet.named_parameters():
            assert value.grad is None or id(value) in on_path, name

    def image(self, architecture: Architecture) -> Any:
        """Return two images for the architecture's network, or two rows of tokens."""
        generator = torch.Generator().manual_seed(0)
        return self.space().random_input(architecture, 2, generator)

    def check_output(self, architecture: Architecture, result: Any) -> None:
        """Check the shapes of what a network returns for two images, by the space's head."""
        space = self.space()
        if space.head not in ("boxes", "mask"):
            scores = logits(result)
            assert (scores.shape[0], scores.shape[-1]) == (2, space.num_classes)
            return

        expected: Any = (2, space.num_classes, *space.input_shape_of(architecture)[1:])
        geometry = space.head_geometry(architecture)
        if geometry is not None:
            locations = (2, geometry.num_locations)
            expected = {
                "scores": (*locations, space.num_classes + geometry.background),
                "offsets": (*locations, 4),
            }
            if not geometry.has_anchors:
                expected["centerness"] = (*locations, 1)

        assert mapped(result, lambda value: tuple(value.shape)) == expected

    # Graphs

    def test_graphs_are_those_of_one_and_of_many(self) -> None:
        pytest.importorskip("torch_geometric")
        space = self.space()
        codes = self.codes(n=20)
        batch = space.graphs(codes)
        assert batch.num_graphs == len(codes)

        for index, architecture in enumerate(space.decode(codes)):
            single = space.graph(architecture)
            of_batch = batch.get_example(index)
            for field in ("operation", "position", "edge_index"):
                assert torch.equal(single[field], of_batch[field]), field
            assert 0 <= single.operation.min() <= single.operation.max() <= len(space.operations)
            assert 0 <= single.position.min() <= single.position.max() <= space.positions
            if single.edge_index.numel():
                assert single.edge_index.max() < single.num_nodes

    def test_different_architectures_have_different_graphs(self) -> None:
        """Different codes may mean one network, so that a few different graphs are enough."""
        pytest.importorskip("torch_geometric")
        space = self.space()
        codes = self.codes(n=50)
        graphs = space.graphs(codes)
        seen = set()

        for index in range(len(codes)):
            graph = graphs.get_example(index)
            fields = (graph.operation, graph.position, graph.edge_index.reshape(-1))
            seen.add(tuple(tuple(field.tolist()) for field in fields))

        assert len(seen) >= min(5, space.size)


def counted_flops(network: nn.Module, inputs: Any) -> tuple[Any, int]:
    """Run a network and return its outputs and torch's count of the operations.

    Args:
        network: Network in evaluation mode.
        inputs: Its inputs.
    """
    # Fused attention is not counted, its matrix products are.
    with (
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
    ):
        outputs = network(inputs)
    return outputs, counter.get_total_flops()


def logits(outputs: Any) -> Any:
    """Return the logits of a network's outputs: of a language model, without its state."""
    return next(tensors_in(outputs))


def _backpropagate(result: Any) -> None:
    """Compute gradients of the mean squares of all tensors of a result."""
    tensors = [value for value in tensors_in(result) if value.requires_grad]
    torch.autograd.backward([value.square().mean() for value in tensors])


def _recorder(
    index: int, called: list[tuple[int, tuple[int, ...], tuple[int, ...]]]
) -> Callable[..., None]:
    def record(module: nn.Module, inputs: tuple[Any, ...], result: Tensor) -> None:
        called.append((index, tuple(inputs[0].shape), tuple(result.shape)))

    return record
