// The parts around a form: its introduction and its outcome.

import { el } from "./dom.js";

// The introduction of a form: its title, its purpose, and the command that creates the file.
export function intro(title, about, command, ...more) {
  return el("div", { class: "intro" },
    el("h2", { class: "sentence" }, title), el("p", { class: "hint" }, about),
    command && el("pre", { tabindex: 0, "aria-label": "Command" }, el("code", {}, command)),
    more.length > 0 && el("p", { class: "hint" }, more));
}

// The outcome of a form with the next step; it replaces the previous outcome.
export function outcome() {
  const container = el("div", { role: "status" });
  return {
    element: container,
    show: (text, ...next) => container.replaceChildren(el("div", { class: "notice" }, el("p", {}, text), el("div", { class: "bar" }, next))),
    clear: () => container.replaceChildren(),
  };
}
