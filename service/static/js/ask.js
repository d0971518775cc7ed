// The question: what to search, for which device, under which limits.

import { ask as request, Away, Problem } from "./api.js";
import { boundsOf, catalog, guidesOf, spaceOf } from "./catalog.js";
import { byId, el, fill, say } from "./dom.js";
import { large } from "./format.js";
import { Limit } from "./limit.js";
import { StrategyFields } from "./strategy.js";

const METRICS = ["latency_ms", "flops", "params"];
const MORE = ["memory_bytes", "energy_mj"];

export class Question {
  constructor(accepted) {
    this.accepted = accepted;
    this.space = el("select", { id: "space" });
    this.device = el("select", { id: "device" });
    this.guide = el("select", { id: "guide" });
    this.spaceHint = el("p", { class: "hint", id: "space-hint" });
    this.deviceHint = el("p", { class: "hint", id: "device-hint" });
    this.faults = { space: this.fault("space"), device: this.fault("device"), guide: this.fault("guide") };
    this.limits = new Map([...METRICS, ...MORE].map((metric) => [metric, new Limit(metric, metric === "latency_ms")]));
    for (const metric of MORE) this.limits.get(metric).element.hidden = true;
    this.strategy = new StrategyFields();
    this.strategy.margin.addEventListener("change", () => this.showBounds());
    this.found = {};
    this.general = el("p", { class: "fault", role: "alert" });
    this.button = el("button", { class: "main" }, "Search");
    this.form = byId("ask");
    this.form.replaceChildren(
      this.field("Search space", this.space, this.faults.space, this.spaceHint),
      this.field("Device", this.device, this.faults.device, this.deviceHint),
      this.field("Guide", this.guide, this.faults.guide),
      el("fieldset", {}, el("legend", {}, "At most"), [...this.limits.values()].map((limit) => limit.element)),
      this.strategy.element,
      el("div", { class: "send" }, this.button, this.general),
    );
    this.space.addEventListener("change", () => this.spaceChosen());
    this.device.addEventListener("change", () => this.deviceChosen());
    this.guide.addEventListener("change", () => this.complain("guide", ""));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  field(text, select, fault, hint) {
    select.setAttribute("aria-describedby", `${fault.id}${hint ? ` ${hint.id}` : ""}`);
    return el("div", { class: "field" }, el("label", { for: select.id }, text), select, hint, fault);
  }

  fault(name) {
    return el("p", { class: "fault", id: `${name}-fault`, role: "alert" });
  }

  // Shows what there is now; what was chosen stays chosen.
  show() {
    const guided = catalog.spaces.filter((space) => guidesOf(space.name).length);
    const other = catalog.spaces.filter((space) => !guidesOf(space.name).length);
    const measured = catalog.tables.find((table) => guided.some((space) => space.name === table.space));
    const names = (spaces) => spaces.map(({ name }) => ({ value: name }));
    const groups = guided.length
      ? [{ label: "With a guide", options: names(guided) }, { label: "Without a guide yet", options: names(other) }]
      : [{ options: names(other) }];
    fill(this.space, groups, measured?.space);
    return this.spaceChosen();
  }

  spaceChosen() {
    const space = spaceOf(this.space.value);
    this.spaceHint.textContent = space ? `${large(space.architectures)} networks for images of ${space.input_shape[1]} pixels` : "";
    const own = catalog.tables.filter((table) => table.space === space?.name);
    const others = catalog.tables.filter((table) => table.space !== space?.name);
    const listed = (tables) => tables.map(({ name }) => ({ value: name }));
    fill(this.device, [
      { label: "Measured for this space", options: listed(own) },
      { label: "Measured for other spaces", options: listed(others) },
      { label: "Without a device", options: [{ value: "", text: "none: limit FLOPs or parameters" }] },
    ], own[0]?.name ?? "");
    if (own.length && !own.some((table) => table.name === this.device.value)) this.device.value = own[0].name;
    else if (!own.length) this.device.value = "";
    const guides = guidesOf(space?.name);
    const chosen = guides.map(({ kind, name }) => ({ value: `${kind}:${name}`, text: `${name} (${kind})` }));
    fill(this.guide, [{ options: chosen }]);
    this.guide.disabled = guides.length === 0;
    const none = `No guide scores ${space?.name} yet. Train one: python -m predictor train --space '${space?.name}'`;
    this.complain("guide", guides.length || !space ? "" : none, false);
    this.complain("space", "");
    this.button.disabled = guides.length === 0;
    return this.deviceChosen();
  }

  // What the limits may be is known once this is done.
  deviceChosen() {
    this.bounding = this.bound();
    return this.bounding;
  }

  async bound() {
    this.complain("device", "");
    this.general.textContent = "";
    const [space, device] = [this.space.value, this.device.value];
    const latency = this.limits.get("latency_ms");
    latency.element.hidden = !device;
    this.deviceHint.textContent = describe(catalog.tables.find((table) => table.name === device));
    if (!space) return;
    let found = {};
    try {
      found = await boundsOf(space, device);
    } catch (error) {
      if (error instanceof Away) return;
      this.complain("device", error.message);
    }
    if (space !== this.space.value || device !== this.device.value) return;
    this.found = found;
    this.showBounds();
  }

  // An estimate must stay below its limit by the margin: what is feasible begins there.
  showBounds() {
    const margin = this.strategy.margin.valueAsNumber || 0;
    for (const [metric, limit] of this.limits) {
      const range = this.found[metric] ?? (metric === "flops" ? this.found.macs : null);
      const kept = margin * (range?.sigma ?? 0);
      limit.bound(range ? { least: range.least + kept, greatest: range.greatest + kept } : null);
      if (MORE.includes(metric)) limit.element.hidden = !range;
    }
  }

  get body() {
    const [kind, ...name] = this.guide.value.split(":");
    const limits = [...this.limits.values()].filter((limit) => limit.on && !limit.element.hidden);
    return {
      space: this.space.value,
      ...(this.device.value ? { device: this.device.value } : {}),
      guide: { kind, name: name.join(":") },
      constraints: Object.fromEntries(limits.map((limit) => [limit.metric, { max: limit.value }])),
      strategy: this.strategy.chosen,
      margin: this.strategy.margin.valueAsNumber,
      seed: this.strategy.seed.valueAsNumber,
    };
  }

  async send() {
    this.general.textContent = "";
    this.strategy.complain("");
    for (const name of Object.keys(this.faults)) this.complain(name, "");
    await this.bounding;
    const wrong = [...this.limits.values()].filter((limit) => !limit.element.hidden && !limit.check());
    if (wrong.length) return wrong[0].number.focus();
    this.button.disabled = true;
    // The key makes a repeated request, such as after a lost answer, the same search.
    const body = this.body;
    const text = JSON.stringify(body);
    if (this.key?.text !== text) this.key = { text, value: randomKey() };
    try {
      const search = await request("POST", "/search", { body, headers: { "Idempotency-Key": this.key.value } });
      this.key = null;
      this.accepted(search);
    } catch (error) {
      if (error instanceof Problem) this.refused(error);
      else if (error instanceof Away) this.general.textContent = "The service does not answer; press Search again once it is back.";
      else throw error;
    } finally {
      this.button.disabled = false;
    }
  }

  // Puts a refusal beside what is to blame.
  refused(problem) {
    this.key = null;
    const [first, second] = (problem.field ?? "").split(".");
    const limit = first === "constraints" ? this.limits.get(second === "macs" ? "flops" : second) : null;
    if (limit) {
      limit.complain(problem.message);
      limit.number.focus();
    } else if (first in this.faults) {
      this.complain(first, problem.message);
      this[first].focus();
    } else if (["strategy", "margin", "seed"].includes(first)) {
      this.strategy.complain(problem.message);
    } else {
      this.general.textContent = problem.message;
    }
    say(problem.message);
  }

  complain(name, text, invalid = true) {
    this.faults[name].textContent = text;
    if (text && invalid) this[name].setAttribute("aria-invalid", "true");
    else this[name].removeAttribute("aria-invalid");
  }
}

// Also where the address is not secure, and crypto.randomUUID therefore not there.
function randomKey() {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(parts, (part) => part.toString(16).padStart(8, "0")).join("");
}

function describe(table) {
  if (!table) return "";
  const { threads, precision, batch, backend } = table.conditions ?? {};
  const conditions = [backend, precision, threads && `${threads} thread${threads === 1 ? "" : "s"}`, batch && `batch ${batch}`].filter(Boolean);
  return [table.device?.processor, ...conditions].filter(Boolean).join(", ");
}
