// Compares two networks block by block; the address of the page has both and can be shared.

import { Away, Problem, get, optional } from "./api.js";
import { catalog } from "./catalog.js";
import { announce, byId, el, fill } from "./dom.js";
import { Field, choice, text } from "./field.js";
import { cost, deviation, metricName, metricUnit, metricValue, score, scoredMetric, unitOf } from "./format.js";
import { intro } from "./sheet.js";

const COSTS = ["latency_ms", "prefill_ms", "decode_ms", "macs", "params", "memory_bytes", "energy_mj"];
const NAMES = ["a", "b", "device", "predictor"];

// The address on this page of a comparison; what is left out is still to be chosen.
export const compareHash = (query) => `#/compare?${new URLSearchParams(Object.entries(query).filter(([, value]) => value))}`;

export class Comparing {
  constructor() {
    this.container = byId("result");
    this.query = null;
  }

  close() {
    this.query = null;
  }

  async open(query = "") {
    if (this.query === query) return;
    this.query = query;
    const values = Object.fromEntries(new URLSearchParams(query));
    const form = this.form(values);
    this.outcome = el("div", { class: "comparison" });
    this.container.replaceChildren(
      intro("Compare two networks", "Of searches, trained by jobs, published, or pasted as JSON. The address of this page shares the comparison."),
      form, this.outcome);
    this.suggest();
    if (values.a && values.b) await this.compare(query);
  }

  form(values) {
    const network = (name, label) => new Field(label, text(`compare-${name}`, { list: "networks", value: values[name] ?? "", maxlength: 16384 }), {
      hint: "search:ID:RANK, job:ID, published:NAME, or the JSON of an architecture", wide: true,
    });
    const file = (name, label, names, none) => {
      const field = new Field(label, choice(`compare-${name}`));
      const shared = values[name] ?? ""; // may be a file that this visitor's lists do not have
      const options = [...new Set([...names, shared].filter(Boolean))].map((value) => ({ value }));
      fill(field.input, [{ options: [{ value: "", text: none }, ...options] }], "");
      field.input.value = shared;
      return field;
    };
    this.fields = {
      a: network("a", "First network"), b: network("b", "Second network"),
      device: file("device", "Costs on", catalog.tables.map(({ name }) => name), "the search's device, if any"),
      predictor: file("predictor", "Score by", predictors(), "the search's predictor, if any"),
    };
    const form = el("form", { class: "train", novalidate: true }, Object.values(this.fields).map(({ element }) => element),
      el("datalist", { id: "networks" }), el("div", { class: "bar" }, el("button", { class: "main" }, "Compare")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      for (const name of ["a", "b"]) if (!this.fields[name].value.trim()) return this.fields[name].complain("name a network");
      const hash = compareHash(Object.fromEntries(NAMES.map((name) => [name, this.fields[name].value.trim()])));
      if (location.hash === hash) this.compare(hash.split("?")[1]);
      else location.hash = hash;
    });
    return form;
  }

  // Offers published networks, the best of each search, and trained networks.
  async suggest() {
    try {
      const [published, searches, trainings] = await Promise.all([
        optional("/published", { items: [] }), get("/jobs?kind=search&state=done"), get("/jobs?kind=retrain&state=done"),
      ]);
      byId("networks")?.replaceChildren(
        ...searches.jobs.map(({ id, name, request }) => el("option", { value: `search:${id}:0` }, `best of ${name ?? request.space}`)),
        ...trainings.jobs.map(({ id, name, request }) => el("option", { value: `job:${id}` }, `trained: ${name ?? request.space}`)),
        ...published.items.map(({ name }) => el("option", { value: `published:${name}` })));
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error; // names can be typed
    }
  }

  async compare(query) {
    try {
      const answer = await get(`/compare?${query}`);
      if (this.query !== query) return;
      this.outcome.replaceChildren(...sections(answer));
      announce(sentence(answer));
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error;
      if (this.query !== query) return;
      const field = this.fields[error.field];
      if (field) field.complain(error.message);
      this.outcome.replaceChildren(...(field ? [] : [el("p", { class: "notice bad", role: "alert" }, error.message)]));
    }
  }
}

const predictors = () => catalog.guides.filter(({ kind }) => kind === "predictor").map(({ name }) => name);

function sentence({ blocks }) {
  const differing = blocks.filter(({ differs }) => differs).length;
  return differing ? `${differing} of ${blocks.length} blocks differ${differing === 1 ? "s" : ""}.` : "All blocks are the same.";
}

function sections(answer) {
  const { a, b } = answer;
  const choices = answer.choices.filter(({ differs }) => differs);
  return [
    el("p", { class: "sentence" }, sentence(answer)),
    table("Totals", ["Figure", a.label, b.label, "Difference"], totals(answer)),
    table("Blocks", ["Block", a.label, b.label], answer.blocks.map((pair, index) => blockRow(answer, pair, index))),
    choices.length > 0 && table("Differing choices", ["Choice", a.label, b.label],
      choices.map((pair) => [pair.choice, [pair.a ?? "–", pair.b ?? "–"]])),
  ].filter(Boolean);
}

function totals({ a, b, metric }) {
  const rows = COSTS.filter((name) => a[name] !== null && b[name] !== null).map((name) => {
    const change = a[name] ? (100 * (b[name] - a[name])) / a[name] : 0;
    return [unitOf(name).name, [cost(name, a[name]), cost(name, b[name]), percent(change)]];
  });
  const quality = scoredMetric(metric);
  const scoreText = (network) => {
    if (network.score === null) return "–";
    const unit = quality ? metricUnit(quality) : "";
    return [score(metricValue(quality, network.score), network.deviation), deviation(network.deviation), unit].filter(Boolean).join(" ");
  };
  if (a.score === null && b.score === null) return rows;
  const name = quality ? `Predicted ${metricName(quality.metric, quality)}` : "Predicted score";
  return [[name, [scoreText(a), scoreText(b), ""]], ...rows];
}

const percent = (change) => `${change > 0 ? "+" : change < 0 ? "−" : ""}${Math.abs(change).toFixed(1)} %`;

function blockRow({ a, b }, pair, index) {
  const cells = [[a, pair.a], [b, pair.b]].map(([network, position]) => (position === null ? "–" : blockCell(network, network.blocks[position])));
  return [String(index + 1), cells, pair.differs];
}

function blockCell({ table: device }, block) {
  const metric = device ? "latency_ms" : "macs";
  return [block.key, el("small", {}, ` ${cost(metric, block[metric])}`)];
}

// A table of rows [name, cells, differs] under the titles of all columns; a differing row is marked by more than its colour.
function table(title, columns, rows) {
  return el("section", { "aria-label": title },
    el("h3", {}, title),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Table: ${title}` },
      el("table", { class: "list pairs" },
        el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, rows.map(([name, cells, differs]) => el("tr", { class: differs ? "differs" : null },
          el("th", { scope: "row" }, name, differs && el("span", { class: "mark" }, " differs")),
          cells.map((cell) => el("td", {}, cell))))))));
}
