// Signs in to a service that requires a token: exchanges it once for a session cookie that
// scripts cannot read.

import { byId, el } from "./dom.js";

let pending = null;

export function signIn() {
  pending ??= exchange().finally(() => {
    pending = null;
  });
  return pending;
}

async function exchange() {
  const dialog = byId("sign-in");
  await new Promise((done) => {
    const fault = el("p", { class: "fault", role: "alert", id: "token-fault" });
    const token = el("input", {
      type: "password", id: "token", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "token-fault",
    });
    const form = el("form", {},
      el("div", { class: "field" }, el("label", { for: "token" }, "Token"), token, fault),
      el("button", { class: "main" }, "Sign in"),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      fault.textContent = await refused(token.value.trim());
      if (fault.textContent) return token.select();
      dialog.close();
      done();
    });
    dialog.replaceChildren(
      el("h2", { id: "sign-in-title" }, "Sign in"),
      el("p", { class: "hint" }, "This service requires a token. Its operator creates one with ",
        el("code", {}, "python -m service token create"), "."),
      form,
    );
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    if (!dialog.open) dialog.showModal();
    token.focus();
  });
  byId("sign-out").hidden = false;
  localStorage.setItem("signed-in", "yes");
}

// Returns why a token is refused, or an empty text if it is accepted.
async function refused(token) {
  try {
    const answer = await fetch("/session", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }), credentials: "same-origin",
    });
    if (answer.ok) return "";
    const problem = await answer.json().catch(() => ({}));
    return problem.detail ?? "the token is not accepted";
  } catch {
    return "the service does not respond; try again";
  }
}

export const signedIn = () => localStorage.getItem("signed-in") !== null;

export function offerSignOut() {
  const button = byId("sign-out");
  button.hidden = !signedIn();
  button.addEventListener("click", async () => {
    await fetch("/session", { method: "DELETE", credentials: "same-origin" });
    localStorage.removeItem("signed-in");
    location.reload();
  });
}
