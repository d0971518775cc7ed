// Devices elsewhere that measure for the service: their state, and a table that is built on one.

import { create, get } from "./api.js";
import { catalog } from "./catalog.js";
import { byId, el } from "./dom.js";
import { Field, choice, number, text } from "./field.js";
import { Form } from "./form.js";
import { shareBox } from "./sharing.js";
import { intro } from "./sheet.js";

export function deviceForm({ onAccepted }) {
  const list = el("div", {}, el("p", { class: "hint" }, "Loading the devices."));
  const device = new Field("Device", choice("agent-device"));
  const space = new Field("Search space", choice("agent-space"));
  const budget = new Field("Seconds", number("agent-budget", { min: 1, max: 86400, value: 60 }), { hint: "After these no further round begins." });
  const name = new Field("Name", text("agent-table"), { hint: "Left empty: the device and the space." });
  const shared = shareBox("agent-shared");
  space.input.append(...catalog.spaces.map((entry) => el("option", { value: entry.name }, entry.name)));
  if (byId("space").value) space.input.value = byId("space").value;
  const form = new Form({
    parts: [device.element, space.element, budget.element, name.element, shared.element],
    fields: { device, space, budget_s: budget, name },
    button: "Build its table",
    send: async () => {
      const body = { device: device.value, space: space.value, budget_s: budget.number, ...shared.body };
      if (name.value.trim()) body.name = name.value.trim();
      onAccepted(await create("/tables", body));
    },
  });
  form.element.hidden = true;
  show(list, device, form);
  return [
    intro("Measure on a device", "An agent on a device takes measuring jobs from this service: tables of its spaces, and the best networks of searches. Start it there:",
      `python -m profiler agent --service ${location.origin} --name my-board`,
      "With tokens it needs one of its own, which your operator makes by ", el("code", {}, "python -m service token create my-board --agent-of YOU"), "."),
    list, form.element,
  ];
}

async function show(list, device, form) {
  let agents;
  try {
    agents = (await get("/agents")).items;
  } catch (error) {
    list.replaceChildren(el("p", { class: "fault", role: "alert" }, error.message));
    return;
  }
  device.input.replaceChildren(...agents.map(({ name }) => el("option", { value: name }, name)));
  form.element.hidden = agents.length === 0;
  if (!agents.length) return list.replaceChildren(el("p", { class: "hint" }, "No device yet."));
  const headings = ["Device", "State", "Processor", "Threads", "Runtimes"];
  list.replaceChildren(el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Devices" },
    el("table", { class: "list" },
      el("thead", {}, el("tr", {}, headings.map((heading) => el("th", { scope: "col" }, heading)))),
      el("tbody", {}, agents.map(row)))));
}

function row({ name, state, device, threads, backends, has_torch, seen_s }) {
  const away = state === "away" ? `away for ${Math.round(seen_s / 60)} min` : state;
  return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, away), el("td", {}, device.processor),
    el("td", { class: "number" }, threads), el("td", {}, `${backends.join(", ")}${has_torch ? "" : ", of exported blocks"}`));
}
