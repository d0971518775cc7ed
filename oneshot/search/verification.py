"""Verification of searches: the best networks are measured, and ordered by what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias

from spaces.space import Codes
from tables.lookup_table import LookupTable
from tables.network_measurements import MeasuredNetwork, NetworkMeasurements

METRIC = "latency_ms"
"""The cost that is measured."""

MOST_MEASURED = 4
"""Networks that are measured at most, for each requested one."""

UNSTEADY = 0.03
"""Relative standard error of a measured latency beyond which a verification says so."""

Measure: TypeAlias = Callable[[Codes], NetworkMeasurements]
"""Measures codes [n, choices], and returns all networks that were measured so far."""


@dataclass(frozen=True)
class VerifiedNetwork:
    """A candidate of a search that was measured.

    Args:
        rank: Its rank by the score, from 0.
        predicted_ms: Latency that the table estimates.
        measured_ms: Measured median latency, in the device's state at the table's build.
        raw_ms: Measured median latency as it was.
        iqr_ms: Inter-quartile range of the raw latency over the rounds.
        error_ms: Standard error of `measured_ms`. None in results that do not have it.
    """

    rank: int
    predicted_ms: float
    measured_ms: float
    raw_ms: float
    iqr_ms: float
    error_ms: float | None = None

    @property
    def latency_text(self) -> str:
        """The measured latency with its standard error, such as `9.8 +- 0.04 ms`."""
        error = "" if self.error_ms is None else f" +- {self.error_ms:.2g}"
        return f"{self.measured_ms:.4g}{error} ms"

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> VerifiedNetwork:
        """Read the JSON object, which may have further keys such as the architecture."""
        required = {field.name: value[field.name] for field in fields(cls)[:-1]}
        return cls(**required, error_ms=value.get("error_ms"))


@dataclass(frozen=True)
class Verification:
    """The networks of a search that were measured on the device.

    Args:
        table: Name of the table under whose conditions they were measured.
        device: Identity of the device.
        conditions: Backend, batch, precision and threads.
        limit_ms: Limit that measured latencies were compared with. None: there is none.
        sigma_ms: Deviation of the table's estimates. None where it is unknown.
        requested: Number of networks that were requested.
        networks: Networks within the limit, fastest first.
        excluded: Networks that break the limit, in the order of their scores.
        note: Sentence about what is missing or uncertain; empty where nothing is.

    Example:
        >>> network = VerifiedNetwork(1, 9.5, 9.8, 10.1, 0.2)
        >>> verification = Verification(
        ...     "my-cpu", {}, {}, limit_ms=10.0, sigma_ms=0.2, requested=1, networks=(network,)
        ... )
        >>> verification.ranks
        [1]
    """

    table: str
    device: Mapping[str, Any]
    conditions: Mapping[str, Any]
    limit_ms: float | None
    sigma_ms: float | None
    requested: int
    networks: tuple[VerifiedNetwork, ...] = ()
    excluded: tuple[VerifiedNetwork, ...] = ()
    note: str = ""

    @property
    def ranks(self) -> list[int]:
        """Ranks by the score of the networks within the limit, fastest first."""
        return [network.rank for network in self.networks]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        # Tuples would compare unequal to the lists that JSON has.
        plain = asdict(self)
        return {**plain, **{name: list(plain[name]) for name in ("networks", "excluded")}}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Verification:
        """Read the object that `to_dict` returns."""
        arguments = dict(value)
        for name in ("networks", "excluded"):
            arguments[name] = tuple(map(VerifiedNetwork.from_dict, value[name]))
        return cls(**arguments)


def verify(
    codes: Codes, count: int, table: LookupTable, limit_ms: float | None, measure: Measure
) -> Verification:
    """Measure the best candidates, and replace those that break the limit by the next ones.

    The scores of a search's best candidates differ by less than guides can tell apart, so that the
    verified networks are ordered by their measured latencies.

    Args:
        codes: Candidates [n, choices], best first.
        count: Number of networks within the limit to find.
        table: Table of the device.
        limit_ms: Greatest measured latency, in the device's state at the table's build. None: no
            network is replaced.
        measure: Function that measures networks.

    Returns:
        At most `count` networks within the limit, out of at most `MOST_MEASURED` times as many.
    """
    model = table.cost_model(_space_of(table))
    most = min(len(codes), MOST_MEASURED * count)
    estimates = model.estimate(codes[:most])

    networks: list[VerifiedNetwork] = []
    excluded: list[VerifiedNetwork] = []
    measurements: NetworkMeasurements | None = None
    begin = 0
    while len(networks) < count and begin < most:
        end = min(begin + count - len(networks), most)
        measurements = measure(codes[begin:end])
        by_codes = {network.codes: network for network in measurements.networks}
        for rank in range(begin, end):
            network = by_codes[tuple(map(int, codes[rank]))]
            verified = _verified(rank, float(estimates[rank]), network, measurements)
            is_within = limit_ms is None or verified.measured_ms <= limit_ms
            (networks if is_within else excluded).append(verified)
        begin = end

    assert measurements is not None
    return Verification(
        table=table.name,
        device=dict(measurements.device),
        conditions=dict(measurements.conditions),
        limit_ms=limit_ms,
        sigma_ms=model.sigma,
        requested=count,
        networks=tuple(sorted(networks, key=lambda network: network.measured_ms)),
        excluded=tuple(excluded),
        note=_note(networks, excluded, count),
    )


def unverified(
    codes: Codes, count: int, table: LookupTable, limit_ms: float | None, reason: str
) -> Verification:
    """Return the verification of networks that could not be measured, with the reason.

    Args:
        codes: Candidates [n, choices], best first.
        count: Number of networks that were requested.
        table: Table of the device.
        limit_ms: Limit of the measured latency. None: there is none.
        reason: Sentence about why nothing was measured.
    """
    return Verification(
        table=table.name,
        device=dict(table.device),
        conditions=dict(table.conditions),
        limit_ms=limit_ms,
        sigma_ms=table.cost_model(_space_of(table)).sigma,
        requested=min(count, len(codes)),
        note=reason,
    )


def _space_of(table: LookupTable) -> Any:
    from spaces.registry import get

    return get(table.space)


def _verified(
    rank: int, predicted_ms: float, network: MeasuredNetwork, measurements: NetworkMeasurements
) -> VerifiedNetwork:
    values = (
        predicted_ms,
        measurements.latency_ms(network),
        network.median_ms,
        network.iqr_ms,
        measurements.error_ms(network),
    )
    # A nanosecond is finer than any clock here.
    return VerifiedNetwork(rank, *(round(value, 6) for value in values))


def _note(
    networks: Sequence[VerifiedNetwork], excluded: Sequence[VerifiedNetwork], requested: int
) -> str:
    """Return what a verification lacks, and how exact it is where that is not enough."""
    measured = [*networks, *excluded]
    sentences = []
    if len(networks) < requested:
        sentences.append(
            f"{len(networks)} of {requested} networks keep the limit, of the {len(measured)} best"
            " that were measured"
        )

    errors = [(network.error_ms or 0.0) / network.measured_ms for network in measured]
    if max(errors, default=0.0) > UNSTEADY:
        sentences.append(
            f"measured latencies have standard errors of up to {max(errors):.0%}, since other"
            " processes used the device; search again when it is idle"
        )
    return "; ".join(sentences)


def check_ranks(verification: Verification, count: int) -> None:
    """Raise ValueError where a verification names ranks that a result of `count` lacks."""
    ranks = [network.rank for network in (*verification.networks, *verification.excluded)]
    if len(set(ranks)) < len(ranks) or not all(0 <= rank < count for rank in ranks):
        raise ValueError("verification: ranks must be distinct, and below the number of candidates")
