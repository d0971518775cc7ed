// Runs a pipeline on the service: a file of stages, from profiling to measured networks.

import { createPipeline } from "./api.js";
import { el, pageData } from "./dom.js";
import { Field, lines, text } from "./field.js";
import { nameOf, picker } from "./files.js";
import { Form } from "./form.js";
import { intro } from "./sheet.js";
import { shareBox } from "./sharing.js";

export function pipelineForm({ onAccepted }) {
  const file = new Field("Read from a file", picker("pipeline-file", ".yaml,.yml", { required: false }));
  const name = new Field("Name", text("pipeline-name", { required: true }), { hint: "The new table, evaluations and predictor get this name; proxies get it with -proxies." });
  const content = new Field("Stages", lines("pipeline-text", { rows: 16, required: true, class: "code", value: pageData.example }), {
    hint: "YAML. Files are names of the service, such as profile: my-phone.",
  });
  const faults = el("ul", { class: "fault", id: "pipeline-faults", hidden: true });
  const shared = shareBox("pipeline-shared");
  const form = new Form({
    parts: [file.element, name.element, content.element, faults, shared.element],
    fields: { name, pipeline: content },
    button: "Run",
    send: async () => {
      faults.hidden = true;
      onAccepted(await createPipeline({ name: name.value.trim(), pipeline: content.value, ...shared.body }));
    },
  });
  // All faults at once, as each has a line of its own.
  form.refused = (problem) => {
    const errors = problem.body.errors ?? [];
    if (problem.field === "name" || !problem.field?.startsWith("pipeline")) return Form.prototype.refused.call(form, problem);
    form.blame(content, errors.length > 1 ? `${errors.length} faults:` : problem.message);
    faults.hidden = errors.length < 2;
    faults.replaceChildren(...errors.map(({ line, field, detail }) => el("li", {}, [line && `line ${line}`, field?.replace(/^pipeline\.?/, ""), detail].filter(Boolean).join(": "))));
  };
  content.input.addEventListener("input", () => { faults.hidden = true; });
  file.input.addEventListener("change", async () => {
    const picked = file.input.files[0];
    if (!picked) return;
    content.input.value = await picked.text();
    content.complain("");
    faults.hidden = true;
    name.input.value = nameOf(picked);
  });
  return [
    intro("Run a pipeline",
      "A pipeline profiles a device, trains a supernet and a predictor, searches and retrains, in one job. "
      + "Its stages are the commands of pathfit with their options; leave out those that you do not need. Write a file with every option:",
      "pathfit pipeline sample -o pipeline.yaml"),
    form.element,
  ];
}
