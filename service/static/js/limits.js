// The limits: one for each cost that the service can bound, including those of the device's table.

import { el } from "./dom.js";
import { sortMetrics } from "./format.js";
import { Limit } from "./limit.js";

// Limits that are on before anything is chosen: a table has one or the other.
const LIMITED = ["latency_ms", "decode_ms"];

export class Limits {
  constructor() {
    this.byMetric = new Map();
    this.rows = el("div", { class: "rows" });
    this.none = el("p", { class: "hint", hidden: true }, "The costs of this space's networks are unknown.");
    this.element = el("fieldset", {}, el("legend", {}, "Limits"), this.rows, this.none);
    this.shown = [];
  }

  // Shows a limit for each metric of the bounds. An estimate must stay below its limit by the
  // margin, so the feasible range starts above the least cost by that margin.
  offer(bounds, margin) {
    this.shown = sortMetrics(Object.keys(bounds)).map((metric) => this.limit(metric, bounds[metric].unit));
    for (const limit of this.shown) {
      const { least, greatest, sigma } = bounds[limit.metric];
      const offset = margin * (sigma ?? 0);
      limit.bound({ least: least + offset, greatest: greatest + offset });
    }
    const elements = this.shown.map(({ element }) => element);
    // Elements that stay in place keep the focus.
    if (elements.length !== this.rows.children.length || elements.some((element, index) => element !== this.rows.children[index])) {
      this.rows.replaceChildren(...elements);
    }
    this.none.hidden = elements.length > 0;
  }

  limit(metric, unit) {
    if (!this.byMetric.has(metric)) this.byMetric.set(metric, new Limit(metric, LIMITED.includes(metric), unit));
    return this.byMetric.get(metric);
  }

  // The constraints of the request.
  get selection() {
    return Object.fromEntries(this.shown.filter(({ on }) => on).map((limit) => [limit.metric, { max: limit.value }]));
  }

  // Selects the limits of a request, and no others.
  fill(constraints) {
    const maxima = { ...constraints, macs: constraints.macs ?? constraints.flops };
    for (const limit of this.shown) limit.fill(maxima[limit.metric]?.max);
  }

  // Shows errors before any request is sent; returns true if all limits are valid.
  check() {
    const wrong = this.shown.filter((limit) => !limit.check());
    wrong[0]?.number.focus();
    return wrong.length === 0;
  }

  // Shows a refusal at the limit that caused it; returns false if no limit did.
  refused(metric, message) {
    const limit = this.shown.find((shown) => shown.metric === metric);
    limit?.complain(message);
    limit?.number.focus();
    return limit !== undefined;
  }
}
