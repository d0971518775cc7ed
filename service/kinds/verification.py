"""Verification of searches: their best networks are measured here, or by an agent elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oneshot.search.measuring import LocalDevice, StoredMeasurements
from oneshot.search.result import SearchResult
from oneshot.search.verification import Verification, unverified, verify
from service.admission.tasks import SearchTask, VerifyTask
from service.catalog.files import read_table
from service.jobs import JsonObject
from service.kinds.base import Context, HandedOver
from service.kinds.exporting import exported_blocks
from service.measuring import MEASURED, network_measuring
from spaces.registry import get
from spaces.space import Codes
from tables.lookup_table import LookupTable
from tables.network_measurements import NetworkMeasurements

if TYPE_CHECKING:
    from collections.abc import Callable

_RESULT = "searched.json"
"""Checkpoint of a result whose networks are still to be measured."""


class _Missing(Exception):
    """Networks have to be measured elsewhere first.

    Args:
        codes: Their codes [n, choices].
    """

    def __init__(self, codes: Codes):
        self.codes = codes
        super().__init__(f"{len(codes)} networks are to be measured")


def searched_before(context: Context) -> SearchResult | None:
    """Return the result of an earlier attempt that waited for a device; None if there is none."""
    path = context.folder / _RESULT
    context.adopt_checkpoints(_RESULT)
    if not context.restore_checkpoint(path):
        return None
    return SearchResult.from_dict(json.loads(path.read_text(encoding="utf-8")))


def verified(result: SearchResult, task: SearchTask, context: Context) -> SearchResult | HandedOver:
    """Return a result with its verification, or what has to be measured elsewhere first.

    Args:
        result: Result of the search.
        task: The search, whose `verify` is set.
        context: Surroundings of the attempt.
    """
    request = task.verify
    assert request is not None
    table = read_table(context.localize(request.table))
    path = context.folder / MEASURED
    context.adopt_checkpoints(MEASURED)
    context.restore_checkpoint(path)

    measure = _measuring_here(table, request) if request.agent is None else _measuring_elsewhere
    stored = StoredMeasurements(path, table, measure, resume=True, rounds=request.rounds)
    if task.gave_up:
        verification = _given_up(result, request, table, stored)
        return replace(result, verification=verification)

    try:
        verification = verify(result.codes, request.count, table, request.limit_ms, stored)
    except _Missing as missing:
        assert request.agent is not None
        _store_result(result, context)
        measuring = network_measuring(request.table, get(table.space), missing.codes, request)
        if request.exports:
            measuring |= _exported(table, missing.codes, context)
        return HandedOver(request.agent, measuring, request.within_s)
    return replace(result, verification=verification)


def measured_files(context: Context) -> dict[str, Path]:
    """Return the file of the networks that were measured, if there are any, by its name."""
    path = context.folder / MEASURED
    return {MEASURED: path} if path.is_file() else {}


def _store_result(result: SearchResult, context: Context) -> None:
    path = context.folder / _RESULT
    path.write_text(json.dumps(result.to_dict(), allow_nan=False), encoding="utf-8")
    context.store_checkpoint(path)


def _exported(table: LookupTable, codes: Codes, context: Context) -> JsonObject:
    """Export the blocks of networks and of a table's references; see `exported_blocks`."""
    space = get(table.space)
    references = np.array(table.measured.reference_codes, dtype=codes.dtype)
    keys, counts = space.block_counts(space.check(np.concatenate([codes, references])))
    present = [key for key, count in zip(keys, counts.sum(0).tolist(), strict=True) if count]
    return exported_blocks(space, present, int(table.conditions["batch"]), table.seed, context)


def _measuring_here(
    table: LookupTable, request: VerifyTask
) -> Callable[[Codes], NetworkMeasurements]:
    return LocalDevice.of_table(table, request.rounds).measure


def _measuring_elsewhere(codes: Codes) -> NetworkMeasurements:
    raise _Missing(codes)


def _given_up(
    result: SearchResult, request: VerifyTask, table: LookupTable, stored: StoredMeasurements
) -> Verification:
    """Return the verification by what was measured until the device went away."""
    reason = (
        f"{request.agent_name} has not measured within {request.within_s:g} s: latencies are those"
        f" that {table.name} predicts"
    )
    # Only the best ones, up to the first that is missing, are verified as they would have been.
    count = int(stored.has(result.codes).cumprod().sum())
    if not count:
        return unverified(result.codes, request.count, table, request.limit_ms, reason)

    verification = verify(result.codes[:count], request.count, table, request.limit_ms, stored)
    return replace(verification, note=f"{verification.note}; {reason}".lstrip("; "))
