// Shows a training job, from its acceptance to its result.

import { Away, Problem, ask, get } from "./api.js";
import { byId, el, say } from "./dom.js";
import { Follower, jobPath, over } from "./follow.js";
import { encoderName, metricName } from "./format.js";
import { Progress } from "./progress.js";
import { trainedNetwork, trainedPredictor } from "./trained.js";

export class JobView {
  // `changed` is called when a job changes its state, `learnt` after a predictor's training, `search` to search with it.
  constructor({ changed, learnt, search }) {
    Object.assign(this, { changed, learnt, search, place: byId("result"), id: null });
  }

  close() {
    this.follower?.stop();
    this.follower = this.id = null;
  }

  async open(id) {
    if (this.id === id) return;
    this.close();
    this.id = id;
    try {
      const job = await get(jobPath(id));
      if (this.id === id) this.show(job);
    } catch (error) {
      if (this.id !== id) return;
      this.id = null; // reopened when the service is available again
      if (error instanceof Problem) this.place.replaceChildren(notice(error.message));
      else if (!(error instanceof Away)) throw error;
    }
  }

  show(job) {
    if (job.kind === "search") return location.replace(`#/search/${job.id}`);
    if (over(job)) return this.ended(job);
    const progress = new Progress(() => this.cancel(job), job.kind === "retrain" ? "training" : undefined);
    this.place.replaceChildren(head(job), progress.element, el("p", { class: "hint" },
      "The job continues when you close this page; reopen it from the list of jobs."));
    progress.show(job);
    let before = job.state;
    const told = (news) => {
      progress.show(news);
      if (news.state !== before) this.changed();
      before = news.state;
    };
    this.follower = new Follower(job, told, async (last) => {
      this.changed();
      if (last.state === "done" && last.kind === "predictor") await this.learnt();
      if (this.id === last.id) this.ended({ ...job, ...last, request: job.request });
    });
  }

  async cancel(job) {
    try {
      const last = await ask("DELETE", jobPath(job.id));
      this.changed();
      if (this.id !== job.id) return;
      this.follower?.stop();
      this.ended(last);
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error;
      say(error.message);
      this.follower?.ask();
    }
  }

  ended(job) {
    if (job.state === "done") {
      const shown = job.kind === "predictor" ? trainedPredictor(job, this.search) : trainedNetwork(job);
      this.place.replaceChildren(head(job), ...shown);
      return say("Done.");
    }
    const why = job.error?.detail ? `: ${job.error.detail}` : "";
    const text = job.state === "cancelled" ? "This training was cancelled." : `This training failed${why}.`;
    this.place.replaceChildren(head(job), notice(text, job.state === "failed"));
    say(text);
  }
}

function head({ id, kind, state, request }) {
  const [title, told] = (kind === "predictor" ? ofPredictor : ofNetwork)(request, state === "done");
  const about = [...told, `seed ${request.seed ?? 0}`, id.slice(0, 8)].filter(Boolean);
  return el("div", {}, el("h2", { class: "sentence" }, title), el("p", { class: "about" }, about.map((part) => el("span", {}, part))));
}

function ofPredictor({ name, evaluations, options = {} }, done) {
  const title = [done ? "The predictor " : "Training the predictor ", el("em", {}, name ?? "")];
  return [title, [`from ${evaluations}`, options.encoder && encoderName(options.encoder), options.metric && `of ${metricName(options.metric)}`]];
}

function ofNetwork({ space, data, supernet, search, options = {} }, done) {
  const title = [done ? "A trained network of " : "Training a network of ", el("em", {}, space ?? "a space"), " on ", el("em", {}, data ?? "")];
  const recipe = Object.entries(options).filter(([, value]) => value !== null).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  return [title, [search && searchOf(search), supernet && `initialized from ${supernet}`, ...recipe]];
}

const searchOf = ({ id }) => el("a", { href: `#/search/${id}` }, `found by search ${id.slice(0, 8)}`);

const notice = (text, bad = false) => el("p", { class: bad ? "notice bad" : "notice" }, text);
