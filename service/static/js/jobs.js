// Lists the service's jobs, newest first; searches that are done can be compared.

import { Away, Problem, get, request } from "./api.js";
import { away } from "./connection.js";
import { announce, byId, el, fill } from "./dom.js";
import { hashOf, jobPath, over } from "./follow.js";
import { ago, limits } from "./format.js";
import { editJob } from "./labels.js";
import { fractionOf } from "./progress.js";

const SHOWN = 12;
const EVERY_MS = 5000;
const PAUSE_MS = 250;
const FILTERS = {
  kind: { "": "all kinds", search: "searches", predictor: "predictors", retrain: "trained networks", pipeline: "pipelines", measure: "measurements" },
  state: { "": "any state", queued: "queued", running: "running", done: "done", failed: "failed", cancelled: "cancelled" },
};

export class Jobs {
  // `compared` receives the ids of the searches to compare.
  constructor(compared) {
    this.compared = compared;
    this.checked = new Set();
    this.limit = SHOWN;
    this.jobs = [];
    this.total = 0;
    for (const [name, texts] of Object.entries(FILTERS)) {
      const select = byId(`jobs-${name}`);
      fill(select, [{ options: Object.entries(texts).map(([value, text]) => ({ value, text })) }], "");
      select.addEventListener("change", () => this.load());
    }
    this.text = byId("jobs-text");
    this.text.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.load(), PAUSE_MS);
    });
    setInterval(() => document.hidden || away() || this.load(), EVERY_MS);
    this.show();
  }

  // The query of the filters; `#tag` among the words is a tag.
  get query() {
    const filters = Object.keys(FILTERS).map((name) => [name, byId(`jobs-${name}`).value]);
    const query = new URLSearchParams(filters.filter(([, value]) => value));
    const words = this.text.value.trim().split(/\s+/);
    const tag = words.find((word) => word.length > 1 && word.startsWith("#"));
    const text = words.filter((word) => word && word !== tag).join(" ");
    if (tag) query.set("tag", tag.slice(1));
    if (text) query.set("text", text);
    return query.toString();
  }

  async load() {
    const filter = this.query;
    try {
      const answer = await get(`/jobs?limit=${this.limit}${filter && `&${filter}`}`);
      if (filter !== this.query) return; // the filter changed meanwhile: its own request is in progress
      this.jobs = answer.jobs;
      this.total = answer.total;
      this.show();
    } catch (error) {
      if (!(error instanceof Away || error instanceof Problem)) throw error;
    }
  }

  get hasUnfinished() {
    return this.jobs.some((job) => !over(job));
  }

  select(id) {
    this.selected = id;
    this.show();
  }

  show() {
    const container = byId("runs");
    const states = this.jobs.map(({ id, state, progress, name, tags }) => [id, state, progress, name, tags]);
    const minute = Math.floor(Date.now() / 60000);
    const text = JSON.stringify([states, this.selected, [...this.checked], this.total, minute, this.query]);
    if (text === this.renderedText) return; // an unchanged list keeps its focus
    this.renderedText = text;
    const focused = container.contains(document.activeElement) ? document.activeElement.id : null;
    if (this.jobs.length) container.replaceChildren(el("ol", {}, this.jobs.map((job) => this.row(job))), this.foot());
    else container.replaceChildren(el("p", { class: "hint" }, this.query ? "No jobs match the filter." : "No jobs yet."));
    if (focused) byId(focused)?.focus();
  }

  row(job) {
    const { id, kind } = job;
    const [title, ...about] = describe(job);
    const open = this.selected === id;
    return el("li", { "aria-current": open ? "true" : null },
      kind === "search" ? this.box(job, [title, ...about].join(" ")) : el("span", { class: "kind", "aria-hidden": "true" }),
      el("a", { href: hashOf(job), id: `run-${id}` },
        el("span", { class: "what" }, title), " ", el("small", {}, about.join(" · "))),
      el("div", { class: `state ${job.state}` }, stateOf(job), el("small", {}, ago(job.created)),
        // The open job has its own Cancel button in the result.
        !over(job) && !open && el("button", {
          type: "button", class: "plain", id: `cancel-${id}`, "aria-label": ["Cancel", title, ...about].join(" "), onclick: () => this.cancel(job),
        }, "Cancel"),
        open && el("button", {
          type: "button", class: "plain", id: `edit-${id}`, "aria-label": ["Edit", title, ...about].join(" "), onclick: () => this.edit(job, title),
        }, "Edit")),
      job.tags?.length > 0 && el("div", { class: "tags" }, job.tags.map((tag) => el("button", {
        type: "button", class: "tag", id: `tag-${id}-${tag}`, "aria-label": `Show jobs tagged ${tag}`, onclick: () => this.find(tag),
      }, `#${tag}`))),
    );
  }

  edit(job, title) {
    editJob(job, title, async (isDeleted) => {
      if (isDeleted) {
        this.checked.delete(job.id);
        if (this.selected === job.id) location.hash = "";
      }
      await this.load();
    });
  }

  find(tag) {
    this.text.value = `#${tag}`;
    this.text.focus();
    this.load();
  }

  box({ id, state }, name) {
    const done = state === "done";
    return el("input", {
      type: "checkbox", id: `compare-${id}`, checked: this.checked.has(id), disabled: !done, "aria-label": `Compare ${name}`,
      title: done ? "Compare" : "Only completed searches can be compared",
      onchange: (event) => this.check(id, event.target.checked),
    });
  }

  foot() {
    const number = this.checked.size;
    return el("div", { class: "more" },
      el("span", { class: "faint" }, number ? `${number} to compare` : `${this.jobs.length} of ${this.total}`),
      number > 0 && el("button", { type: "button", class: "plain", id: "compare-none", onclick: () => this.clear() }, "Clear comparison"),
      !number && this.total > this.jobs.length && this.limit < 100
        ? el("button", { type: "button", class: "plain", id: "more-runs", onclick: () => this.more() }, "More") : null,
    );
  }

  async cancel(job) {
    try {
      await request("DELETE", jobPath(job.id));
      announce("Cancelled.");
    } catch (error) {
      if (!(error instanceof Away || error instanceof Problem)) throw error;
      announce(error.message); // it ended meanwhile, as the list shows
    }
    await this.load();
  }

  more() {
    this.limit = Math.min(this.limit + 24, 100);
    this.load();
  }

  check(id, on) {
    if (on) this.checked.add(id);
    else this.checked.delete(id);
    this.show();
    this.compared([...this.checked]);
  }

  // Compares searches that a link names.
  compare(ids) {
    this.checked = new Set(ids);
    this.show();
    this.compared(ids);
  }

  clear() {
    this.checked.clear();
    this.show();
    this.compared([]);
  }
}

// A job's name, and the details that distinguish it from others.
function describe(job) {
  return job.name ? [job.name, ...requestDetails(job)] : requestDetails(job);
}

function requestDetails({ kind, request }) {
  if (kind === "predictor") return [`Predictor ${request.name}`, `from ${[request.evaluations, ...(request.columns ?? [])].filter(Boolean).join(", ")}`, request.space].filter(Boolean);
  if (kind === "pipeline") return [`Pipeline ${request.name}`, request.space, (request.stages ?? []).join(", ")].filter(Boolean);
  if (kind === "measure") return [`${request.task === "validate" ? "Validation" : "Table"} ${request.name ?? request.table}`, `on ${request.device}`];
  if (kind === "retrain") return [`Training ${request.space ?? ""}`.trim(), `on ${request.data}`, request.supernet && `from ${request.supernet}`].filter(Boolean);
  const limitTexts = limits(request);
  return [request.space ?? kind, request.device, ...(limitTexts.length ? limitTexts : ["without limits"])].filter(Boolean);
}

function stateOf(job) {
  const fraction = fractionOf(job.progress);
  return over(job) || !job.progress ? job.state : `${Math.floor(100 * fraction)} %`;
}
