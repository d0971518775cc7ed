// The dialog that names, tags or deletes a job.

import { Away, Problem, request } from "./api.js";
import { announce, byId, el } from "./dom.js";
import { Field, text } from "./field.js";
import { jobPath, over } from "./follow.js";

// Opens the dialog; `onChanged` is called after a change, with true if the job was deleted.
export function editJob(job, title, onChanged) {
  const dialog = byId("edit-job");
  const name = new Field("Name", text("job-name", { maxlength: 200, value: job.name ?? "" }));
  const tags = new Field("Tags", text("job-tags", { value: (job.tags ?? []).join(", ") }), { hint: "Separated by commas." });
  const fault = el("p", { class: "fault", role: "alert" });

  async function change(method, path, body) {
    fault.textContent = "";
    try {
      await request(method, path, { body });
    } catch (error) {
      if (!(error instanceof Away || error instanceof Problem)) throw error;
      if (error.field === "name") name.complain(error.message);
      else if (error.field?.startsWith("tags")) tags.complain(error.message);
      else fault.textContent = error.message;
      return;
    }
    dialog.close();
    const isDeleted = method === "DELETE";
    announce(isDeleted ? "Deleted." : "Saved.");
    await onChanged(isDeleted);
  }

  const form = el("form", { novalidate: true }, name.element, tags.element, fault,
    el("div", { class: "bar" },
      el("button", { class: "main" }, "Save"),
      el("button", { type: "button", onclick: () => dialog.close() }, "Close"),
      deleteButton(job, () => change("DELETE", `${jobPath(job.id)}?remove=true`))));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const list = tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
    change("PATCH", jobPath(job.id), { name: name.value, tags: list });
  });
  dialog.replaceChildren(el("h2", { id: "edit-job-title" }, title), form);
  dialog.showModal();
}

// Deletes at the second press, as nothing restores a job.
function deleteButton(job, remove) {
  if (!over(job)) return el("button", { type: "button", disabled: true, title: "Cancel the job first" }, "Delete");
  let wasPressed = false;
  return el("button", {
    type: "button", id: "delete-job",
    onclick: ({ target }) => {
      if (wasPressed) return remove();
      wasPressed = true;
      target.textContent = "Delete with its files?";
    },
  }, "Delete");
}
