// Shows a training, a pipeline or a measurement, from its acceptance to its result.

import { Away, Problem, get, request } from "./api.js";
import { announce, byId, el } from "./dom.js";
import { Follower, jobPath, over } from "./follow.js";
import { encoderName, metricName } from "./format.js";
import { finishedMeasurement, ofMeasurement } from "./measurement.js";
import { Steps, finishedPipeline, ofPipeline } from "./pipeline.js";
import { Progress } from "./progress.js";
import { trainedNetwork, trainedPredictor } from "./trained.js";

export class JobView {
  // `onChanged` is called when a job changes its state, `catalogChanged` after it added files, `search` to search with a predictor.
  constructor({ onChanged, catalogChanged, search }) {
    Object.assign(this, { onChanged, catalogChanged, search, container: byId("result"), id: null });
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
      if (error instanceof Problem) this.container.replaceChildren(notice(error.message));
      else if (!(error instanceof Away)) throw error;
    }
  }

  show(job) {
    if (job.kind === "search") return location.replace(`#/search/${job.id}`);
    if (over(job)) return this.showEnd(job);
    const progress = new Progress(() => this.cancel(job), job.kind === "retrain" ? "training" : undefined);
    const steps = job.kind === "pipeline" ? new Steps(job.request.stages ?? []) : null;
    const hint = el("p", { class: "hint" }, "The job continues when you close this page; reopen it from the list of jobs.");
    this.container.replaceChildren(...[head(job), progress.element, steps?.element, hint].filter(Boolean));
    const shown = (news) => {
      progress.show(news);
      if (news.progress?.steps) steps?.show(news.progress.steps);
    };
    shown(job);
    let before = job.state;
    const onNews = (news) => {
      shown(news);
      if (news.state !== before) this.onChanged();
      before = news.state;
    };
    this.follower = new Follower(job, onNews, async (last) => {
      this.onChanged();
      if (last.state === "done" && ADDING.includes(last.kind)) await this.catalogChanged();
      if (this.id === last.id) this.showEnd({ ...job, ...last, request: job.request });
    });
  }

  async cancel(job) {
    try {
      const last = await request("DELETE", jobPath(job.id));
      this.onChanged();
      if (this.id !== job.id) return;
      this.follower?.stop();
      this.showEnd(last);
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error;
      announce(error.message);
      this.follower?.refresh();
    }
  }

  showEnd(job) {
    if (job.state === "done") {
      this.container.replaceChildren(head(job), ...ENDED[job.kind](job, this.search));
      return announce("Done.");
    }
    const reason = job.error?.detail ? `: ${job.error.detail}` : "";
    const noun = { pipeline: "pipeline", measure: "measurement" }[job.kind] ?? "training";
    const text = job.state === "cancelled" ? `This ${noun} was cancelled.` : `This ${noun} failed${reason}.`;
    const content = [head(job), notice(text, job.state === "failed")];
    if (job.progress?.steps) {
      const steps = new Steps([]);
      steps.show(job.progress.steps);
      content.push(steps.element);
    }
    this.container.replaceChildren(...content);
    announce(text);
  }
}

function head({ id, kind, state, request }) {
  const [title, details] = TITLES[kind](request, state === "done");
  // The seed of a pipeline is in its text.
  const about = [...details, kind !== "pipeline" && `seed ${request.seed ?? 0}`, id.slice(0, 8)].filter(Boolean);
  return el("div", {}, el("h2", { class: "sentence" }, title), el("p", { class: "about" }, about.map((text) => el("span", {}, text))));
}

function ofPredictor({ name, evaluations, columns = [], options = {} }, done) {
  const title = [done ? "The predictor " : "Training the predictor ", el("em", {}, name ?? "")];
  const files = [evaluations, ...columns].filter(Boolean).join(", ");
  return [title, [`from ${files}`, options.encoder && encoderName(options.encoder), options.metric && `predicts ${[options.metric].flat().map((metric) => metricName(metric)).join(", then ")}`]];
}

function ofNetwork({ space, data, supernet, search, options = {} }, done) {
  const title = [done ? "A trained network of " : "Training a network of ", el("em", {}, space ?? "a space"), " on ", el("em", {}, data ?? "")];
  const recipe = Object.entries(options).filter(([, value]) => value !== null).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  return [title, [search && searchOf(search), supernet && `initialized from ${supernet}`, ...recipe]];
}

const TITLES = { predictor: ofPredictor, retrain: ofNetwork, pipeline: ofPipeline, measure: ofMeasurement };
const ENDED = { predictor: trainedPredictor, retrain: trainedNetwork, pipeline: finishedPipeline, measure: finishedMeasurement };
const ADDING = ["predictor", "pipeline", "measure"]; // kinds that add files to the catalog

const searchOf = ({ id }) => el("a", { href: `#/search/${id}` }, `found by search ${id.slice(0, 8)}`);

const notice = (text, bad = false) => el("p", { class: bad ? "notice bad" : "notice" }, text);
