"""Trials of NNI, each of which evaluates one architecture of a search's batch.

NNI's dispatcher calls a tuner from two threads: the ends of trials overtake their results where the
tuner is busy. So a batch ends only when each of its trials has a result, has failed, or has ended
without a result before the next request for trials, which follows all results.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from oneshot.errors import InvalidGuide, NoMoreTrials
from oneshot.nni.trial_search import TrialSearch


class TrialQueue:
    """Assigns the architectures of a batch to trials.

    Args:
        sample: Returns the sample of a row of the search's batch, as NNI's trials receive it.
    """

    def __init__(self, sample: Callable[[int], dict[str, Any]]):
        self._sample = sample
        self.search: TrialSearch | None = None

        # Trials for which NNI has requested parameters.
        self._requested_ids: deque[int] = deque()

        # Trial -> row of the batch, while the trial is being evaluated.
        self._rows: dict[int, int] = {}
        # Trials that ended successfully, and whose results have not arrived yet.
        self._without_result: set[int] = set()
        # NNI's callback for parameters that become available after the request.
        self._send: Callable[[int, Any], None] | None = None

    def start(self, search: TrialSearch) -> None:
        """Take the trials from a search from now on; those of an earlier one are forgotten."""
        self.search = search
        self._rows.clear()
        self._without_result.clear()

    def started(self) -> TrialSearch:
        """Return the search.

        Raises:
            NoMoreTrials: There is no search space yet.
        """
        if self.search is None:
            raise NoMoreTrials(
                "search_space: none has been set yet; call update_search_space first"
            )
        return self.search

    def generate(self, parameter_id: int) -> dict[str, Any]:
        """Return the sample of a new trial.

        Raises:
            NoMoreTrials: No architecture waits for a trial now.
        """
        search = self.started()
        if not search.pending:
            state = (
                "the search is over"
                if search.finished
                else f"{len(self._rows)} trials have not ended yet"
            )
            raise NoMoreTrials(f"no more parameters now: {state}")

        row = search.pending.popleft()
        self._rows[parameter_id] = row

        return self._sample(row)

    def request(
        self, parameter_ids: Sequence[int], send: Callable[[int, Any], None] | None
    ) -> list[dict[str, Any]]:
        """Return the samples of new trials, or send each as soon as there is an architecture.

        Args:
            parameter_ids: Numbers of the new trials.
            send: NNI's callback `(number, sample)`; None: that of earlier requests, if any.

        Returns:
            Samples; with a callback none, in a list whose length is the number of samples that have
            been sent or will be.
        """
        self._end_without_results()
        self._send = send or self._send

        # Not `started`: NNI promises no trials before there is a search space.
        if self._send is None:
            available = 0 if self.search is None else len(self.search.pending)
            return [self.generate(number) for number in parameter_ids[:available]]

        search = self.started()
        num_promised = len(parameter_ids) if search.continues else len(search.pending)
        self._requested_ids.extend(parameter_ids[:num_promised])
        self._send_pending()
        return _Promised(num_promised)

    def receive(self, parameter_id: int, score: float) -> None:
        """Store the score of a trial that is being evaluated."""
        search = self.started()
        search.results[self._rows[parameter_id]] = score
        if parameter_id in self._without_result:
            self._without_result.remove(parameter_id)
            self._end(parameter_id)

    def check(self, parameter_id: int) -> None:
        """Raise InvalidGuide unless a trial is being evaluated."""
        if parameter_id not in self._rows:
            raise InvalidGuide(
                f"parameter_id: trial {parameter_id} is not being evaluated; a result must"
                " follow its parameters"
            )

    def end(self, parameter_id: int, success: bool) -> bool:
        """Mark a trial as ended, and return whether it was released.

        A trial that succeeded waits for its result.
        """
        row = self._rows.get(parameter_id)
        if row is None:
            return False

        # The result of a trial that succeeded may be in NNI's other thread still.
        if success and self._send is not None and np.isnan(self.started().results[row]):
            self._without_result.add(parameter_id)
            return False

        self._end(parameter_id)
        return True

    def _end(self, parameter_id: int) -> None:
        """Release a trial; the last one of a batch starts the next batch."""
        search = self.started()
        del self._rows[parameter_id]
        if self._rows or search.pending:
            return

        search.complete_batch()
        self._send_pending()
        if search.finished:
            self._end_requests()

    def _end_without_results(self) -> None:
        """Release the trials that ended without a result."""
        while self._without_result:
            self._end(self._without_result.pop())

    def _end_requests(self) -> None:
        """Let NNI request trials once more where it waits for promised ones that never come."""
        dispatcher = getattr(self._send, "__self__", None)
        request = getattr(dispatcher, "handle_request_trial_jobs", None)
        if self._requested_ids and request is not None:
            self._requested_ids.clear()
            request(1)

    def _send_pending(self) -> None:
        search = self.started()
        while self._send is not None and self._requested_ids and search.pending:
            number = self._requested_ids.popleft()
            self._send(number, self.generate(number))


class _Promised(list[dict[str, Any]]):
    """No samples, but the length of those that are sent by NNI's callback.

    Args:
        count: Number of samples.
    """

    def __init__(self, count: int):
        super().__init__()
        self.num_promised = count

    def __len__(self) -> int:
        return self.num_promised
