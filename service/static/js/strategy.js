// The search options: the objectives, the strategy with its options, the margin and the seed.

import { el, pageData } from "./dom.js";
import { Field, choice, number, text } from "./field.js";
import { Objectives } from "./objectives.js";

const strategies = Object.fromEntries(pageData.strategies.map(([name, options]) => [name, Object.fromEntries(options)]));
const labelOf = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

export class StrategyFields {
  constructor() {
    this.name = new Field("Strategy", choice("strategy"));
    this.name.input.append(...Object.keys(strategies).map((name) => el("option", { value: name }, name)));
    this.name.input.value = "evolution";
    this.options = el("div", { class: "pair" });
    this.fields = {};
    this.margin = new Field("Margin (standard deviations)", number("margin", { value: 1.64 }));
    this.seed = new Field("Seed", number("seed", { value: 0, step: 1 }));
    this.objectives = new Objectives();
    this.fault = el("p", { class: "fault", role: "alert" });
    this.element = el("details", {},
      el("summary", {}, "Search options"),
      el("div", { class: "inside" },
        this.objectives.element, this.name.element, this.options,
        el("div", { class: "pair" }, this.margin.element, this.seed.element), this.fault),
    );
    this.name.input.addEventListener("change", () => this.show());
    this.show();
  }

  show() {
    this.complain("");
    const entries = Object.entries(strategies[this.name.value]).map(([name, preset]) => {
      const id = `option-${name}`;
      const input = typeof preset === "number"
        ? number(id, { value: preset, step: Number.isInteger(preset) ? 1 : "any" }) : text(id, { value: preset });
      return [name, new Field(labelOf(name), input)];
    });
    this.fields = Object.fromEntries(entries);
    this.options.replaceChildren(...entries.map(([, field]) => field.element));
  }

  // This part of the request, with only the strategy options that differ from the defaults.
  get selection() {
    const presets = strategies[this.name.value];
    const options = {};
    for (const [name, field] of Object.entries(this.fields)) {
      const value = typeof presets[name] === "number" ? field.number : field.value;
      if (value !== undefined && value !== presets[name]) options[name] = value;
    }
    const objectives = this.objectives.selection;
    return {
      strategy: { name: this.name.value, options },
      ...(objectives.length ? { objectives } : {}),
      margin: this.margin.number,
      seed: this.seed.number,
    };
  }

  complain(message) {
    this.fault.textContent = message;
    this.objectives.complain("");
    for (const field of [this.name, this.margin, this.seed, ...Object.values(this.fields)]) field.complain("");
  }

  // Shows a refusal at the field that caused it; returns false if no field here did.
  refused({ field, message }) {
    const [first, second] = (field ?? "").split(".");
    if (!["strategy", "objectives", "margin", "seed"].includes(first)) return false;
    this.element.open = true;
    if (first === "objectives") this.objectives.complain(message);
    else {
      const named = Object.keys(this.fields).find((name) => second === "options" && message.includes(name));
      const faulty = { margin: this.margin, seed: this.seed }[first] ?? (second === "name" ? this.name : this.fields[named]);
      if (faulty) {
        faulty.complain(message);
        faulty.input.focus();
      } else this.fault.textContent = message;
    }
    return true;
  }
}
