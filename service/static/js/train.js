// Trains the selected network on the service, or shows the command for another machine.

import { create } from "./api.js";
import { catalog, readsText } from "./catalog.js";
import { el, fill } from "./dom.js";
import { commandBox, retrainCommand } from "./downloads.js";
import { Field, choice, number } from "./field.js";
import { Form } from "./form.js";

// Options of a training besides its epochs; an empty field keeps the recipe's default.
const RECIPE = {
  steps: ["Updates (instead of epochs)", { step: 1, min: 1 }],
  batch_size: ["Batch size", { step: 1, min: 1 }],
  learning_rate: ["Learning rate", {}],
  weight_decay: ["Weight decay", {}],
  label_smoothing: ["Label smoothing", { max: 1 }],
  mixup: ["Mixup (alpha)", {}],
  ema: ["Moving average (decay)", { max: 1 }],
  limit: ["Images at most", { step: 1, min: 1 }],
};

export function training(candidates, rank, onAccepted) {
  const space = candidates.result.space;
  const data = new Field("Data set", choice("train-data"));
  fill(data.input, [{ options: catalog.dataSets.map((name) => ({ value: name })) }]);
  const start = new Field("Start from", choice("train-begin"));
  const supernets = catalog.guides.filter((guide) => guide.kind === "supernet" && guide.space === space);
  fill(start.input, [
    { options: [{ value: "", text: "random weights" }] },
    { label: "Supernet weights", options: supernets.map(({ name }) => ({ value: name })) },
  ]);
  const epochs = new Field("Epochs", number("train-epochs", { step: 1, min: 1, placeholder: "recipe default" }));
  const level = new Field("Tokens", choice("train-level"));
  fill(level.input, [{ options: [{ value: "words" }, { value: "characters" }] }]);
  const isOfText = readsText(space);
  const seed = new Field("Seed", number("train-seed", { step: 1, value: 0 }));
  const recipe = Object.entries(RECIPE).map(([name, [label, attributes]]) =>
    [name, new Field(label, number(`train-${name.replaceAll("_", "-")}`, { placeholder: "recipe default", ...attributes }))]);
  const workers = new Field("Processes", number("train-workers", { step: 1, min: 1, value: 1 }));
  const form = new Form({
    parts: [
      el("div", { class: "pair" }, data.element, start.element, isOfText && level.element, epochs.element, seed.element),
      el("details", {}, el("summary", {}, "Recipe"),
        el("div", { class: "inside" }, el("div", { class: "pair" }, recipe.map(([, field]) => field.element), workers.element))),
    ],
    fields: {
      data, supernet: start, "options.epochs": epochs, "options.level": level, seed, workers,
      ...Object.fromEntries(recipe.map(([name, field]) => [`options.${name}`, field])),
    },
    button: "Train here",
    send: async () => {
      const options = Object.fromEntries([["epochs", epochs], ...recipe].map(([name, field]) => [name, field.number]).filter(([, value]) => value !== undefined));
      onAccepted(await create("/retrain", {
        ...origin(candidates, rank), data: data.value, ...(start.value ? { supernet: start.value } : {}),
        workers: workers.number ?? 1, options: { ...options, ...(isOfText ? { task: "language", level: level.value } : {}) }, seed: seed.number ?? 0,
      }));
    },
  });
  return el("section", { class: "train", "aria-labelledby": "train-title" },
    el("h3", { id: "train-title" }, "Train this network"), form.element,
    el("p", { class: "hint" }, "Or train on another machine:"), commandBox(retrainCommand(candidates.search, rank, isOfText)));
}

// Names a network of the search's front by its index, so that the training records its origin.
function origin(candidates, rank) {
  const names = candidates.names(rank).join();
  const index = candidates.result.front.findIndex(({ architecture }) => Object.values(architecture.choices).join() === names);
  if (index >= 0) return { search: { id: candidates.id, architecture: index } };
  return { architecture: candidates.architecture(rank) };
}
