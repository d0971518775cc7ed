// The parts of a page with one form: what it is for, and what came of it.

import { el } from "./dom.js";

// The head of a form: what is added, where it comes from, and the command that makes it.
export function intro(title, about, command, ...more) {
  return el("div", { class: "intro" },
    el("h2", { class: "sentence" }, title), el("p", { class: "hint" }, about),
    command && el("pre", { tabindex: 0, "aria-label": "Command" }, el("code", {}, command)),
    more.length > 0 && el("p", { class: "hint" }, more));
}

// What came of it, with what to do next; it takes the place of what came of the form before.
export function outcome() {
  const place = el("div", { role: "status" });
  return {
    element: place,
    tell: (text, ...next) => place.replaceChildren(el("div", { class: "notice" }, el("p", {}, text), el("div", { class: "bar" }, next))),
    clear: () => place.replaceChildren(),
  };
}
