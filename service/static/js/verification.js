// The networks of a search that were measured on the device, next to what was predicted of them.

import { Away, Problem, upload } from "./api.js";
import { el } from "./dom.js";
import { digits } from "./format.js";
import { outcome } from "./sheet.js";

// The section of a search's verification; null where nothing was to be measured. `refined` is called with the search after its table has learned.
export function verificationSection({ search, result }, refined) {
  if (!result.verification) return null;
  const { networks, excluded, note, limit_ms: limit, table } = result.verification;
  const rows = [...networks.map((network) => row(network, "")), ...excluded.map((network) => row(network, "breaks the limit"))];
  const about = `Measured under the conditions of ${table}${limit === null ? "" : `, limit ${digits(limit, 4)} ms`}.`;
  return el("section", { "aria-labelledby": "verified-title" },
    el("h3", { id: "verified-title" }, "Measured on the device"),
    el("p", { class: "hint" }, about), note && el("p", { class: "notice" }, note),
    rows.length > 0 && el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Measured networks" },
      el("table", { class: "list" },
        el("thead", {}, el("tr", {}, ["Place by score", "Predicted ms", "Measured ms", "Remark"].map((heading) => el("th", { scope: "col" }, heading)))),
        el("tbody", {}, rows))),
    ...(result.files?.includes("measured.json") ? refinement(search, refined) : []));
}

function row({ rank, predicted_ms: predicted, measured_ms: measured, error_ms: error }, remark) {
  // Results of earlier versions have no standard error.
  const spread = error === undefined || error === null ? "" : ` ± ${digits(error, 2)}`;
  return el("tr", {}, el("th", { scope: "row" }, rank + 1), el("td", { class: "number" }, digits(predicted, 4)),
    el("td", { class: "number" }, digits(measured, 4) + spread), el("td", {}, remark));
}

// A button that adds the measured networks to the device's table, and what came of it.
function refinement({ id, request }, refined) {
  const result = outcome();
  const fault = el("p", { class: "fault", role: "alert" });
  const button = el("button", { type: "button", onclick: refine }, `Refine ${request.device}`);
  async function refine() {
    button.disabled = true;
    fault.textContent = "";
    try {
      const { name, version, added, sigma_before_ms: before, sigma_ms: after } = await upload(`/tables/${encodeURIComponent(request.device)}/refinement`, { search: id });
      result.show(`Version ${version} of ${name} has ${added} more networks; its estimates deviate by ${digits(after ?? 0, 3)} ms rather than ${digits(before ?? 0, 3)} ms.`,
        el("button", { type: "button", onclick: () => refined.search({ ...request, device: name }) }, "Search with it"));
      button.hidden = true;
      await refined.catalogChanged();
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error;
      fault.textContent = error instanceof Away ? "The service does not respond; press the button again when it is available." : error.message;
    } finally {
      button.disabled = false;
    }
  }
  return [el("div", { class: "bar" }, button, el("span", { class: "hint" }, "Adds these networks to the device's table, so that its estimates err less.")), fault, result.element];
}
