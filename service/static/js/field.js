// A labelled field with its hint and its error.

import { el } from "./dom.js";

export class Field {
  constructor(label, input, { hint = "", wide = false } = {}) {
    const { id } = input;
    this.input = input;
    this.hint = el("p", { class: "hint", id: `${id}-hint` }, hint);
    this.fault = el("p", { class: "fault", id: `${id}-fault`, role: "alert" });
    this.element = el("div", { class: wide ? "field wide" : "field" }, el("label", { for: id }, label), input, this.hint, this.fault);
    input.setAttribute("aria-describedby", `${this.fault.id} ${this.hint.id}`);
    input.addEventListener(input.tagName === "SELECT" ? "change" : "input", () => this.complain(""));
  }

  get value() {
    return this.input.value;
  }

  // The number, or undefined if the field is empty.
  get number() {
    const value = this.input.valueAsNumber;
    return Number.isNaN(value) ? undefined : value;
  }

  help(...content) {
    this.hint.replaceChildren(...content);
  }

  complain(text, invalid = true) {
    this.fault.textContent = text;
    if (text && invalid) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

// The lines of a text without the empty ones.
export const linesOf = (value) => value.split("\n").map((line) => line.trim()).filter(Boolean);

export const choice = (id) => el("select", { id });
export const number = (id, attributes = {}) => el("input", { type: "number", id, min: 0, step: "any", ...attributes });
export const lines = (id, attributes = {}) => el("textarea", { id, rows: 2, autocomplete: "off", spellcheck: "false", ...attributes });
export const text = (id, attributes = {}) => el("input", { type: "text", id, autocomplete: "off", spellcheck: "false", ...attributes });
