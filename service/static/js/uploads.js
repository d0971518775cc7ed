// Lists the files that were uploaded to the service or trained there, and deletes them.

import { Away, Problem, get, request } from "./api.js";
import { catalog } from "./catalog.js";
import { announce, byId, el } from "./dom.js";
import { intro } from "./sheet.js";
import { signedIn } from "./session.js";

const PATHS = { table: "/tables", evaluations: "/evaluations", predictor: "/predictors" };
const TITLES = { table: "Device", evaluations: "Evaluations", predictor: "Predictor" };

export class Uploads {
  // `catalogChanged` reloads the catalog after a file was deleted.
  constructor({ catalogChanged }) {
    this.catalogChanged = catalogChanged;
    this.container = byId("result");
    this.opened = false;
  }

  close() {
    this.opened = false;
  }

  async open() {
    this.opened = true;
    // A service without tokens has one library, which everybody may change.
    const sender = signedIn() ? await get("/session").catch(() => ({})) : null;
    if (!this.opened) return;
    this.fault = el("p", { class: "fault", role: "alert" });
    const rows = removable(sender).map((entry) => this.row(entry));
    this.container.replaceChildren(
      intro("Uploaded and trained files", "Deleting a file removes all its versions. Jobs that were accepted before keep what they need of it."),
      this.fault,
      rows.length
        ? el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Files" },
          el("table", { class: "list" },
            el("thead", {}, el("tr", {}, ["Kind", "Name", "Space", "Version", "Delete"].map((heading) => el("th", { scope: "col" }, heading)))),
            el("tbody", {}, rows)))
        : el("p", { class: "hint" }, "No files of yours."));
    announce("Uploaded and trained files");
  }

  row({ kind, name, space, version, error }) {
    let wasPressed = false;
    const button = el("button", { type: "button", "aria-label": `Delete ${TITLES[kind].toLowerCase()} ${name}` }, "Delete");
    // At the second press, as nothing restores a file.
    button.addEventListener("click", () => {
      if (wasPressed) return this.remove(kind, name);
      wasPressed = true;
      button.textContent = "Delete all versions?";
      button.setAttribute("aria-label", `Delete all versions of ${name}?`);
    });
    return el("tr", {}, el("td", {}, TITLES[kind]), el("th", { scope: "row" }, name),
      el("td", {}, space ?? error ?? ""), el("td", { class: "number" }, version), el("td", {}, button));
  }

  async remove(kind, name) {
    try {
      await request("DELETE", `${PATHS[kind]}/${encodeURIComponent(name)}`);
    } catch (error) {
      if (!(error instanceof Away || error instanceof Problem)) throw error;
      this.fault.textContent = error.message;
      return;
    }
    await this.catalogChanged();
    if (!this.opened) return;
    await this.open();
    announce(`Deleted ${name}.`);
    this.container.focus();
  }
}

// Uploads and trained files that the sender may delete; files of the service's folders have no version.
function removable(sender) {
  const isOwn = ({ owner }) => sender === null || owner === sender.name || (owner === "shared" && sender.administrator);
  const entries = [
    ...catalog.tables.map((entry) => ({ kind: "table", ...entry })),
    ...catalog.evaluations.map((entry) => ({ kind: "evaluations", ...entry })),
    ...catalog.guides.filter(({ kind }) => kind === "predictor"),
    ...catalog.unusable.filter(({ kind }) => kind in PATHS),
  ];
  return entries.filter((entry) => entry.version && isOwn(entry));
}
