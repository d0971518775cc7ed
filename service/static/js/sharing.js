// A check box that adds an upload to the shared library; only administrators see it.

import { optional } from "./api.js";
import { el } from "./dom.js";
import { signedIn } from "./session.js";

export function shareBox(id) {
  const box = el("input", { type: "checkbox", id });
  const element = el("label", { class: "check", hidden: true }, box, "Share with everyone");
  // A service without tokens has one library, and no session to request.
  if (signedIn()) optional("/session", {}).then(({ administrator }) => { element.hidden = !administrator; }).catch(() => {});
  return { element, get body() { return box.checked ? { shared: true } : {}; } };
}
