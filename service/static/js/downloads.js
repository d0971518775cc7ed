// Downloads of a search and of one of its networks, and the command that trains the network.

import { announce, el } from "./dom.js";
import { pathOf } from "./follow.js";
import { signedIn } from "./session.js";

const OF_NETWORK = [
  { format: "pathfit", text: "JSON", ending: "json" },
  { format: "nni", text: "NNI", ending: "nni.json" },
  { format: "onnx", text: "ONNX", ending: "onnx" },
  { format: "svg", text: "Drawing", ending: "svg" },
];

export function searchFiles(search) {
  const name = `pathfit-${search.id.slice(0, 8)}`;
  return [
    link("CSV", `${pathOf(search.id)}/front.csv`, `${name}-front.csv`, "The front as CSV"),
    link("JSON", `${pathOf(search.id)}?candidates=1`, `${name}.json`, "The whole result as JSON"),
    link("SVG", `${pathOf(search.id)}/front.svg`, `${name}-front.svg`, "The plot as SVG"),
    link("PNG", `${pathOf(search.id)}/front.png`, `${name}-front.png`, "The plot as PNG"),
  ];
}

export function networkFiles(search, rank) {
  const name = `pathfit-${search.id.slice(0, 8)}-${rank}`;
  return OF_NETWORK.flatMap(({ format, text, ending }) => {
    const path = networkPath(search, rank, format);
    const anchor = link(text, path, `${name}.${ending}`, `This network as ${text}`);
    if (format !== "onnx") return [anchor];
    anchor.title += ", with untrained weights";
    const weighted = link("ONNX, supernet", `${path}&weights=supernet`, `${name}-supernet.onnx`, "This network as ONNX with the supernet's weights");
    const anchors = search.request.guide?.kind === "supernet" ? [anchor, weighted] : [anchor];
    for (const item of anchors) item.addEventListener("click", patiently);
    return anchors;
  });
}

// An export takes seconds: show that it is in progress, and its error next to the link.
async function patiently(event) {
  event.preventDefault();
  const anchor = event.currentTarget;
  if (anchor.getAttribute("aria-busy") === "true") return;
  const text = anchor.textContent;
  const before = anchor.parentElement.nextElementSibling;
  if (before?.matches(".fault")) before.remove();
  anchor.setAttribute("aria-busy", "true");
  anchor.textContent = `Preparing ${text}`;
  announce(`${text} is being prepared.`);
  try {
    const answer = await fetch(anchor.href, { credentials: "same-origin" });
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? `the service responded with status ${answer.status}`);
    const address = URL.createObjectURL(await answer.blob());
    el("a", { href: address, download: anchor.download }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    anchor.textContent = text;
  } catch (error) {
    anchor.textContent = text;
    anchor.parentElement.after(el("p", { class: "fault", role: "alert" }, `${text} failed: ${error.message}`));
  }
  anchor.removeAttribute("aria-busy");
}

export const networkPath = (search, rank, format) => `${pathOf(search.id)}/architectures/${rank}?of=candidates&format=${format}`;

const link = (text, href, download, label) => el("a", { class: "button", href, download, "aria-label": label, title: label }, text);

// Returns the commands that fetch and train an architecture; a token comes from the shell's environment.
export function retrainCommand(search, rank, isOfText) {
  const url = new URL(networkPath(search, rank, "pathfit"), location.href);
  const name = `network-${search.id.slice(0, 8)}-${rank}`;
  const token = signedIn() ? `-H "Authorization: Bearer $PATHFIT_TOKEN" ` : "";
  const task = isOfText ? "language" : search.result?.guide?.task ?? "classification";
  const data = task === "classification" ? "--data digits" : `--data ${isOfText ? "text:FOLDER" : "DATA"} --task '${task}'`;
  return `curl ${token}-o ${name}.json '${url}'\npython -m oneshot retrain --arch ${name}.json ${data} -o runs/${name}`;
}

export function commandBox(text) {
  const button = el("button", { type: "button", id: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    const copied = await copy(text);
    button.textContent = copied ? "Copied" : "Select and copy";
    announce(copied ? "Copied the command." : "The browser does not allow copying; select the command and copy it.");
    setTimeout(() => (button.textContent = "Copy"), 2500);
  });
  return el("div", { class: "command" }, el("pre", { tabindex: 0, "aria-label": "Command that trains this network" }, el("code", {}, text)), button);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers offer the clipboard on secure addresses only; copy a selection elsewhere.
    const field = el("textarea", { class: "unseen", "aria-hidden": "true" });
    document.body.append(field);
    field.value = text;
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}
