// Shows a running job: its progress, a search's best score so far, and a button that cancels it.

import { announce, el, svg } from "./dom.js";
import { Estimate } from "./estimate.js";
import { capital, count, metricName, metricValue, score, scoredMetric } from "./format.js";

// Returns the completed fraction: a search counts networks, other jobs report a fraction.
export function fractionOf(progress) {
  const { evaluated, planned, share, finalists } = progress ?? {};
  if (finalists) return finalists.share;
  return planned ? evaluated / planned : (share ?? 0);
}

// Describes the current stage of a training, such as "Training: epoch 3 of 30".
function stageOf({ stage, state }, doing) {
  const name = doing ?? (stage || "running"); // no stage runs between two of a pipeline
  return `${capital(name)}${state ? `: ${state}` : ""}`;
}

export class Progress {
  // `doing` replaces the stage that the training's command reports.
  constructor(cancel, doing) {
    this.doing = doing;
    this.best = [];
    this.label = el("span", {}, "Waiting for its turn");
    this.bar = el("progress", { max: 1, "aria-label": "Progress" });
    this.line = svg("path", { d: "" });
    const frame = { class: "spark", viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img" };
    this.picture = svg("svg", { ...frame, "aria-label": "Best score so far" }, this.line);
    this.picture.setAttribute("hidden", "");
    this.estimate = new Estimate();
    this.left = el("p", { class: "hint left" });
    this.button = el("button", { type: "button", id: "cancel", onclick: () => this.cancelled(cancel) }, "Cancel");
    this.element = el("div", { class: "progress" },
      el("div", { class: "row" }, this.label, this.button), this.bar, this.left, this.picture);
    this.tenth = -1;
  }

  async cancelled(cancel) {
    this.button.disabled = true;
    this.label.textContent = "Cancelling";
    await cancel();
    this.button.disabled = false;
  }

  show(news) {
    const { state, progress } = news;
    this.left.textContent = this.estimate.see(news);
    if (!progress) {
      this.label.textContent = state === "running" ? "Starting" : "Waiting for its turn";
      return;
    }
    const { evaluated, planned, best, finalists } = progress;
    const metric = scoredMetric(progress.metric);
    const fraction = fractionOf(progress);
    this.bar.value = fraction;
    const name = metric ? metricName(metric.metric, metric) : "score";
    if (finalists) {
      this.bar.value = fraction;
      this.label.textContent = `Training the best networks: ${finalists.state}`;
      return;
    }
    const now = planned === undefined ? stageOf(progress, this.doing) : `best ${name} ${score(metricValue(metric, best))}`;
    this.label.textContent = planned === undefined ? now : `${count(evaluated)} of ${count(planned)} networks, ${now}`;
    if (planned) this.draw(evaluated, planned, best);
    const tenth = Math.floor(10 * fraction);
    if (tenth > this.tenth) announce(`${tenth * 10} percent, ${now}`);
    this.tenth = tenth;
  }

  draw(evaluated, planned, best) {
    const last = this.best.at(-1);
    if (!Number.isFinite(best) || (last && last[0] >= evaluated)) return;
    this.best.push([evaluated, best]);
    const values = this.best.map(([, value]) => value);
    const [least, greatest] = [Math.min(...values), Math.max(...values)];
    const height = (value) => (greatest > least ? 96 - (92 * (value - least)) / (greatest - least) : 50);
    const steps = this.best.map(([done, value], index) => {
      const x = (100 * done) / planned;
      return index ? `H${x}V${height(value)}` : `M0 ${height(value)}H${x}`;
    });
    this.line.setAttribute("d", steps.join(""));
    if (this.best.length > 1) this.picture.removeAttribute("hidden");
  }
}
