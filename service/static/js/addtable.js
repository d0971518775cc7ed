// Adds a device: uploads the lookup table that the profiler wrote there.

import { upload } from "./api.js";
import { catalog, spaceOf, uploadedEntry } from "./catalog.js";
import { byId, el } from "./dom.js";
import { Field, text } from "./field.js";
import { picker, readJson } from "./files.js";
import { Form } from "./form.js";
import { conditionsOf, count } from "./format.js";
import { shareBox } from "./sharing.js";
import { intro, outcome } from "./sheet.js";

export function tableForm({ catalogChanged, search }) {
  const file = new Field("Table", picker("table-file", ".json,application/json"));
  const name = new Field("Name", text("table-name", { required: true }), { hint: "Refer to the table by this name in searches." });
  const shared = shareBox("table-shared");
  const result = outcome();
  let table = null;
  const form = new Form({
    parts: [file.element, name.element, shared.element],
    fields: { name, file },
    button: "Upload",
    send: async () => {
      if (!table) return;
      const uploaded = await upload("/tables", { ...table, name: name.value.trim(), ...shared.body });
      await catalogChanged();
      const version = uploaded.version > 1 ? `, version ${uploaded.version}` : "";
      result.show(`Uploaded ${uploaded.name}${version}. Searches can use it now.`,
        spaceOf(table.space) && el("button", { type: "button", onclick: () => search({ space: table.space, device: uploadedEntry(catalog.tables, uploaded)?.name ?? uploaded.name }) }, "Search with it"));
    },
  });
  // A problem names a field of the table's file: show it at the file.
  form.refused = (problem) => form.blame(problem.field === "name" ? name : file, problem.message);
  file.input.addEventListener("change", async () => {
    table = null;
    result.clear();
    file.help("");
    const picked = file.input.files[0];
    if (!picked) return;
    try {
      const content = await readJson(picked);
      if (typeof content.blocks !== "object" || !content.space) throw new Error(`${picked.name} is not a lookup table: it needs the fields blocks and space`);
      table = content;
      name.input.value = content.name ?? "";
      const sizes = `${count(Object.keys(content.blocks).length)} blocks, ${count(content.networks?.length ?? 0)} networks`;
      file.help([content.space, conditionsOf(content), sizes].filter(Boolean).join(" · "));
    } catch (error) {
      file.complain(error.message);
    }
  });
  return [
    intro("Add a device", "A table holds the cost of each block of a space on one device. Measure it with the profiler on that device:",
      `python -m profiler build --space '${byId("space").value || "spos"}' -o my-phone.json`,
      "Add ", el("code", {}, `--upload ${location.origin}`), " to upload the table from the device, or ", el("a", { href: "#/add/adaptation" }, "adapt a table"), " from those of other devices."),
    form.element, result.element,
  ];
}
