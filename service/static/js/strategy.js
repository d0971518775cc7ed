// The search options: objectives, charges, a supernet's ranking, strategy, margin, seed, and how many networks are trained and measured.

import { el, pageData } from "./dom.js";
import { Field, choice, lines, linesOf, number, text } from "./field.js";
import { FinalistFields } from "./finalists.js";
import { Objectives } from "./objectives.js";
import { Ranking } from "./ranking.js";

const strategies = Object.fromEntries(pageData.strategies.map(([name, options]) => [name, Object.fromEntries(options)]));
const ALIAS = "spos"; // of the default
// The defaults of the service.
const DEFAULT = { strategy: "evolution", margin: 1.64, seed: 0 };
const labelOf = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

export class StrategyFields {
  constructor() {
    this.name = new Field("Strategy", choice("strategy"));
    this.name.input.append(...Object.keys(strategies).map((name) => el("option", { value: name }, name)));
    this.name.input.value = DEFAULT.strategy;
    this.options = el("div", { class: "pair" });
    this.fields = {};
    this.margin = new Field("Margin (standard deviations)", number("margin", { value: DEFAULT.margin }));
    this.seed = new Field("Seed", number("seed", { value: DEFAULT.seed, step: 1 }));
    this.finalists = new FinalistFields();
    this.verify = new Field("Networks to measure", number("verify", { min: 0, max: 50, step: 1 }), {
      hint: "The best ones, on the device of the table; left empty, none is.",
    });
    this.objectives = new Objectives();
    this.ranking = new Ranking();
    this.charges = new Field("Charges", lines("charges", { placeholder: "macs=2e8^0.07" }), {
      hint: "Multiply the loss by (cost / budget)^exponent: METRIC=BUDGET^EXPONENT, one per line.",
    });
    this.fault = el("p", { class: "fault", role: "alert" });
    this.element = el("details", {},
      el("summary", {}, "Search options"),
      el("div", { class: "inside" },
        this.objectives.element, this.charges.element, this.ranking.element, this.name.element, this.options,
        el("div", { class: "pair" }, this.margin.element, this.seed.element), this.finalists.elements, this.verify.element, this.fault),
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
    const charges = linesOf(this.charges.value);
    return {
      strategy: { name: this.name.value, options },
      ...(objectives.length ? { objectives } : {}),
      ...(charges.length ? { charges } : {}),
      margin: this.margin.number,
      seed: this.seed.number,
      ...this.finalists.selection,
      ...(this.verify.number ? { verify: this.verify.number } : {}),
    };
  }

  // Takes over the options of a request; those that it leaves out get their defaults.
  fill({ objectives = [], charges = [], guide, strategy, margin = DEFAULT.margin, seed = DEFAULT.seed, finalists = null, verify = null }) {
    this.objectives.fill(objectives);
    this.charges.input.value = charges.join("\n");
    this.ranking.fill(guide ?? {});
    const { name = DEFAULT.strategy, options = {} } = strategy ?? {};
    const isKnown = name in strategies;
    this.name.input.value = isKnown ? name : DEFAULT.strategy;
    this.show();
    if (!isKnown && name !== ALIAS) this.name.complain(`${name} is not available here`);
    const isDefault = [DEFAULT.strategy, ALIAS].includes(name) && !Object.keys(options).length
      && margin === DEFAULT.margin && seed === DEFAULT.seed;
    if (!isDefault || finalists || verify || objectives.length || charges.length || guide?.rank_by || guide?.under?.length) this.element.open = true;
    for (const [option, value] of Object.entries(options)) if (option in this.fields) this.fields[option].input.value = value;
    this.margin.input.value = margin;
    this.seed.input.value = seed;
    this.finalists.fill(finalists);
    this.verify.input.value = verify ?? "";
  }

  complain(message) {
    this.fault.textContent = message;
    this.objectives.complain("");
    const fields = [this.name, this.charges, this.margin, this.seed, this.verify, ...Object.values(this.finalists.fields), ...Object.values(this.ranking.fields), ...Object.values(this.fields)];
    for (const field of fields) field.complain("");
  }

  // Shows a refusal at the field that caused it; returns false if no field here did.
  refused({ field: path, message }) {
    const [first, second] = (path ?? "").split(".");
    const ranking = first === "guide" ? this.ranking.fields[second] : undefined;
    const finalists = first === "finalists" ? this.finalists.fields[second] : undefined;
    const field = ranking ?? finalists;
    if (!field && !["strategy", "objectives", "charges", "margin", "seed", "verify"].includes(first)) return false;
    this.element.open = true;
    if (first === "objectives") this.objectives.complain(message);
    else {
      const named = Object.keys(this.fields).find((name) => second === "options" && message.includes(name));
      const faulty = field ?? { charges: this.charges, margin: this.margin, seed: this.seed, verify: this.verify }[first] ?? (second === "name" ? this.name : this.fields[named]);
      if (faulty) {
        faulty.complain(message);
        faulty.input.focus();
      } else this.fault.textContent = message;
    }
    return true;
  }
}
