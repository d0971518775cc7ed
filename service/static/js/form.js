// A form that sends a request and shows a refusal at the field that caused it.

import { Away, Problem } from "./api.js";
import { announce, el } from "./dom.js";

export class Form {
  // `fields` maps the request's dotted names to fields; `send` is called when all fields are valid.
  constructor({ parts, fields, button, send }) {
    this.fields = fields;
    this.button = el("button", { class: "main" }, button);
    this.general = el("p", { class: "fault", role: "alert" });
    this.send = send;
    this.element = el("form", { class: "sheet", novalidate: true }, parts, el("div", { class: "send" }, this.button, this.general));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  async submit() {
    if (this.button.disabled) return;
    this.complain("");
    for (const field of Object.values(this.fields)) field.complain("");
    const invalid = Object.values(this.fields).filter((field) => !this.isValid(field));
    if (invalid.length) return invalid[0].input.focus();
    this.button.disabled = true;
    try {
      await this.send();
    } catch (error) {
      if (error instanceof Problem) this.refused(error);
      else if (error instanceof Away) this.complain(`The service does not respond; press ${this.button.textContent} again when it is available.`);
      else throw error;
    } finally {
      this.button.disabled = false;
    }
  }

  // Checks a field by the browser's validation, but with messages in the page's language.
  isValid(field) {
    const { validity, type, min, max, required, value } = field.input;
    if (required && !value.trim() && type !== "file") field.complain("enter a value");
    else if (type === "file" && required && !field.input.files.length) field.complain("choose a file");
    else if (validity?.badInput) field.complain("enter a number");
    else if (validity?.rangeUnderflow) field.complain(`enter at least ${min}`);
    else if (validity?.rangeOverflow) field.complain(`enter at most ${max}`);
    else if (validity?.stepMismatch) field.complain("enter a whole number");
    else return true;
    return false;
  }

  refused(problem) {
    const name = Object.keys(this.fields).find((field) => problem.field === field || problem.field?.startsWith(`${field}.`));
    if (name) this.blame(this.fields[name], problem.message);
    else this.complain(problem.message);
    announce(problem.message);
  }

  blame(field, message) {
    field.complain(message);
    const closed = field.element.closest("details");
    if (closed) closed.open = true;
    field.input.focus();
  }

  complain(message) {
    this.general.textContent = message;
  }
}
