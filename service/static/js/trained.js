// The result of a training: a predictor's metrics on unseen networks, or a network's test metrics.

import { el } from "./dom.js";
import { figures } from "./figures.js";
import { jobPath } from "./follow.js";
import { count, digits, encoderName, metricName, seconds, signed } from "./format.js";

export function trainedPredictor(job, search) {
  const { report } = job.result;
  const main = report.figures[report.encoder];
  const rows = Object.entries(report.figures);
  return [
    figures([
      ["Kendall's tau", figure(main.kendall_tau)],
      ["Trained on", count(report.refit ? report.trained_on + report.tested_on : report.trained_on), "networks"],
      ["Tested on", count(report.tested_on), "unseen"],
      ["Time", ...seconds(main.seconds).split(/ (?=s$)/)],
    ]),
    el("p", { class: "hint" }, `Kendall's tau measures how well the predictor ranks unseen networks by ${metricName(report.metric)}: `
      + "1 is the true order, 0 is chance."),
    rows.length > 1 && el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Comparison of predictors" },
      el("table", { class: "list" },
        el("thead", {}, el("tr", {}, ["Kind", "Kendall's tau", "Spearman", "Time"].map((name, index) =>
          el("th", { scope: "col", class: index ? "right" : null }, name)))),
        el("tbody", {}, rows.map(([kind, row]) => el("tr", {},
          el("th", { scope: "row" }, encoderName(kind)),
          el("td", { class: "right" }, figure(row.kendall_tau)),
          el("td", { class: "right" }, figure(row.spearman)),
          el("td", { class: "right" }, seconds(row.seconds))))))),
    el("div", { class: "bar" },
      el("button", { type: "button", class: "main", onclick: () => search({ space: job.result.space, guide: `predictor:${job.result.name}` }) }, "Search with it"),
      file(job, `${job.result.name}.safetensors`, "Download the predictor")),
  ].filter(Boolean);
}

export function trainedNetwork(job) {
  const { test, architecture } = job.result;
  const [low, high] = test.top1_interval ?? [];
  return [
    figures([
      ["Top-1", digits(test.top1, 4), "%"],
      low !== undefined && ["95% interval", `${digits(low, 3)} to ${digits(high, 3)}`, "%"],
      test.top5 !== undefined && ["Top-5", digits(test.top5, 4), "%"],
      ["Cross-entropy", digits(test.cross_entropy, 3), ""],
      ["Tested on", count(test.images), "images"],
    ]),
    el("h3", {}, "The network"),
    el("p", { class: "names" }, Object.values(architecture.choices).join(" ")),
    el("div", { class: "bar" }, file(job, `network-${job.id.slice(0, 8)}.safetensors`, "Download the weights")),
  ];
}

const figure = (value) => (value === null ? "–" : signed(value.toFixed(3)));

const file = (job, name, text) => el("a", { class: "button", href: `${jobPath(job.id)}/artifact`, download: name, title: name }, text);
