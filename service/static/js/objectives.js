// The objectives: the costs that a search trades against the score.

import { el } from "./dom.js";
import { sortMetrics, unitOf } from "./format.js";

export class Objectives {
  constructor() {
    this.checked = new Set();
    this.boxes = el("div", { class: "boxes" });
    this.hint = el("p", { class: "hint", id: "objectives-hint" }, "Costs that the search trades against the score. If you select none, it uses the first limited cost, or FLOPs.");
    this.fault = el("p", { class: "fault", id: "objectives-fault", role: "alert" });
    this.element = el("fieldset", { "aria-describedby": "objectives-hint objectives-fault" },
      el("legend", {}, "Also minimize"), this.boxes, this.hint, this.fault);
    this.metrics = [];
  }

  // Offers each metric of the bounds; a choice is kept as long as its metric is offered.
  offer(bounds) {
    const metrics = sortMetrics(Object.keys(bounds));
    if (metrics.join() === this.metrics.join()) return;
    this.metrics = metrics;
    this.boxes.replaceChildren(...metrics.map((metric) => {
      const box = el("input", { type: "checkbox", id: `objective-${metric}`, checked: this.checked.has(metric) });
      box.addEventListener("change", () => {
        this.complain("");
        if (box.checked) this.checked.add(metric);
        else this.checked.delete(metric);
      });
      return el("label", {}, box, unitOf(metric).name);
    }));
  }

  // Selects the objectives of a request, and no others.
  fill(objectives) {
    this.checked = new Set(objectives.map((metric) => (metric === "flops" ? "macs" : metric)));
    for (const metric of this.metrics) this.boxes.querySelector(`#objective-${CSS.escape(metric)}`).checked = this.checked.has(metric);
  }

  get selection() {
    return this.metrics.filter((metric) => this.checked.has(metric));
  }

  complain(text) {
    this.fault.textContent = text;
  }
}
