// The verdict on an estimator: how far its ranking agrees with the true accuracies of a benchmark.

import { el } from "./dom.js";
import { figures } from "./figures.js";
import { capital, count, digits, signed } from "./format.js";

// The figures that the page shows; the others are in the JSON of the record.
const SHOWN = [
  { name: "kendall_tau", title: "Kendall's tau", text: (value) => signed(digits(value, 3)) },
  { name: "precision_top", percent: 5, title: "Fraction of the top 5% by score that is truly in the top 5%", text: percentage },
  { name: "best_rank", percent: 1, title: "True rank of the best network in the top 1% by score", text: (value) => `top ${percentage(value)}` },
];

export function verdictSection(verdict) {
  if (!verdict) return null;
  const rows = SHOWN.map(({ name, percent, title, text }) => {
    const figure = verdict.figures.find((entry) => entry.name === name && (percent === undefined || entry.percent === percent));
    return figure && [title, text(figure.value), interval(figure)];
  });
  return el("section", { class: "verdict", "aria-labelledby": "verdict-title" },
    el("h3", { id: "verdict-title" }, "How far to trust this ranking"),
    el("p", { class: "hint" }, `Judged by ${verdict.truth} on ${count(verdict.networks)} networks. Brackets give the 95% interval and the value that random scores reach.`),
    figures(rows),
    el("p", {}, `${capital(verdict.sentence)}.`));
}

function interval({ name, low, high, chance }) {
  const text = name === "kendall_tau" ? (value) => signed(digits(value, 3)) : percentage;
  const ends = low === null || high === null ? "no interval" : `${text(low)} to ${text(high)}`;
  return `(${ends}; ${text(chance)})`;
}

function percentage(fraction) {
  return `${Number((100 * fraction).toPrecision(3))}%`;
}
