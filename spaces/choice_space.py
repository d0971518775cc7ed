"""ChoiceSpace: ordered choices, their encoding as integers, and the operators of a search."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.choice import Choice, check_keys
from spaces.errors import InvalidArchitecture

Codes: TypeAlias = NDArray[np.signedinteger[Any]]
"""Encoded architectures: the smallest sufficient signed integers [n, choices], columns contiguous.
"""

Architectures: TypeAlias = Sequence[Architecture] | Codes
"""Many architectures: either objects, or codes [n, choices]."""

# A bound, since a parent may have no valid neighbour.
_MUTATION_ATTEMPTS = 10

# Candidates whose codes fit int8.
_INT8_CODES = 1 << 7


def family_of(name: str) -> str:
    """Return the registered base name of a space's canonical name, without its parameters."""
    return name.partition("(")[0]


class ChoiceSpace:
    """A product of ordered choices, without the networks that they build.

    An architecture takes one candidate of each choice. Its code has one integer per choice, the
    index of that candidate. All randomness comes from the generator that a method is given.

    Args:
        name: Name of the space, which its architectures carry.
        choices: Open decisions, in the order of the columns of the codes.

    Example:
        >>> import numpy as np
        >>> from spaces import Choice, ChoiceSpace
        >>> space = ChoiceSpace("tiny", [Choice("depth", ("2", "4")), Choice("kernel", ("3", "5"))])
        >>> space.size
        4
        >>> space.encode([space.architecture({"depth": "4", "kernel": "3"})]).tolist()
        [[1, 0]]
        >>> space.sample(np.random.default_rng(0), 3).shape
        (3, 2)
    """

    irregular = False
    """Whether some codes are refused (`valid`) or equal others' networks (`canonical`)."""

    counts_by_running = False
    """Whether `valid` and counts run a model for each row, so that many rows take long."""

    def __init__(self, name: str, choices: Sequence[Choice]):
        self.name = name
        self.choices = tuple(choices)
        self.candidates = np.array([len(choice.candidates) for choice in self.choices])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {len(self.choices)} choices>"

    @property
    def size(self) -> int:
        """Number of architectures; an irregular space overrides it with its own count."""
        return math.prod(len(choice.candidates) for choice in self.choices)

    @property
    def family(self) -> str:
        """Registered base name, such as `spos` of the space `spos(input_size=160)`."""
        return family_of(self.name)

    @property
    def validates_codes(self) -> bool:
        """Whether codes that are in range still have to pass `valid` and `canonical`."""
        return self.irregular or self.counts_by_running

    # Architectures and their encoding

    def architecture(
        self, choices: Mapping[str, Any] | Sequence[int] | NDArray[Any]
    ) -> Architecture:
        """Build one architecture.

        Args:
            choices: Mapping choice -> candidate, or one integer code per choice.

        Raises:
            InvalidArchitecture: A choice is missing or unexpected, or a candidate is unknown.
        """
        if isinstance(choices, Mapping):
            check_keys(self.choices, choices)
            # In the order of the choices, whatever the order of the mapping.
            row = [choice.code(choices[choice.key]) for choice in self.choices]
            return self.decode(np.array([row], dtype=self.dtype))[0]

        codes = np.asarray(choices)
        if codes.shape != (len(self.choices),):
            raise InvalidArchitecture(
                f"{self.name} has {len(self.choices)} choices; {codes.size} codes were given"
            )

        return self.decode(self.check(codes[None, :]))[0]

    def check(self, codes: NDArray[Any]) -> Codes:
        """Validate codes [n, choices] and return them in canonical form as small integers.

        Raises:
            InvalidArchitecture: The shape is wrong, a code is no integer or out of range, or a row
                is not valid in an irregular space.
        """
        codes = np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != len(self.choices):
            raise InvalidArchitecture(
                f"codes of {self.name} have the shape [n, {len(self.choices)}], not"
                f" {list(codes.shape)}"
            )

        if codes.size and not np.issubdtype(codes.dtype, np.integer):
            raise InvalidArchitecture(f"codes are integers, not {codes.dtype}")

        if len(codes):
            # The extremes only: with contiguous columns they are found for ten million rows in a
            # fraction of a second, and a comparison of all codes would need as many booleans.
            outside = (codes.min(axis=0) < 0) | (codes.max(axis=0) >= self.candidates)
            if outside.any():
                self._refuse_codes(codes, int(outside.argmax()))

        return self._check_valid(np.asfortranarray(codes, dtype=self.dtype))

    def _refuse_codes(self, codes: NDArray[Any], index: int) -> NoReturn:
        """Raise InvalidArchitecture for the first code of a choice that is out of range."""
        choice = self.choices[index]
        count = len(choice.candidates)
        column = codes[:, index]
        wrong = column[(column < 0) | (column >= count)][0]
        raise InvalidArchitecture(
            f"{choice.key}: code {wrong} is out of range; there are {count} candidates"
        )

    def _check_valid(self, codes: Codes) -> Codes:
        if not self.validates_codes:
            return codes

        invalid = ~self.valid(codes)
        if invalid.any():
            raise InvalidArchitecture(self.why_invalid(codes[np.flatnonzero(invalid)[0]]))

        return self.canonical(codes)

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which rows of in-range codes [n, choices] are architectures, bool array [n]."""
        return np.ones(len(codes), dtype=bool)

    def why_invalid(self, codes: NDArray[Any]) -> str:
        """Explain in one sentence why the row `codes` [choices] is no architecture."""
        return f"{self.name} has no architecture {codes.tolist()}"

    def canonical(self, codes: Codes) -> Codes:
        """Return codes [n, choices] with one form per network: choices without effect are 0."""
        return codes

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        """Return keys that are equal for architectures known to compute the same.

        By default every architecture has its own key. A key does not depend on the other rows.

        Args:
            codes: Checked codes, int array [n, choices].

        Returns:
            Array [n, parts]; rows are compared as wholes.
        """
        return codes

    def representatives(self, codes: Codes) -> Codes:
        """Return for each architecture one with the same `isomorphism_keys`, codes [n, choices].

        It does not depend on the other rows. A space that cannot name one returns `codes`.
        """
        return codes

    @cached_property
    def dtype(self) -> np.dtype[np.signedinteger[Any]]:
        """The smallest signed integer that holds every code."""
        return np.dtype(np.int8 if self.candidates.max(initial=0) <= _INT8_CODES else np.int16)

    def encode(self, architectures: Sequence[Architecture]) -> Codes:
        """Encode architectures of this space as an int array [n, choices].

        Raises:
            InvalidArchitecture: An architecture belongs to another space or lacks a choice.
        """
        keys = tuple(choice.key for choice in self.choices)
        codes_by_name = [choice.codes for choice in self.choices]

        rows = []

        for architecture in architectures:
            if architecture.space != self.name:
                raise InvalidArchitecture(
                    f"an architecture of {architecture.space} was given to {self.name}"
                )
            try:
                # The fast path: the architecture has the choices in the order of the space.
                item_keys, names = zip(*architecture.items, strict=True)
                if item_keys != keys:
                    raise KeyError
                rows.append([codes[name] for codes, name in zip(codes_by_name, names, strict=True)])
            except (KeyError, TypeError, ValueError):
                # The slow path accepts any order of the choices and names the one that is wrong.
                names_by_key = architecture.choices
                check_keys(self.choices, names_by_key)
                rows.append([choice.code(names_by_key[choice.key]) for choice in self.choices])

        # The reshape gives an empty list its columns too.
        shape = (len(architectures), len(self.choices))

        return self._check_valid(np.asfortranarray(np.array(rows, dtype=self.dtype).reshape(shape)))

    def decode(self, codes: NDArray[Any]) -> list[Architecture]:
        """Check codes [n, choices] and return their architectures; `encode` is the inverse."""
        items = [
            [(choice.key, candidate) for candidate in choice.candidates] for choice in self.choices
        ]
        return [
            Architecture(
                self.name, tuple(column[code] for column, code in zip(items, row, strict=True))
            )
            for row in self.check(codes).tolist()
        ]

    def codes(self, architectures: Architectures) -> Codes:
        """Return the checked codes [n, choices] of architectures or of codes."""
        if isinstance(architectures, np.ndarray):
            return self.check(architectures)
        return self.encode(architectures)

    def one_hot(self, codes: Codes) -> NDArray[np.float64]:
        """Return codes [n, choices] as float [n, candidates of all choices], 1 where selected."""
        columns = [np.eye(count)[codes[:, column]] for column, count in enumerate(self.candidates)]
        return np.concatenate(columns, axis=1)

    # Operators of a search

    @overload
    def sample(self, rng: np.random.Generator) -> Architecture: ...
    @overload
    def sample(self, rng: np.random.Generator, n: int) -> Codes: ...
    def sample(self, rng: np.random.Generator, n: int | None = None) -> Architecture | Codes:
        """Sample every choice uniformly and independently.

        This is uniform over architectures unless the space is irregular.

        Args:
            rng: Source of all randomness.
            n: Number of architectures. None: a single one, as an Architecture.

        Returns:
            Codes [n, choices], or an Architecture where `n` is None.
        """
        if n is None:
            return self.decode(self.sample(rng, 1))[0]

        codes = self._draw(rng, n)
        if self.validates_codes:
            invalid = np.flatnonzero(~self.valid(codes))
            while len(invalid):
                # Rejection sampling, which keeps the distribution of `_draw` among valid codes.
                codes[invalid] = self._draw(rng, len(invalid))
                invalid = invalid[~self.valid(codes[invalid])]
            codes = self.canonical(codes)

        return codes

    def _draw(self, rng: np.random.Generator, n: int) -> Codes:
        """Draw codes [n, choices] that `sample` and `mutate` then check for validity."""
        # Columns are contiguous, since the space is processed choice by choice.
        codes = np.empty((n, len(self.choices)), dtype=self.dtype, order="F")
        for column, count in enumerate(self.candidates):
            codes[:, column] = rng.integers(count, size=n)
        return codes

    def mutate(self, codes: Codes, rng: np.random.Generator, probability: float = 0.1) -> Codes:
        """Resample each gene uniformly with a probability, as SPOS does (arXiv 1904.00420).

        An invalid child is drawn again up to 10 times; then its parent takes its position.

        Args:
            codes: Parents, [n, choices].
            rng: Source of all randomness.
            probability: Probability that a gene is resampled; it may keep its value by chance.
        """
        children = self._resample_genes(codes, rng, probability)
        if self.validates_codes:
            for _ in range(_MUTATION_ATTEMPTS):
                invalid = np.flatnonzero(~self.valid(children))
                if not len(invalid):
                    break
                children[invalid] = self._resample_genes(codes[invalid], rng, probability)

            children = self._replace_invalid(children, codes)

        return children

    def _resample_genes(self, codes: Codes, rng: np.random.Generator, probability: float) -> Codes:
        # Drawn for all genes, so that the random stream does not depend on which ones mutate.
        resampled = self._draw(rng, len(codes))
        mutated = np.where(rng.random(codes.shape) < probability, resampled, codes)
        return np.asfortranarray(mutated, dtype=self.dtype)

    def crossover(self, mothers: Codes, fathers: Codes, rng: np.random.Generator) -> Codes:
        """Take each gene from either parent (codes [n, choices] each) with equal probability.

        An invalid child is replaced by its mother.
        """
        mixed = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
        children = np.asfortranarray(mixed, dtype=self.dtype)
        return self._replace_invalid(children, mothers) if self.validates_codes else children

    def _replace_invalid(self, children: Codes, parents: Codes) -> Codes:
        # Parents are valid, so that no child is lost.
        invalid = ~self.valid(children)
        children[invalid] = parents[invalid]
        return self.canonical(children)

    def enumerate(self) -> Iterator[Architecture]:
        """Yield every architecture; the last choice varies fastest."""
        for codes in self.enumerate_codes():
            yield from self.decode(codes)

    def enumerate_codes(self, batch: int = 1 << 16) -> Iterator[Codes]:
        """Yield all architectures as codes [at most batch, choices]; the last choice is fastest."""
        total = math.prod(map(int, self.candidates))
        for start in range(0, total, batch):
            index = np.arange(start, min(start + batch, total), dtype=np.int64)
            codes = np.empty((len(index), len(self.choices)), dtype=self.dtype, order="F")

            # The index is a mixed-radix number with the choices as digits.
            for column in range(len(self.choices) - 1, -1, -1):
                index, codes[:, column] = np.divmod(index, self.candidates[column])

            # Of the codes that mean one network only the canonical form is an architecture.
            if self.validates_codes:
                codes = codes[self.valid(codes) & (self.canonical(codes) == codes).all(1)]
            if len(codes):
                yield codes
