// The networks of a search that were measured on the device, next to what was predicted of them.

import { el } from "./dom.js";
import { digits } from "./format.js";

// The section of a verification; null where nothing was to be measured.
export function verificationSection(verification) {
  if (!verification) return null;
  const { networks, excluded, note, limit_ms: limit, table } = verification;
  const rows = [...networks.map((network) => row(network, "")), ...excluded.map((network) => row(network, "breaks the limit"))];
  const about = `Measured under the conditions of ${table}${limit === null ? "" : `, limit ${digits(limit, 4)} ms`}.`;
  return el("section", { "aria-labelledby": "verified-title" },
    el("h3", { id: "verified-title" }, "Measured on the device"),
    el("p", { class: "hint" }, about), note && el("p", { class: "notice" }, note),
    rows.length > 0 && el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Measured networks" },
      el("table", { class: "list" },
        el("thead", {}, el("tr", {}, ["Place by score", "Predicted ms", "Measured ms", ""].map((heading) => el("th", { scope: "col" }, heading)))),
        el("tbody", {}, rows))));
}

function row({ rank, predicted_ms: predicted, measured_ms: measured }, remark) {
  return el("tr", {}, el("th", { scope: "row" }, rank + 1), el("td", { class: "number" }, digits(predicted, 4)),
    el("td", { class: "number" }, digits(measured, 4)), el("td", {}, remark));
}
