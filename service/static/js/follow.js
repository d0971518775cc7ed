// Follows one job to its end through its event stream, or by polling where streams are blocked.

import { Away, Problem, get } from "./api.js";
import { away, connection, reportOutage } from "./connection.js";

const POLL_MS = 700;
const FINAL = ["done", "failed", "cancelled"];

export const over = (job) => FINAL.includes(job.state);
export const pathOf = (id) => `/search/${encodeURIComponent(id)}`;
export const jobPath = (id) => `/jobs/${encodeURIComponent(id)}`; // also valid for searches
export const filePath = (id, name) => `${jobPath(id)}/files/${encodeURIComponent(name)}`;

// The address on this page that shows a job.
export const hashOf = ({ kind, id }) => `#/${kind === "search" ? "search" : "job"}/${id}`;

export class Follower {
  // `onNews` receives each {state, progress}, `onEnd` the complete job at its end.
  constructor(job, onNews, onEnd) {
    Object.assign(this, { id: job.id, onNews, onEnd, stopped: false });
    this.back = () => this.refresh();
    connection.addEventListener("back", this.back);
    this.listen();
  }

  stop() {
    this.stopped = true;
    this.source?.close();
    clearTimeout(this.timer);
    connection.removeEventListener("back", this.back);
  }

  listen() {
    this.source = new EventSource(`${jobPath(this.id)}/events`);
    this.source.addEventListener("progress", ({ data }) => this.onNews({ state: "running", progress: JSON.parse(data) }));
    this.source.addEventListener("state", ({ data }) => {
      const state = JSON.parse(data);
      if (over(state)) this.finish();
      else this.onNews({ state: state.state, attempt: state.attempt });
    });
    this.source.addEventListener("error", () => {
      if (this.stopped) return;
      // Browsers reopen a broken stream after the last event, but give up a refused one: poll then.
      if (this.source.readyState === EventSource.CLOSED) this.poll();
      else this.refresh();
    });
  }

  // Fetches the job once: detects an outage, and an end that the stream missed.
  async refresh() {
    if (this.stopped) return;
    try {
      const job = await get(jobPath(this.id));
      if (this.stopped) return;
      if (over(job)) this.finish(job);
      else this.onNews(job);
    } catch (error) {
      if (error instanceof Problem) this.gone(error);
      else if (!(error instanceof Away)) throw error;
    }
  }

  poll() {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.timer = setTimeout(async () => {
      if (!away()) await this.refresh();
      this.poll();
    }, POLL_MS);
  }

  async finish(job) {
    if (this.stopped) return;
    this.source.close();
    try {
      const last = job ?? (await get(jobPath(this.id)));
      if (this.stopped) return;
      this.stop();
      this.onEnd(last);
    } catch (error) {
      if (error instanceof Away) this.poll();
      else if (error instanceof Problem) this.gone(error);
      else throw error;
    }
  }

  gone(problem) {
    if (problem.status >= 500) return reportOutage();
    this.stop();
    this.onEnd({ id: this.id, state: "failed", request: {}, error: { detail: problem.message } });
  }
}
