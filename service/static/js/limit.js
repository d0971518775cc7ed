// One limit: a switch, a slider over the feasible range, and a number field.

import { el } from "./dom.js";
import { digits, unitOf } from "./format.js";

const STEPS = 400;

export class Limit {
  // `unit` is the service's name of the unit, used for metrics that this page does not know.
  constructor(metric, on, unit) {
    const metricUnit = unitOf(metric);
    const { name, long } = metricUnit;
    this.metric = metric;
    this.unit = metricUnit.unit || unit || "";
    this.scale = metricUnit.scale;
    this.touched = false;
    const id = `limit-${metric}`;
    const noun = name.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
    this.box = el("input", { type: "checkbox", id, checked: on, "aria-label": `Limit ${noun}` });
    this.number = el("input", {
      type: "number", id: `${id}-number`, min: 0, step: "any",
      "aria-label": `${name} at most, in ${this.unit}`, "aria-describedby": `${id}-fault ${id}-ends`,
    });
    this.slider = el("input", { type: "range", min: 0, max: STEPS, step: 1, "aria-label": `${name} at most`, "aria-describedby": `${id}-ends` });
    this.ends = el("div", { class: "ends", id: `${id}-ends` });
    this.fault = el("p", { class: "fault", id: `${id}-fault`, role: "alert" });
    this.element = el("div", { class: "limit" },
      el("label", { class: "switch", title: long }, this.box, el("span", {}, name)),
      el("div", { class: "amount" }, this.number, el("span", {}, this.unit)),
      this.slider, this.ends, this.fault,
    );
    this.box.addEventListener("change", () => this.show());
    this.slider.addEventListener("input", () => this.slid());
    this.number.addEventListener("input", () => this.typed());
    this.bound(null);
    this.show();
  }

  // Sets the feasible range in the metric's own unit, or null if it is unknown.
  bound(range) {
    this.range = range && range.greatest > range.least ? range : null;
    this.slider.hidden = !this.range;
    this.ends.replaceChildren();
    this.complain("");
    if (!this.range) return;
    const { least, greatest } = this.range;
    const [first, last] = this.metric.endsWith("_ms") ? ["fastest", "slowest"] : ["lowest", "highest"];
    this.ends.append(
      el("span", {}, `${first} ${this.format(least)} ${this.unit}`), el("span", {}, `${last} ${this.format(greatest)} ${this.unit}`),
    );
    const present = this.value;
    if (!this.touched || present === null || present < least || present > greatest) this.set(least + (greatest - least) * 0.4);
    else this.follow();
  }

  get on() {
    return this.box.checked;
  }

  // The maximum in the metric's own unit, or null if it is not a positive number.
  get value() {
    const amount = this.number.valueAsNumber;
    return Number.isFinite(amount) && amount > 0 ? amount * this.scale : null;
  }

  format(value) {
    return digits(value / this.scale, 4);
  }

  set(value) {
    this.number.value = this.format(value);
    this.follow();
  }

  // Sets the limit in the metric's own unit; undefined switches it off.
  fill(maximum) {
    this.box.checked = maximum !== undefined;
    if (this.box.checked) {
      this.touched = true;
      this.number.value = Number((maximum / this.scale).toPrecision(12));
      this.follow();
    }
    this.show();
  }

  slid() {
    const { least, greatest } = this.range;
    this.touched = true;
    const fraction = this.slider.valueAsNumber / STEPS;
    // Rounding must not move the number below the feasible range.
    this.number.value = fraction === 0 ? String(Math.ceil((least / this.scale) * 1e4) / 1e4) : this.format(least + (greatest - least) * fraction);
    this.describe();
    this.complain("");
  }

  typed() {
    this.touched = true;
    this.complain("");
    this.follow();
  }

  follow() {
    if (this.range && this.value !== null) {
      const { least, greatest } = this.range;
      this.slider.value = Math.round(((this.value - least) / (greatest - least)) * STEPS);
    }
    this.describe();
  }

  describe() {
    this.slider.setAttribute("aria-valuetext", `${this.number.value} ${this.unit}`);
  }

  complain(text) {
    this.fault.textContent = text;
    if (text) this.number.setAttribute("aria-invalid", "true");
    else this.number.removeAttribute("aria-invalid");
  }

  // Shows an error before any request is sent; returns true if the limit is valid.
  check() {
    if (this.on && this.value === null) this.complain("enter a number greater than 0");
    else this.complain("");
    return !this.on || this.value !== null;
  }

  show() {
    this.element.classList.toggle("off", !this.on);
    if (!this.on) this.complain("");
  }
}
