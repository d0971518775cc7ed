// Adapts a device's table from other devices' tables and a few networks that were measured on it.

import { upload } from "./api.js";
import { catalog, labelOf, spaceOf, uploadedEntry } from "./catalog.js";
import { announce, el } from "./dom.js";
import { Field, number, text } from "./field.js";
import { picker, readJson } from "./files.js";
import { Form } from "./form.js";
import { shareBox } from "./sharing.js";
import { intro, outcome } from "./sheet.js";

export function adaptationForm({ catalogChanged, search }) {
  const select = el("select", { id: "adapt-sources", multiple: true, required: true, size: 5 },
    catalog.tables.map((entry) => el("option", { value: entry.name }, `${labelOf(entry)} · ${entry.space}`)));
  const sources = new Field("Known devices", select, { hint: "Several tables of one space." });
  const networks = new Field("Networks to measure", number("adapt-networks", { min: 3, max: 100, step: 1, value: 10 }));
  const file = new Field("Measured latencies", picker("adapt-file", ".json,application/json"), {
    hint: "The downloaded file, with the latency of each network in milliseconds.",
  });
  const device = new Field("Device", text("adapt-device", { required: true }));
  const name = new Field("Name", text("adapt-name", { required: true }), { hint: "Refer to the table by this name in searches." });
  const shared = shareBox("adapt-shared");
  const result = outcome();
  const chosen = () => Array.from(select.selectedOptions, (option) => option.value);
  const designer = new Form({
    parts: [sources.element, networks.element],
    fields: { sources, networks },
    button: "Download the networks",
    send: async () => {
      const design = await upload("/tables/design", { sources: chosen(), networks: networks.number });
      const measured = design.architectures.map((architecture) => ({ architecture, latency_ms: null }));
      save("networks.json", { measured });
      announce(`${measured.length} networks of ${design.space}`);
    },
  });
  let measured = null;
  const form = new Form({
    parts: [file.element, device.element, name.element, shared.element],
    fields: { name, device, measured: file, sources },
    button: "Adapt",
    send: async () => {
      if (!measured) return;
      const body = { name: name.value.trim(), sources: chosen(), device: device.value.trim(), measured, ...shared.body };
      const uploaded = await upload("/tables/adapt", body);
      await catalogChanged();
      const entry = uploadedEntry(catalog.tables, uploaded);
      result.show(`Adapted ${uploaded.name}. Searches can use it now.`,
        entry && spaceOf(entry.space) && el("button", { type: "button", onclick: () => search({ space: entry.space, device: entry.name }) }, "Search with it"));
    },
  });
  file.input.addEventListener("change", async () => {
    measured = null;
    result.clear();
    const picked = file.input.files[0];
    if (!picked) return;
    try {
      const content = await readJson(picked);
      if (!Array.isArray(content.measured)) throw new Error(`${picked.name} has no field measured, as the downloaded file`);
      const missing = content.measured.filter(({ latency_ms }) => !(latency_ms > 0)).length;
      if (missing) throw new Error(`${picked.name}: ${missing} of ${content.measured.length} networks have no latency_ms above 0`);
      measured = content.measured;
      file.help(`${measured.length} networks`);
    } catch (error) {
      // A browser reports the same file again only after it was cleared.
      file.input.value = "";
      file.complain(error.message);
    }
  });
  return [
    intro("Adapt a device",
      "Ten measured networks and the tables of other devices make a new device's table. Where the profiler runs on the device, it does all of this:",
      "python -m profiler adapt --from my-cpu.json,my-gpu.json -o my-board.json",
      "Add ", el("code", {}, `--upload ${location.origin}`), " to upload the table from the device."),
    designer.element, form.element, result.element,
  ];
}

function save(name, content) {
  const address = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
