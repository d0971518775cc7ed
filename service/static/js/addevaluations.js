// Uploads evaluations: the metrics of some networks, from a supernet or a benchmark, to train a predictor.

import { upload } from "./api.js";
import { catalog } from "./catalog.js";
import { el } from "./dom.js";
import { Field, text } from "./field.js";
import { nameOf, picker, readLines } from "./files.js";
import { Form } from "./form.js";
import { count } from "./format.js";
import { intro, outcome } from "./sheet.js";

export function evaluationsForm({ learnt }) {
  const file = new Field("Evaluations", picker("evaluations-file", ".jsonl,.json,.ndjson"));
  const name = new Field("Name", text("evaluations-name", { required: true }), { hint: "Refer to the evaluations by this name when you train a predictor." });
  const after = outcome();
  let read = [];
  const form = new Form({
    parts: [file.element, name.element],
    fields: { name, file },
    button: "Upload",
    send: async () => {
      if (!read.length) return;
      const kept = await upload("/evaluations", { name: name.value.trim(), evaluations: read.map(({ value }) => value) });
      catalog.newest = kept.name;
      await learnt();
      const version = kept.version > 1 ? `, version ${kept.version}` : "";
      after.tell(`Uploaded ${kept.name}${version}: ${count(read.length)} evaluations.`,
        el("a", { class: "button", href: "#/add/predictor" }, "Train a predictor from them"));
    },
  });
  // The service reports the index of an evaluation; show the line of the file instead.
  form.refused = (problem) => {
    if (problem.field === "name") return form.blame(name, problem.message);
    const [, place, rest] = /^evaluations\.(\d+)\.?(.*)$/.exec(problem.field ?? "") ?? [];
    const line = read[place]?.line;
    form.blame(file, line ? `line ${line}: ${problem.message.replace(`evaluations.${place}.${rest}`, rest || "it")}` : problem.message);
  };
  file.input.addEventListener("change", async () => {
    read = [];
    after.clear();
    file.help("");
    const chosen = file.input.files[0];
    if (!chosen) return;
    try {
      const found = await readLines(chosen);
      if (!found.length) throw new Error(`${chosen.name} is empty`);
      const wrong = found.find(({ value }) => !value.architecture || !value.metrics);
      if (wrong) throw new Error(`${chosen.name}, line ${wrong.line}: an evaluation needs an architecture and metrics`);
      read = found;
      name.input.value = nameOf(chosen);
      const metrics = Object.keys(found[0].value.metrics).join(", ");
      file.help(`${count(found.length)} networks of ${found[0].value.architecture.space ?? "a space"}: ${metrics}`);
    } catch (error) {
      file.complain(error.message);
    }
  });
  return [
    intro("Add evaluations",
      "Evaluations hold the metrics of some networks of a space; a predictor learns from them to score all others. Create them with a trained supernet:",
      "python -m oneshot evaluate runs/supernet -n 240 -o evaluations.jsonl"),
    form.element, after.element,
  ];
}
