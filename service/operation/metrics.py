"""Metrics for Prometheus: requests as they are answered; jobs and engines as the store has them."""

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
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What one web process tells Prometheus.

    Args:
        store: asked whenever metrics are.
        streams: how many event streams are open.
        waiting: how many requests wait for a result.
    """

    def __init__(self, store: Store, streams: Callable[[], int], waiting: Callable[[], int]):
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
            buckets=_SECONDS,
            registry=self.registry,
        )
        for name, help_, count in (
            ("pathfit_event_streams", "Event streams that are open.", streams),
            ("pathfit_waiting_requests", "Requests that wait for a result.", waiting),
        ):
            Gauge(name, help_, registry=self.registry).set_function(count)

    def record(self, answer: Response) -> Response:
        """Count an answer; what no route matches is counted together."""
        route = "none" if request.url_rule is None else request.url_rule.rule
        method = request.method if request.url_rule is not None else "any"
        self._requests.labels(method, route, str(answer.status_code)).inc()
        self._seconds.labels(method, route).observe(time.monotonic() - g.begun)
        return answer

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)


class _StoreCollector(Collector):
    """Jobs by state and the ages of engines, read when asked for."""

    def __init__(self, store: Store):
        self._store = store

    def describe(self) -> list[GaugeMetricFamily]:
        """What `collect` gives, without asking the store."""
        return [self._jobs(), self._engines()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as they are now."""
        jobs, engines = self._jobs(), self._engines()
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
            "Time since an engine was heard last.",
            labels=["engine", "state"],
        )
