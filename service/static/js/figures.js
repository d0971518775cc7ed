// A row of figures: each a number with its unit and its name.

import { el } from "./dom.js";

export function figures(rows) {
  return el("dl", { class: "figures" }, rows.filter(Boolean).map(([name, value, unit]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value, unit && el("small", {}, ` ${unit}`)))));
}
