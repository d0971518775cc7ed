// The searches that the service keeps, newest first; any of those that are done can be compared.

import { Away, Problem, get } from "./api.js";
import { away } from "./connection.js";
import { byId, el } from "./dom.js";
import { over } from "./follow.js";
import { ago, limits } from "./format.js";

const SHOWN = 12;
const EVERY_MS = 5000;

export class Runs {
  constructor(compared) {
    this.compared = compared;
    this.checked = new Set();
    this.limit = SHOWN;
    this.searches = [];
    this.total = 0;
    setInterval(() => document.hidden || away() || this.load(), EVERY_MS);
    this.show();
  }

  async load() {
    try {
      const answer = await get(`/search?limit=${this.limit}`);
      this.searches = answer.searches;
      this.total = answer.total;
      this.show();
    } catch (error) {
      if (!(error instanceof Away || error instanceof Problem)) throw error;
    }
  }

  select(id) {
    this.selected = id;
    this.show();
  }

  show() {
    const place = byId("runs");
    const states = this.searches.map(({ id, state, progress }) => [id, state, progress]);
    const minute = Math.floor(Date.now() / 60000);
    const text = JSON.stringify([states, this.selected, [...this.checked], this.total, minute]);
    if (text === this.shown) return; // what is unchanged keeps its focus
    this.shown = text;
    const focused = place.contains(document.activeElement) ? document.activeElement.id : null;
    if (!this.searches.length) place.replaceChildren(el("p", { class: "hint" }, "None yet."));
    else place.replaceChildren(el("ol", {}, this.searches.map((search) => this.row(search))), this.foot());
    if (focused) byId(focused)?.focus();
  }

  row(search) {
    const { id, request } = search;
    const done = search.state === "done";
    const name = `${request.space ?? search.kind} ${request.device ?? ""}`.trim();
    return el("li", { "aria-current": this.selected === id ? "true" : null },
      el("input", {
        type: "checkbox", id: `compare-${id}`, checked: this.checked.has(id), disabled: !done,
        "aria-label": ["Compare", name, ...limits(request)].join(" "),
        title: done ? "Compare" : "Only searches that are done can be compared",
        onchange: (event) => this.check(id, event.target.checked),
      }),
      el("a", { href: `#/search/${id}`, id: `run-${id}` },
        el("span", { class: "what" }, request.space ?? search.kind), " ",
        el("small", {}, [request.device, ...limits(request)].filter(Boolean).join(" · ")),
      ),
      el("span", { class: `state ${search.state}` }, stateOf(search), el("small", {}, ago(search.created))),
    );
  }

  foot() {
    const number = this.checked.size;
    return el("div", { class: "more" },
      el("span", { class: "faint" }, number ? `${number} to compare` : `${this.searches.length} of ${this.total}`),
      number > 0 && el("button", { type: "button", class: "plain", id: "compare-none", onclick: () => this.clear() }, "Compare none"),
      !number && this.total > this.searches.length && this.limit < 100
        ? el("button", { type: "button", class: "plain", id: "more-runs", onclick: () => this.more() }, "More") : null,
    );
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

  clear() {
    this.checked.clear();
    this.show();
    this.compared([]);
  }
}

function stateOf(search) {
  const { state, progress } = search;
  if (over(search) || !progress?.planned) return state;
  return `${Math.floor((100 * progress.evaluated) / progress.planned)} %`;
}
