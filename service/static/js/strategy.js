// How to search: the strategy with its options, and what else hardly anybody changes.

import { byId, el } from "./dom.js";

const strategies = Object.fromEntries(
  JSON.parse(byId("page-data").textContent).strategies.map(([name, options]) => [name, Object.fromEntries(options)]),
);
const written = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

export class StrategyFields {
  constructor() {
    this.name = el("select", { id: "strategy" }, Object.keys(strategies).map((name) => el("option", { value: name }, name)));
    this.name.value = "evolution";
    this.options = el("div", { class: "pair" });
    this.margin = this.number("margin", 1.64, 0, "any");
    this.seed = this.number("seed", 0, 0, 1);
    this.fault = el("p", { class: "fault", role: "alert" });
    this.element = el("details", {},
      el("summary", {}, "How to search"),
      el("div", { class: "inside" },
        el("div", { class: "field" }, el("label", { for: "strategy" }, "Strategy"), this.name),
        this.options,
        el("div", { class: "pair" },
          this.labelled("Margin (sigmas)", this.margin), this.labelled("Seed", this.seed)),
        this.fault,
      ),
    );
    this.name.addEventListener("change", () => this.show());
    this.show();
  }

  number(id, value, min, step) {
    return el("input", { type: "number", id, value, min, step });
  }

  labelled(text, field) {
    return el("div", { class: "field" }, el("label", { for: field.id }, text), field);
  }

  show() {
    this.fault.textContent = "";
    this.options.replaceChildren(
      ...Object.entries(strategies[this.name.value]).map(([name, preset]) => {
        const number = typeof preset === "number";
        const kind = number ? { type: "number", min: 0, step: Number.isInteger(preset) ? null : "any" } : { type: "text" };
        const field = el("input", { ...kind, id: `option-${name}`, value: preset });
        field.dataset.name = name;
        return this.labelled(written(name), field);
      }),
    );
  }

  // What differs from the defaults.
  get chosen() {
    const options = {};
    for (const field of this.options.querySelectorAll("input")) {
      const preset = strategies[this.name.value][field.dataset.name];
      const value = typeof preset === "number" ? field.valueAsNumber : field.value;
      if (value !== preset && !Number.isNaN(value)) options[field.dataset.name] = value;
    }
    return { name: this.name.value, options };
  }

  complain(text) {
    this.fault.textContent = text;
    if (text) this.element.open = true;
  }
}
