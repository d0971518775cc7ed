// Adds a device: uploads the lookup table that the profiler wrote there.

import { upload } from "./api.js";
import { spaceOf } from "./catalog.js";
import { byId, el } from "./dom.js";
import { Field, text } from "./field.js";
import { picker, readJson } from "./files.js";
import { Form } from "./form.js";
import { conditionsOf, count } from "./format.js";
import { intro, outcome } from "./sheet.js";

export function tableForm({ learnt, search }) {
  const file = new Field("Table", picker("table-file", ".json,application/json"));
  const name = new Field("Name", text("table-name", { required: true }), { hint: "Refer to the table by this name in searches." });
  const after = outcome();
  let table = null;
  const form = new Form({
    parts: [file.element, name.element],
    fields: { name, file },
    button: "Upload",
    send: async () => {
      if (!table) return;
      const kept = await upload("/tables", { ...table, name: name.value.trim() });
      await learnt();
      const version = kept.version > 1 ? `, version ${kept.version}` : "";
      after.tell(`Uploaded ${kept.name}${version}. Searches can use it now.`,
        spaceOf(table.space) && el("button", { type: "button", onclick: () => search({ space: table.space, device: kept.name }) }, "Search with it"));
    },
  });
  // A problem names a field of the table's file: show it at the file.
  form.refused = (problem) => form.blame(problem.field === "name" ? name : file, problem.message);
  file.input.addEventListener("change", async () => {
    table = null;
    after.clear();
    file.help("");
    const chosen = file.input.files[0];
    if (!chosen) return;
    try {
      const found = await readJson(chosen);
      if (typeof found.blocks !== "object" || !found.space) throw new Error(`${chosen.name} is not a lookup table: it needs the fields blocks and space`);
      table = found;
      name.input.value = found.name ?? "";
      const sizes = `${count(Object.keys(found.blocks).length)} blocks, ${count(found.networks?.length ?? 0)} networks`;
      file.help([found.space, conditionsOf(found), sizes].filter(Boolean).join(" · "));
    } catch (error) {
      file.complain(error.message);
    }
  });
  return [
    intro("Add a device", "A table holds the cost of each block of a space on one device. Measure it with the profiler on that device:",
      `python -m profiler build --space '${byId("space").value || "spos"}' -o my-phone.json`,
      "Add ", el("code", {}, `--upload ${location.origin}`), " to upload the table from the device."),
    form.element, after.element,
  ];
}
