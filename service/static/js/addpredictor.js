// Trains a predictor on the service from uploaded evaluations.

import { create } from "./api.js";
import { catalog, labelOf } from "./catalog.js";
import { el, fill, pageData } from "./dom.js";
import { Field, choice, number, text } from "./field.js";
import { Form } from "./form.js";
import { betterOf, count, encoderName, metricName, metricUnit } from "./format.js";
import { intro } from "./sheet.js";
import { shareBox } from "./sharing.js";

const STEPPED = "ta-gates"; // the kind of predictor whose steps may learn a metric each
const EXPERTS = "dele"; // the kind of predictor whose experts learn a column each
const VOTES = ":votes"; // no name of an upload, as these have no colon

export function predictorForm({ onAccepted }) {
  const about = intro("Train a predictor",
    "A predictor learns from evaluations to score every network of the space, and guides searches. "
    + "Its ranking is tested on evaluations that are held out from training.");
  if (!catalog.evaluations.length) {
    return [about, el("div", { class: "notice" }, el("p", {}, "No evaluations to train on yet."),
      el("div", { class: "bar" }, el("a", { class: "button", href: "#/add/evaluations" }, "Add evaluations")))];
  }
  const evaluations = new Field("Evaluations", choice("from-evaluations"));
  const name = new Field("Name", text("predictor-name", { required: true }), { hint: "Refer to the predictor by this name in searches." });
  const metric = new Field("Predicted metric", choice("predictor-metric"));
  const steps = el("div", { class: "boxes" });
  const stepsGroup = el("fieldset", { id: "predictor-steps" }, el("legend", {}, "Metrics of earlier steps"), steps,
    el("p", { class: "hint" }, "TA-GATES can learn one metric per step, such as the accuracy after few epochs, before the predicted one."));
  const columns = el("div", { class: "boxes" }, catalog.evaluations.map((uploaded) => el("label", {},
    el("input", { type: "checkbox", id: `predictor-column-${uploaded.name}`, value: uploaded.name }), labelOf(uploaded))));
  const columnsGroup = el("fieldset", { id: "predictor-columns" }, el("legend", {}, "Columns of evidence"), columns,
    el("p", { class: "hint" }, "Cheap values, such as proxies and a supernet's evaluations, which the evaluations above weigh. Without evaluations each column has one vote. An expert of DELE learns each before the evaluations."));
  const encoder = new Field("Kind", choice("predictor-encoder"));
  const baseline = new Field("Baseline", choice("predictor-baseline"), { hint: "Trained on the same evaluations, for comparison." });
  const fraction = new Field("Training fraction", number("predictor-share", { min: 0.05, max: 0.95, value: 0.8 }));
  const seed = new Field("Seed", number("predictor-seed", { step: 1, value: 0 }));
  const shared = shareBox("predictor-shared");
  const refit = el("input", { type: "checkbox", id: "predictor-refit", checked: true });
  const uploads = catalog.evaluations.map((uploaded) => ({ value: uploaded.name, text: labelOf(uploaded) }));
  fill(evaluations.input, [{ options: [...uploads, { value: VOTES, text: "none: columns vote" }] }], catalog.newest);
  const kinds = pageData.encoders.map((kind) => ({ value: kind, text: encoderName(kind) }));
  fill(encoder.input, [{ options: kinds }], pageData.encoder);
  fill(baseline.input, [{ options: kinds }], "forest");
  name.input.addEventListener("input", () => (name.typed = true));
  evaluations.input.addEventListener("change", showEvaluations);
  metric.input.addEventListener("change", showMetric);
  encoder.input.addEventListener("change", showSteps);
  showEvaluations();

  function showEvaluations() {
    const uploaded = catalog.evaluations.find((entry) => entry.name === evaluations.value);
    const { metrics = [], definitions = {}, default_metric: first = metrics[0] } = uploaded ?? {};
    fill(metric.input, [{ options: metrics.map((entry) => ({ value: entry, text: metricName(entry, definitions[entry]) })) }], first);
    showMetric();
    if (!name.typed) name.input.value = (uploaded?.name ?? "").split("/").pop();
    evaluations.help(uploaded?.space ? `${count(uploaded.networks)} networks of ${uploaded.space}${uploaded.task ? `, ${uploaded.task}` : ""}` : "");
  }

  function showMetric() {
    const definition = catalog.evaluations.find((entry) => entry.name === evaluations.value)?.definitions?.[metric.value];
    metric.help(definition ? [metricUnit(definition), betterOf(definition)].filter(Boolean).join(", ") : "");
    showSteps();
  }

  // Offers the other metrics to the steps before the last, for the kind of predictor whose steps predict.
  function showSteps() {
    const { metrics = [], definitions = {} } = catalog.evaluations.find((entry) => entry.name === evaluations.value) ?? {};
    const others = metrics.filter((entry) => entry !== metric.value);
    const checked = new Set(checkedIn(steps));
    steps.replaceChildren(...others.map((entry) => el("label", {},
      el("input", { type: "checkbox", id: `predictor-step-${entry}`, value: entry, checked: checked.has(entry) }), metricName(entry, definitions[entry]))));
    stepsGroup.hidden = encoder.value !== STEPPED || !others.length;
  }

  // The files that a predictor learns from, with the options that apply to them.
  function sources(options) {
    const chosen = checkedIn(columns);
    const labels = evaluations.value === VOTES ? {} : { evaluations: evaluations.value };
    if (!chosen.length) return { ...labels, options };
    if (labels.evaluations && encoder.value === EXPERTS) return { ...labels, columns: chosen, options };
    return { ...labels, columns: chosen, options: labels.evaluations ? { metric: metric.value } : {} };
  }

  const form = new Form({
    parts: [
      evaluations.element, name.element, shared.element,
      el("div", { class: "pair" }, metric.element, encoder.element), stepsGroup,
      el("details", {}, el("summary", {}, "Training options"), el("div", { class: "inside" },
        el("div", { class: "pair" }, baseline.element, fraction.element, seed.element),
        el("label", { class: "check" }, refit, "Train on all evaluations after the test"))),
      el("details", {}, el("summary", {}, "Columns of evidence"), el("div", { class: "inside" }, columnsGroup)),
    ],
    fields: {
      name, evaluations, seed, columns: evaluations,
      "options.metric": metric, "options.encoder": encoder, "options.baseline": baseline, "options.train_fraction": fraction,
    },
    button: "Train",
    send: async () => {
      const earlier = stepsGroup.hidden ? [] : checkedIn(steps);
      const options = {
        encoder: encoder.value, baseline: baseline.value, metric: earlier.length ? [...earlier, metric.value] : metric.value,
        train_fraction: fraction.number ?? 0.8, refit: refit.checked,
      };
      const common = { name: name.value.trim(), seed: seed.number ?? 0, ...shared.body };
      onAccepted(await create("/predictors", { ...common, ...sources(options) }));
    },
  });
  return [about, form.element];
}

const checkedIn = (group) => [...group.querySelectorAll("input:checked")].map((box) => box.value);
