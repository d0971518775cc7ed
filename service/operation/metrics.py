"""Metrics for Prometheus: requests that were answered, and jobs and engines from the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from flask import Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.jobs import JobState
from service.store import Store

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Upper bounds of the histogram of times, in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of a web process.

    Args:
        store: Has the jobs and engines, which are read for every request of the metrics.
        streams: Returns the number of open event streams.
        waiting: Returns the number of requests that wait for a result.
    """

    def __init__(self, store: Store, streams: Callable[[], int], waiting: Callable[[], int]):
        # A registry of its own: the global one would refuse a second application in the same
        # process.
        self.registry = CollectorRegistry()
        self.registry.register(_StoreCollector(store))
        self._requests = Counter(
            "pathfit_requests_total",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "pathfit_request_seconds",
            "Time to an answer's first byte.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )

        for name, help_, count in (
            ("pathfit_event_streams", "Event streams that are open.", streams),
            ("pathfit_waiting_requests", "Requests that wait for a result.", waiting),
        ):
            Gauge(name, help_, registry=self.registry).set_function(count)

    def record(self, answer: Response) -> Response:
        """Count an answer; requests that match no route are counted together.

        Otherwise every path that a scanner tries would become a time series.
        """
        route = "none" if request.url_rule is None else request.url_rule.rule
        method = request.method if request.url_rule is not None else "any"
        self._requests.labels(method, route, str(answer.status_code)).inc()
        self._seconds.labels(method, route).observe(time.monotonic() - g.start)
        return answer

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class _StoreCollector(Collector):
    """Jobs by state and ages of engines, read when the metrics are requested."""

    def __init__(self, store: Store):
        self._store = store

    def describe(self) -> list[GaugeMetricFamily]:
        """Return the metrics of `collect` without their values, and without reading the store."""
        return [self._jobs(), self._engines()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the present values."""
        jobs = self._jobs()
        engines = self._engines()
        for state in JobState:
            jobs.add_metric([str(state)], self._store.jobs.list(state=state, limit=1)[1])

        for engine in self._store.engines.list():
            engines.add_metric([engine.id, engine.state], engine.age_s)

        yield jobs
        yield engines

    @staticmethod
    def _jobs() -> GaugeMetricFamily:
        return GaugeMetricFamily("pathfit_jobs", "Jobs by state.", labels=["state"])

    @staticmethod
    def _engines() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "pathfit_engine_age_seconds",
            "Time since an engine last reported.",
            labels=["engine", "state"],
        )
