// Forms that add to the service: a device's table, evaluations, a predictor trained on them, or all by a pipeline.

import { adaptationForm } from "./adapttable.js";
import { deviceForm } from "./adddevice.js";
import { evaluationsForm } from "./addevaluations.js";
import { pipelineForm } from "./addpipeline.js";
import { predictorForm } from "./addpredictor.js";
import { tableForm } from "./addtable.js";
import { catalog } from "./catalog.js";
import { announce, byId, el } from "./dom.js";

const FORMS = { device: deviceForm, table: tableForm, adaptation: adaptationForm, evaluations: evaluationsForm, predictor: predictorForm, pipeline: pipelineForm };

export class Adding {
  // `catalogChanged` reloads the catalog, `onAccepted` receives an accepted job, `search` receives choices for a new search.
  constructor(callbacks) {
    this.callbacks = callbacks;
    this.container = byId("result");
    this.kind = null;
  }

  close() {
    this.kind = null;
  }

  open(kind) {
    if (this.kind === kind || !(kind in FORMS)) return;
    this.kind = kind;
    this.container.replaceChildren(...FORMS[kind](this.callbacks));
    announce(this.container.querySelector("h2").textContent);
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
