// How a supernet ranks networks: by which metrics, and under which perturbations.

import { el } from "./dom.js";
import { Field, lines, linesOf, text } from "./field.js";
import { metricName } from "./format.js";

export class Ranking {
  constructor() {
    this.metrics = el("datalist", { id: "rank-by-metrics" });
    this.rankBy = new Field("Rank by", text("rank-by", { list: "rank-by-metrics", maxlength: 200 }));
    this.under = new Field("Perturbations", lines("under", { placeholder: "clean=0.5" }), {
      hint: "Under which networks are evaluated: one per line with its weight.",
    });
    this.element = el("fieldset", {}, el("legend", { class: "unseen" }, "Ranking by the supernet"),
      el("div", { class: "inside" }, this.rankBy.element, this.metrics, this.under.element));
    this.offer(null);
  }

  // Shows the metrics of the supernet's task; other guides rank by what they were trained on.
  offer(guide) {
    this.element.hidden = guide?.kind !== "supernet";
    const definitions = Object.entries(guide?.definitions ?? {});
    this.metrics.replaceChildren(...definitions.map(([name, definition]) => el("option", { value: name }, metricName(name, definition))));
    const names = definitions.map(([name]) => name);
    this.rankBy.help(`A metric${names.length ? ` (${names.join(", ")})` : ""}, or a weighted sum such as top1=1, cross_entropy=10. `
      + "Empty: the score of the task.");
  }

  // This part of the request's guide.
  get selection() {
    if (this.element.hidden) return {};
    const rankBy = this.rankBy.value.trim();
    const under = linesOf(this.under.value);
    return { ...(rankBy ? { rank_by: rankBy } : {}), ...(under.length ? { under } : {}) };
  }

  fill({ rank_by: rankBy, under }) {
    this.rankBy.input.value = rankBy ?? "";
    this.under.input.value = (under ?? []).join("\n");
  }

  get fields() {
    return { rank_by: this.rankBy, under: this.under };
  }
}
