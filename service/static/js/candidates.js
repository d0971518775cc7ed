// The networks that a search evaluated, in columns with one row per network, best first.

import { candidatesOf, inLines } from "./catalog.js";
import { betterOf, capital, deviation, metricName, metricUnit, metricValue, score, scoredMetric } from "./format.js";

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

  // The metric that the guide scores by, null if it is unknown or there are several.
  get quality() {
    return scoredMetric(this.result.guide);
  }

  // The name of the scores on the page.
  get scoreName() {
    const { kind } = this.result.guide;
    const name = this.quality ? metricName(this.quality.metric, this.quality) : "score";
    if (kind === "benchmark") return capital(name);
    return kind === "supernet" ? `${capital(name)} in the supernet` : `Predicted ${name}`;
  }

  // The unit of the scores and which of them are better, such as "nats, lower is better".
  get scoreUnit() {
    return this.quality ? [metricUnit(this.quality), betterOf(this.quality)].filter(Boolean).join(", ") : "";
  }

  // The value of the guide's metric, in its own direction.
  value(rank) {
    return metricValue(this.quality, this.scores[rank]);
  }

  valueText(rank) {
    return score(this.value(rank), this.deviations[rank]);
  }

  scoreText(rank) {
    const unit = this.quality ? metricUnit(this.quality) : "";
    return [this.valueText(rank), deviation(this.deviations[rank]), unit].filter(Boolean).join(" ");
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
