// Adding a device: the lookup table that the profiler wrote there.

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
  const name = new Field("Name", text("table-name", { required: true }), { hint: "What searches will call it." });
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
      after.tell(`${kept.name}${version} is here: searches may name it now.`,
        spaceOf(table.space) && el("button", { type: "button", onclick: () => search({ space: table.space, device: kept.name }) }, "Search with it"));
    },
  });
  // What is wrong with a table is told by its own fields.
  form.refused = (problem) => form.blame(problem.field === "name" ? name : file, problem.message);
  file.input.addEventListener("change", async () => {
    table = null;
    after.clear();
    file.help("");
    const chosen = file.input.files[0];
    if (!chosen) return;
    try {
      const found = await readJson(chosen);
      if (typeof found.blocks !== "object" || !found.space) throw new Error(`${chosen.name} is no lookup table: it has no blocks of a space`);
      table = found;
      name.input.value = found.name ?? "";
      const sizes = `${count(Object.keys(found.blocks).length)} blocks, ${count(found.networks?.length ?? 0)} networks`;
      file.help([found.space, conditionsOf(found), sizes].filter(Boolean).join(" · "));
    } catch (error) {
      file.complain(error.message);
    }
  });
  return [
    intro("Add a device", "A device's table tells what each block of a space costs there. The profiler measures it on the device itself:",
      `python -m profiler build --space '${byId("space").value || "spos"}' -o my-phone.json`,
      "With ", el("code", {}, `--upload ${location.origin}`), " the table comes here by itself."),
    form.element, after.element,
  ];
}
