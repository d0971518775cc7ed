// A measurement on a device elsewhere: a table that is built there, or compared with networks there.

import { el } from "./dom.js";
import { figures } from "./figures.js";
import { count, digits } from "./format.js";

export function ofMeasurement({ task, device, name, table, space }, done) {
  const subject = el("em", {}, name ?? table ?? "");
  const title = task === "validate" ? [done ? "The validation of " : "Validating ", subject] : [done ? "The table " : "Building the table ", subject];
  return [title, [`on ${device}`, space]];
}

export function finishedMeasurement({ request, result }, search) {
  if (result.validation) {
    const { estimate, networks, rounds } = result.validation;
    return [figures([
      ["Mean error", `${digits(100 * estimate.mape, 3)} %`],
      ["Spearman", digits(estimate.spearman, 3)],
      ["Networks", count(networks)],
      ["Rounds", count(rounds)],
    ])];
  }
  return [
    figures([["Blocks", count(result.blocks)], ["Networks", count(result.networks)], ["Version", count(result.version)]]),
    el("div", { class: "bar" }, el("button", { type: "button", onclick: () => search({ space: request.space, device: result.table }) }, "Search with it")),
  ];
}
