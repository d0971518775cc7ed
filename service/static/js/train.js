// Training the chosen network: on the service, or by a command elsewhere.

import { create } from "./api.js";
import { catalog } from "./catalog.js";
import { el, fill } from "./dom.js";
import { commandBox, retrainCommand } from "./downloads.js";
import { Field, choice, number } from "./field.js";
import { Form } from "./form.js";

// What a training may be told beside its length; the first numbers are what the command line takes by itself.
const RECIPE = {
  steps: ["Updates, in place of epochs", { step: 1, min: 1 }],
  batch_size: ["Batch size", { step: 1, min: 1 }],
  learning_rate: ["Learning rate", {}],
  weight_decay: ["Weight decay", {}],
  label_smoothing: ["Label smoothing", { max: 1 }],
  mixup: ["Mixup (alpha)", {}],
  ema: ["Moving average (decay)", { max: 1 }],
  limit: ["Images at most", { step: 1, min: 1 }],
};

export function training(found, rank, accepted) {
  const space = found.result.space;
  const data = new Field("Data set", choice("train-data"));
  fill(data.input, [{ options: catalog.dataSets.map((name) => ({ value: name })) }]);
  const begin = new Field("Begin with", choice("train-begin"));
  const supernets = catalog.guides.filter((guide) => guide.kind === "supernet" && guide.space === space);
  fill(begin.input, [
    { options: [{ value: "", text: "new weights" }] },
    { label: "The weights of a supernet", options: supernets.map(({ name }) => ({ value: name })) },
  ]);
  const epochs = new Field("Epochs", number("train-epochs", { step: 1, min: 1, placeholder: "by the recipe" }));
  const seed = new Field("Seed", number("train-seed", { step: 1, value: 0 }));
  const recipe = Object.entries(RECIPE).map(([name, [label, attributes]]) =>
    [name, new Field(label, number(`train-${name.replaceAll("_", "-")}`, { placeholder: "by the recipe", ...attributes }))]);
  const workers = new Field("Processes", number("train-workers", { step: 1, min: 1, value: 1 }));
  const form = new Form({
    parts: [
      el("div", { class: "pair" }, data.element, begin.element, epochs.element, seed.element),
      el("details", {}, el("summary", {}, "Recipe"),
        el("div", { class: "inside" }, el("div", { class: "pair" }, recipe.map(([, field]) => field.element), workers.element))),
    ],
    fields: {
      data, supernet: begin, "options.epochs": epochs, seed, workers,
      ...Object.fromEntries(recipe.map(([name, field]) => [`options.${name}`, field])),
    },
    button: "Train here",
    send: async () => {
      const options = Object.fromEntries([["epochs", epochs], ...recipe].map(([name, field]) => [name, field.number]).filter(([, value]) => value !== undefined));
      accepted(await create("/retrain", {
        ...origin(found, rank), data: data.value, ...(begin.value ? { supernet: begin.value } : {}),
        workers: workers.number ?? 1, options, seed: seed.number ?? 0,
      }));
    },
  });
  return el("section", { class: "train", "aria-labelledby": "train-title" },
    el("h3", { id: "train-title" }, "Train it"), form.element,
    el("p", { class: "hint" }, "Or elsewhere:"), commandBox(retrainCommand(found.search, rank)));
}

// A network of the search's own front is named by its place there, so that the training tells where it came from.
function origin(found, rank) {
  const names = found.names(rank).join();
  const place = found.result.front.findIndex(({ architecture }) => Object.values(architecture.choices).join() === names);
  if (place >= 0) return { search: { id: found.id, architecture: place } };
  return { architecture: found.architecture(rank) };
}
