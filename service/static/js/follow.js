// Follows one job to its end: by its event stream, and by asking again where streams do not come through.

import { Away, Problem, get } from "./api.js";
import { away, connection, lost } from "./connection.js";

const POLL_MS = 700;
const FINAL = ["done", "failed", "cancelled"];

export const over = (job) => FINAL.includes(job.state);
export const pathOf = (id) => `/search/${encodeURIComponent(id)}`;
export const jobPath = (id) => `/jobs/${encodeURIComponent(id)}`; // of searches too

// Where this page shows a job.
export const placeOf = ({ kind, id }) => `#/${kind === "search" ? "search" : "job"}/${id}`;

export class Follower {
  // `told` hears {state, progress} as they come, `ended` the whole job once it is over.
  constructor(job, told, ended) {
    Object.assign(this, { id: job.id, told, ended, stopped: false });
    this.back = () => this.ask();
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
    this.source.addEventListener("progress", ({ data }) => this.told({ state: "running", progress: JSON.parse(data) }));
    this.source.addEventListener("state", ({ data }) => {
      const state = JSON.parse(data);
      if (over(state)) this.finish();
      else this.told({ state: state.state });
    });
    this.source.addEventListener("error", () => {
      if (this.stopped) return;
      // The browser opens a broken stream again by itself, behind the last event it saw; a refused one it gives up.
      if (this.source.readyState === EventSource.CLOSED) this.poll();
      else this.ask();
    });
  }

  // Asks once: tells whether the service is there, and misses no end.
  async ask() {
    if (this.stopped) return;
    try {
      const job = await get(jobPath(this.id));
      if (this.stopped) return;
      if (over(job)) this.finish(job);
      else this.told(job);
    } catch (error) {
      if (error instanceof Problem) this.gone(error);
      else if (!(error instanceof Away)) throw error;
    }
  }

  poll() {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.timer = setTimeout(async () => {
      if (!away()) await this.ask();
      this.poll();
    }, POLL_MS);
  }

  async finish(job) {
    if (this.stopped) return;
    this.source.close();
    try {
      const found = job ?? (await get(jobPath(this.id)));
      if (this.stopped) return;
      this.stop();
      this.ended(found);
    } catch (error) {
      if (error instanceof Away) this.poll();
      else if (error instanceof Problem) this.gone(error);
      else throw error;
    }
  }

  gone(problem) {
    if (problem.status >= 500) return lost();
    this.stop();
    this.ended({ id: this.id, state: "failed", request: {}, error: { detail: problem.message } });
  }
}
