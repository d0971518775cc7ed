// The result of a training: a predictor's metrics on unseen networks, or a network's test metrics.

import { compareHash } from "./comparing.js";
import { el } from "./dom.js";
import { figures } from "./figures.js";
import { jobPath } from "./follow.js";
import { capital, count, digits, encoderName, metricName, metricUnit, seconds, signed } from "./format.js";
import { testPicture } from "./picture.js";
import { verdictSection } from "./verdict.js";

export function trainedPredictor(job, search) {
  return [...(job.result.report.figures ? testedParts(job) : evidenceParts(job)), actions(job, search)];
}

function testedParts(job) {
  const { report } = job.result;
  const main = report.figures[report.encoder];
  const rows = Object.entries(report.figures);
  return [
    figures([
      ["Kendall's tau", figure(main.kendall_tau)],
      ["Trained on", count(report.refit ? report.trained_on + report.tested_on : report.trained_on), "networks"],
      ["Tested on", count(report.tested_on), "unseen"],
      ...Object.entries(report.steps ?? {}).map(([metric, tau]) => [`Tau of the step ${metricName(metric)}`, figure(tau)]),
      ["Time", ...seconds(main.seconds).split(/ (?=s$)/)],
    ]),
    el("p", { class: "hint" }, `Kendall's tau measures how well the predictor ranks unseen networks by ${metricName(report.metric, report)}: `
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
    verdictSection(report.verdict),
  ].filter(Boolean);
}

// Columns of evidence with their weights; without labels also how each agrees with the others.
function evidenceParts({ result: { report } }) {
  const { agreements } = report;
  const headings = ["Column", agreements ? "Vote" : "Weight", agreements && "Agreement with the others"].filter(Boolean);
  return [
    el("p", { class: "reason" }, report.evidence),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Columns of evidence" },
      el("table", { class: "list" },
        el("thead", {}, el("tr", {}, headings.map((name, index) => el("th", { scope: "col", class: index ? "right" : null }, name)))),
        el("tbody", {}, Object.entries(report.weights).map(([name, weight]) => el("tr", {},
          el("th", { scope: "row" }, name),
          el("td", { class: "right" }, figure(weight)),
          agreements && el("td", { class: "right" }, figure(agreements[name]))))))),
  ];
}

const actions = (job, search) => el("div", { class: "bar" },
  el("button", { type: "button", class: "main", onclick: () => search({ space: job.result.space, guide: { kind: "predictor", name: job.result.name } }) }, "Search with it"),
  file(job, `${job.result.name}.safetensors`, "Download the predictor"));

export function trainedNetwork(job) {
  const { test, architecture } = job.result;
  return [
    figures([...testFigures(job.result), ["Tested on", count(test.images), "inputs"]]),
    testPicture(job, job.result.files ?? []),
    el("h3", {}, "The network"),
    el("p", { class: "names" }, Object.values(architecture.choices).join(" ")),
    el("div", { class: "bar" }, file(job, `network-${job.id.slice(0, 8)}.safetensors`, "Download the weights"),
      el("a", { class: "button", href: compareHash({ a: `job:${job.id}` }), title: "Compare this network with another" }, "Compare")),
  ].filter(Boolean);
}

// Units of the metrics that results of older services have, which do not describe them.
const OLDER_METRICS = { top1: { unit: "percent" }, top5: { unit: "percent" } };

// The metrics of a test by the task's own names, first those with an interval.
function testFigures({ test, metrics }) {
  const names = Object.keys(metrics ?? test).filter((name) => typeof test[name] === "number" && name !== "images");
  const interval = (name) => test[`${name}_interval`];
  names.sort((one, other) => Boolean(interval(other)) - Boolean(interval(one)));
  return names.flatMap((name) => {
    const unit = metricUnit((metrics ?? OLDER_METRICS)[name]);
    const title = capital(metricName(name, metrics?.[name]));
    const [low, high] = interval(name) ?? [];
    const ends = low !== undefined && ["95% interval", `${digits(low, 3)} to ${digits(high, 3)}`, unit];
    return [[title, digits(test[name], 4), unit], ends].filter(Boolean);
  });
}

const figure = (value) => (value === null ? "–" : signed(value.toFixed(3)));

const file = (job, name, text) => el("a", { class: "button", href: `${jobPath(job.id)}/artifact`, download: name, title: name }, text);
