"""The client of one service."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from service.client.agents import AgentClient
from service.client.bodies import search_body, shared_field, without_none
from service.client.errors import ServiceProblem
from service.client.handles import JobHandle, SearchHandle
from service.client.pipelines import CHECK_TIMEOUT, PipelineHandle
from service.client.status import JobStatus
from service.jobs import JsonObject
from spaces.files import read_text

if TYPE_CHECKING:
    from spaces.architecture import Architecture

# Jobs of one page of a list, as many as a service gives at most.
_PAGE_SIZE = 100


class Client(AgentClient):
    """Sends requests to one service.

    Args:
        url: URL of the service, such as `http://127.0.0.1:8000`.
        token: Token of `python -m service token create`; None for a service that needs none.
        timeout: Seconds that an answer may take.

    Raises:
        ServiceProblem: The URL is malformed, or the token has characters that no header may have.

    Example:
        >>> from service.client import Client
        >>> client = Client("http://127.0.0.1:8000")
        >>> client.url
        'http://127.0.0.1:8000'
        >>> handle = client.search(  # doctest: +SKIP
        ...     space="spos-tiny", device="my-cpu", constraints={"latency_ms": 3.2}
        ... )
        >>> handle.wait(timeout=60).best.architecture  # doctest: +SKIP
    """

    def search(
        self,
        *,
        space: str,
        device: str | None = None,
        constraints: Mapping[str, float | Mapping[str, float]] | None = None,
        objectives: Sequence[str] | None = None,
        strategy: str | None = None,
        options: Mapping[str, Any] | None = None,
        guide: str | None = None,
        rank_by: str | None = None,
        under: Sequence[str] = (),
        charges: Sequence[str] = (),
        margin: float | None = None,
        count: int | None = None,
        seed: int | None = None,
        finalists: Mapping[str, Any] | None = None,
        verify: int | None = None,
        measure_on: str | None = None,
        verify_within_s: float | None = None,
    ) -> SearchHandle:
        """Request a search; None leaves an argument to the service's default.

        Args:
            space: Name of the search space.
            device: Name of the device's lookup table, or of a device of a benchmark.
            constraints: Metric -> maximum, such as `{"latency_ms": 12}` or `{"latency_ms": {"max":
                12}}`.
            objectives: Costs that are traded for the score.
            strategy: Name of the strategy.
            options: Options of the strategy.
            guide: Name of a predictor, or `lower-bound:NAME` (its mean less one deviation),
                `supernet:NAME` or `benchmark:NAME`.
            rank_by: Metric by which a supernet ranks networks, or several with their weights, such
                as `top1=1,top1_pgd=0.5`. None: the score of its task.
            under: Perturbations under which a supernet's networks are evaluated, with their
                weights, such as `clean=0.5`.
            charges: Costs that the loss is multiplied by, such as `macs=2e8^0.07`.
            margin: Standard deviations that are kept between an estimate and its limit.
            count: Number of best networks that the result describes in full.
            seed: Seed of the search; the same seed gives the same result.
            finalists: Best networks that are trained briefly and ordered by their scores, such as
                `{"count": 8, "data": "digits", "training": {"steps": 300}}`. None: none is.
            verify: Number of best networks to measure on the device.
            measure_on: Name of the agent that measures. None: that of the table's device, or the
                service's own machine.
            verify_within_s: Seconds that the search waits for an agent.

        Raises:
            ServiceProblem: The service refuses the request; the message is its own.
        """
        body = search_body(
            {
                "space": space,
                "device": device,
                "charges": list(charges) or None,
                "margin": margin,
                "count": count,
                "seed": seed,
                "finalists": None if finalists is None else dict(finalists),
                "verify": verify,
                "measure_on": measure_on,
                "verify_within_s": verify_within_s,
            },
            constraints or {},
            objectives,
            {"name": strategy, "options": None if options is None else dict(options)},
            guide,
            rank_by,
            under,
        )
        return SearchHandle(self, self.request("POST", "/search", body)["id"])

    def build_table(
        self,
        device: str,
        space: str,
        name: str | None = None,
        *,
        backend: str | None = None,
        batch: int | None = None,
        precision: str | None = None,
        budget_s: float | None = None,
        seed: int | None = None,
        shared: bool = False,
    ) -> JobHandle:
        """Have an agent build a lookup table; None leaves an argument to the service's default.

        Args:
            device: Name of the agent.
            space: Name of the search space.
            name: Name of the table. None: the device's and the space's, joined.
            backend: Runtime that runs networks; None for the agent's first one.
            batch: Batch size.
            precision: Precision of the numbers.
            budget_s: Seconds after which no further round begins.
            seed: Seed of the sampled networks.
            shared: Whether the table becomes everybody's; needs an administrator's token.

        Raises:
            ServiceProblem: There is no such agent, or the token may not measure there.
        """
        body = {
            "device": device,
            "space": space,
            "name": name,
            "backend": backend,
            "batch": batch,
            "precision": precision,
            "budget_s": budget_s,
            "seed": seed,
            **shared_field(shared),
        }
        return JobHandle(self, self.request("POST", "/tables", without_none(body))["id"])

    def validate_table(
        self,
        table: str,
        device: str,
        *,
        networks: int = 30,
        searched: int = 10,
        rounds: int = 20,
        seed: int = 1,
    ) -> JobHandle:
        """Have an agent measure networks that a table was not built from.

        Args:
            table: Name of the table.
            device: Name of the agent on its device.
            networks: Number of random networks.
            searched: Number of searched networks at each limit.
            rounds: Number of rounds.
            seed: Seed of the networks and the orders.

        Raises:
            ServiceProblem: There is no such table or agent, or the table is of another device.
        """
        body = {
            "device": device,
            "networks": networks,
            "searched": searched,
            "rounds": rounds,
            "seed": seed,
        }
        path = f"/tables/{quote(table, safe='')}/validation"
        return JobHandle(self, self.request("POST", path, body)["id"])

    def train_predictor(
        self,
        name: str,
        evaluations: str | None = None,
        *,
        columns: Sequence[str] = (),
        space: str | None = None,
        seed: int = 0,
        shared: bool = False,
        **options: Any,
    ) -> JobHandle:
        """Train a predictor from uploaded evaluations; searches may name it once it is done.

        Args:
            name: Name of the predictor.
            evaluations: Name of the uploaded evaluations; None where columns vote without labels.
            columns: Names of uploaded evaluations or proxies, `NAME` or `NAME:METRIC`, which the
                evaluations weigh, or which the experts of `encoder="dele"` learn.
            space: Space of the predictor, of which columns may be of another form. None: theirs.
            seed: Seed of the split and of the fit.
            shared: Whether the predictor becomes everybody's; needs an administrator's token.
            options: Options of `python -m predictor train`, such as `encoder="gates"`. Several
                metrics, such as `metric=["top1_12_epochs", "top1"]`, teach the steps of
                `encoder="ta-gates"`.

        Raises:
            ServiceProblem: The service refuses the request; the message is its own.
        """
        fields = {
            "name": name,
            "evaluations": evaluations,
            # Left out by default, as services of earlier versions refuse unknown fields.
            "columns": list(columns) or None,
            "space": space,
            "seed": seed,
            "options": options,
        }
        body = {**without_none(fields), **shared_field(shared)}
        return JobHandle(self, self.request("POST", "/predictors", body)["id"])

    def retrain(
        self,
        architecture: Architecture,
        data: str = "digits",
        *,
        supernet: str | None = None,
        workers: int = 1,
        seed: int = 0,
        **options: Any,
    ) -> JobHandle:
        """Train the network of an architecture.

        Args:
            architecture: The architecture.
            data: Name of a data set that the service has.
            supernet: Name of a supernet whose weights the network begins with; None trains from
                scratch.
            workers: Number of processes that train together, on any nodes with free resources.
            seed: Seed of the training.
            options: Options of `python -m oneshot retrain`, such as `epochs=30`.

        Raises:
            ServiceProblem: The service refuses the request; the message is its own.
        """
        body = {
            "architecture": architecture.to_dict(),
            "data": data,
            "workers": workers,
            "seed": seed,
            "options": options,
            "supernet": supernet,
        }
        return JobHandle(self, self.request("POST", "/retrain", without_none(body))["id"])

    def run_pipeline(
        self, pipeline: str | Path, name: str | None = None, *, shared: bool = False
    ) -> PipelineHandle:
        """Run a pipeline at the service, which checks it first.

        Args:
            pipeline: File of the pipeline, or its YAML as a text of several lines.
            name: Name that its table, evaluations and predictor get in the catalog, and proxies
                with -proxies; None for that of the file.
            shared: Whether these become everybody's; needs an administrator's token.

        Raises:
            InvalidFile: The file cannot be read.
            ServiceProblem: The service refuses the pipeline; `body["errors"]` has every fault.
        """
        text = str(pipeline)
        if isinstance(pipeline, Path) or "\n" not in text:
            name = name or Path(text).stem
            text = read_text(text)
        body = {"name": name or "pipeline", "pipeline": text, **shared_field(shared)}
        # The checks of a pipeline take seconds; an impatient repetition would only add to them.
        answer = self.transport.json("POST", "/pipelines", body, timeout=CHECK_TIMEOUT)
        return PipelineHandle(self, answer["id"])

    def cancel(self, job_id: str) -> JobStatus:
        """Cancel a search or another job; raises ServiceProblem if it is done or has failed."""
        return JobHandle(self, job_id).cancel()

    def label(
        self, job_id: str, *, name: str | None = None, tags: Sequence[str] | None = None
    ) -> JobStatus:
        """Name or tag a search or another job, in whichever state it is.

        Args:
            job_id: Id of the job.
            name: New name; "" removes it, None leaves it as it is.
            tags: New tags in place of the earlier ones; None leaves them as they are.

        Raises:
            ServiceProblem: There is no such job, or a name or tag is refused.
        """
        labels: JsonObject = {} if name is None else {"name": name}
        if tags is not None:
            labels["tags"] = list(tags)
        return JobStatus.from_dict(self.request("PATCH", JobHandle(self, job_id).path, labels))

    def remove_job(self, job_id: str) -> JobStatus:
        """Remove a search or another job that has ended, with its files.

        Raises:
            ServiceProblem: There is no such job, or it has not ended.
        """
        path = f"{JobHandle(self, job_id).path}?remove=true"
        return JobStatus.from_dict(self.request("DELETE", path))

    def jobs(
        self,
        *,
        kind: str | None = None,
        state: str | None = None,
        limit: int = 20,
        tag: str | None = None,
        text: str | None = None,
    ) -> list[JobStatus]:
        """List the newest jobs, newest first.

        Args:
            kind: search, predictor, retrain or pipeline; None for every kind.
            state: queued, running, done, failed or cancelled; None for every state.
            limit: Number of jobs at most.
            tag: Tag that the jobs have; None for all.
            text: Words that names, tags or requests of the jobs contain; None for all.
        """
        filters = {"kind": kind, "state": state, "tag": tag, "text": text}
        jobs: list[JobStatus] = []
        while len(jobs) < limit:
            # The service answers at most one page at a time.
            page_size = min(limit - len(jobs), _PAGE_SIZE)
            query = {**filters, "limit": page_size, "offset": len(jobs)}
            path = "/jobs?" + urlencode({name: value for name, value in query.items() if value})
            page = self.request("GET", path)
            jobs += [JobStatus.from_dict(job) for job in page["jobs"]]
            if not page["jobs"] or len(jobs) >= page["total"]:
                break

        return jobs

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Wait until the service can run jobs.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            Unreachable: The service does not answer in time.
            ServiceProblem: The service is not ready in time; the message has the reason.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                # Without retries, which would wait beyond the timeout.
                self.request("GET", "/readyz", retries=0)
                return
            except ServiceProblem as error:
                if time.monotonic() >= deadline or error.status not in (None, 503):
                    raise
            time.sleep(0.1)
