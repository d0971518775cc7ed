// A row of figures: each a number, its unit, and below it what it is.

import { el } from "./dom.js";

export function figures(rows) {
  return el("dl", { class: "figures" }, rows.filter(Boolean).map(([name, value, unit]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value, unit && el("small", {}, ` ${unit}`)))));
}
