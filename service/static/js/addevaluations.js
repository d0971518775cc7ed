// Uploads evaluations: the metrics of some networks, from a supernet or a benchmark, to train a predictor.

import { upload } from "./api.js";
import { catalog, uploadedEntry } from "./catalog.js";
import { el } from "./dom.js";
import { Field, text } from "./field.js";
import { nameOf, picker, readLines } from "./files.js";
import { Form } from "./form.js";
import { count } from "./format.js";
import { shareBox } from "./sharing.js";
import { intro, outcome } from "./sheet.js";

export function evaluationsForm({ catalogChanged }) {
  const file = new Field("Evaluations", picker("evaluations-file", ".jsonl,.json,.ndjson"));
  const name = new Field("Name", text("evaluations-name", { required: true }), { hint: "Refer to the evaluations by this name when you train a predictor." });
  const shared = shareBox("evaluations-shared");
  const result = outcome();
  let evaluations = [];
  const form = new Form({
    parts: [file.element, name.element, shared.element],
    fields: { name, file },
    button: "Upload",
    send: async () => {
      if (!evaluations.length) return;
      const uploaded = await upload("/evaluations", { name: name.value.trim(), evaluations: evaluations.map(({ value }) => value), ...shared.body });
      await catalogChanged();
      catalog.newest = uploadedEntry(catalog.evaluations, uploaded)?.name ?? uploaded.name;
      const version = uploaded.version > 1 ? `, version ${uploaded.version}` : "";
      result.show(`Uploaded ${uploaded.name}${version}: ${count(evaluations.length)} evaluations.`,
        el("a", { class: "button", href: "#/add/predictor" }, "Train a predictor from them"));
    },
  });
  // The service reports the index of an evaluation; show the line of the file instead.
  form.refused = (problem) => {
    if (problem.field === "name") return form.blame(name, problem.message);
    const [, index, path] = /^evaluations\.(\d+)\.?(.*)$/.exec(problem.field ?? "") ?? [];
    const line = evaluations[index]?.line;
    form.blame(file, line ? `line ${line}: ${problem.message.replace(`evaluations.${index}.${path}`, path || "it")}` : problem.message);
  };
  file.input.addEventListener("change", async () => {
    evaluations = [];
    result.clear();
    file.help("");
    const picked = file.input.files[0];
    if (!picked) return;
    try {
      const lines = await readLines(picked);
      if (!lines.length) throw new Error(`${picked.name} is empty`);
      const invalid = lines.find(({ value }) => !value.architecture || !value.metrics);
      if (invalid) throw new Error(`${picked.name}, line ${invalid.line}: an evaluation needs an architecture and metrics`);
      evaluations = lines;
      name.input.value = nameOf(picked);
      const metrics = Object.keys(lines[0].value.metrics).join(", ");
      file.help(`${count(lines.length)} networks of ${lines[0].value.architecture.space ?? "a space"}: ${metrics}`);
    } catch (error) {
      file.complain(error.message);
    }
  });
  return [
    intro("Add evaluations",
      "Evaluations hold the metrics of some networks of a space; a predictor learns from them to score all others. Create them with a trained supernet:",
      "python -m oneshot evaluate runs/supernet -n 240 -o evaluations.jsonl"),
    form.element, result.element,
  ];
}
