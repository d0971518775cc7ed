// A form that asks the service for something: a refusal stands beside the field that is to blame.

import { Away, Problem } from "./api.js";
import { el, say } from "./dom.js";

export class Form {
  // `fields` maps the request's names, dotted, to fields; `send` asks, and is called once nothing is missing.
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
    const wrong = Object.values(this.fields).filter((field) => !this.whole(field));
    if (wrong.length) return wrong[0].input.focus();
    this.button.disabled = true;
    try {
      await this.send();
    } catch (error) {
      if (error instanceof Problem) this.refused(error);
      else if (error instanceof Away) this.complain(`The service does not answer; press ${this.button.textContent} again once it is back.`);
      else throw error;
    } finally {
      this.button.disabled = false;
    }
  }

  // What the browser knows to be wrong, in a sentence of ours.
  whole(field) {
    const { validity, type, min, max, required, value } = field.input;
    if (required && !value.trim() && type !== "file") field.complain("this is needed");
    else if (type === "file" && required && !field.input.files.length) field.complain("choose a file");
    else if (validity?.badInput) field.complain("a number is needed");
    else if (validity?.rangeUnderflow) field.complain(`${min} at least`);
    else if (validity?.rangeOverflow) field.complain(`${max} at most`);
    else if (validity?.stepMismatch) field.complain("a whole number is needed");
    else return true;
    return false;
  }

  refused(problem) {
    const name = Object.keys(this.fields).find((field) => problem.field === field || problem.field?.startsWith(`${field}.`));
    if (name) this.blame(this.fields[name], problem.message);
    else this.complain(problem.message);
    say(problem.message);
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
