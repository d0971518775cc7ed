// The networks that a search evaluated, in columns with one row per network, best first.

import { candidatesOf, inLines } from "./catalog.js";
import { deviation, score } from "./format.js";

export class Candidates {
  constructor(search) {
    this.search = search;
    this.id = search.id;
    this.result = search.result;
    const { codes, scores, deviations, costs } = this.result.candidates;
    Object.assign(this, { codes, scores, deviations, costs });
  }

  get length() {
    return this.scores.length;
  }

  // The name of the scores on the page.
  get scoreName() {
    const { kind, metric } = this.result.guide;
    if (kind === "benchmark") return metric ?? "Score";
    return kind === "supernet" ? "Score in the supernet" : "Predicted score";
  }

  scoreText(rank) {
    return `${score(this.scores[rank], this.deviations[rank])} ${deviation(this.deviations[rank])}`.trim();
  }

  // Costs that can be an axis: the objectives first, then the limited costs, then the others.
  get metrics() {
    const first = [...(this.result.objectives ?? []), ...this.result.constraints.map((limit) => limit.metric)];
    return [...new Set([...first, ...Object.keys(this.costs)])].filter((metric) => metric in this.costs);
  }

  maximum(metric) {
    return this.result.constraints.find((limit) => limit.metric === metric)?.maximum ?? null;
  }

  // Ranks of the networks that no other beats in both score and one cost, cheapest first.
  front(metric) {
    const costs = this.costs[metric];
    const ranks = [];
    let least = Infinity;
    for (let rank = 0; rank < this.length; rank++) {
      // Equal scores are adjacent; only the cheapest of them can be on the front.
      let cheapest = rank;
      while (rank + 1 < this.length && this.scores[rank + 1] === this.scores[rank]) {
        rank++;
        if (costs[rank] < costs[cheapest]) cheapest = rank;
      }
      if (costs[cheapest] < least) ranks.push(cheapest);
      least = Math.min(least, costs[cheapest]);
    }
    return ranks.reverse();
  }

  // Ranks to draw: all, or an even subset where a plot of all would be slow.
  sampleRanks(most = 4000) {
    const step = Math.max(1, Math.ceil(this.length / most));
    return Array.from({ length: Math.ceil(this.length / step) }, (_, index) => index * step);
  }

  names(rank) {
    return candidatesOf(this.result.space, this.codes[rank]);
  }

  // The architecture in the form that requests use.
  architecture(rank) {
    const keys = Object.keys(this.result.front[0].architecture.choices);
    const names = this.names(rank);
    return { space: this.result.space, choices: Object.fromEntries(keys.map((key, index) => [key, names[index]])) };
  }

  hover(rank) {
    return inLines(this.names(rank)).slice(0, 8).join("<br>");
  }
}
