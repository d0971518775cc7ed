// The fields of finalists: how many of the best networks are trained briefly, on which data set, and for how long.

import { catalog } from "./catalog.js";
import { el, fill } from "./dom.js";
import { Field, choice, number } from "./field.js";

export class FinalistFields {
  constructor() {
    this.count = new Field("Networks to train briefly", number("finalists", { min: 0, max: 50, step: 1 }), {
      hint: "The best ones; the trainings choose among them. Left empty, none is.",
    });
    this.data = new Field("Data set", choice("finalists-data"));
    this.steps = new Field("Updates at first", number("finalists-steps", { min: 1, step: 1, placeholder: "200" }), {
      hint: "The better half continues for twice as many.",
    });
    // Settings that the form has no field for, of a request that it was filled with.
    this.training = {};
    this.more = el("div", { class: "pair" }, this.data.element, this.steps.element);
    this.elements = [this.count.element, this.more];
    this.count.input.addEventListener("input", () => this.show());
    this.show();
  }

  get fields() {
    return { count: this.count, data: this.data, training: this.steps };
  }

  show() {
    fill(this.data.input, [{ options: catalog.dataSets.map((name) => ({ value: name })) }]);
    this.more.hidden = !this.count.number;
  }

  // This part of the request.
  get selection() {
    if (!this.count.number) return {};
    const { steps: _, ...training } = this.training;
    if (this.steps.number) training.steps = this.steps.number;
    return { finalists: { count: this.count.number, data: this.data.value, training } };
  }

  fill(finalists) {
    this.training = finalists?.training ?? {};
    this.count.input.value = finalists?.count ?? "";
    this.steps.input.value = this.training.steps ?? "";
    this.show();
    if (finalists?.data) this.data.input.value = finalists.data;
  }
}
