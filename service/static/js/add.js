// Forms that add to the service: a device's table, evaluations, or a predictor trained on them.

import { evaluationsForm } from "./addevaluations.js";
import { predictorForm } from "./addpredictor.js";
import { tableForm } from "./addtable.js";
import { catalog } from "./catalog.js";
import { byId, el, say } from "./dom.js";

const FORMS = { table: tableForm, evaluations: evaluationsForm, predictor: predictorForm };

export class Adding {
  // `learnt` reloads the catalog, `accepted` receives an accepted job, `search` receives choices for a new search.
  constructor(heard) {
    this.heard = heard;
    this.place = byId("result");
    this.what = null;
  }

  close() {
    this.what = null;
  }

  open(what) {
    if (this.what === what || !(what in FORMS)) return;
    this.what = what;
    this.place.replaceChildren(...FORMS[what](this.heard));
    say(this.place.querySelector("h2").textContent);
  }
}

// Lists the files that the service cannot use, with the reason, so that nobody searches for them.
export function tellUnusable() {
  const { unusable } = catalog;
  byId("unusable").replaceChildren(...(unusable.length ? [
    el("details", {},
      el("summary", {}, unusable.length === 1 ? "One file cannot be used" : `${unusable.length} files cannot be used`),
      el("ul", {}, unusable.map(({ name, error }) => el("li", {}, el("b", {}, name), el("small", {}, error))))),
  ] : []));
}
