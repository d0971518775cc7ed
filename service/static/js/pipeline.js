// Shows the stages of a pipeline as steps, and the files of each once it is done.

import { el } from "./dom.js";
import { nextSteps } from "./example.js";
import { filePath } from "./follow.js";
import { seconds } from "./format.js";
import { testPicture } from "./picture.js";

// Commands print deviations in ASCII.
const resultText = (result) => result.replaceAll(" +- ", " ± ");

// The stages of a running pipeline, which `show` replaces whenever one has changed.
export class Steps {
  constructor(names) {
    this.element = el("div", { class: "scroll" });
    this.show(names.map((name) => ({ name, state: "waiting", seconds: 0, result: "" })));
  }

  show(steps) {
    const text = JSON.stringify(steps);
    if (!steps || text === this.renderedText) return;
    this.renderedText = text;
    this.element.replaceChildren(table(steps, ["Stage", "State", "Result"], (step) => [step.state, resultText(step.result)]));
  }
}

// The content of a pipeline that is done: the stages with their results and files, and what can follow.
export function finishedPipeline(job, search) {
  const { name, stages, published } = job.result;
  // Proxies are evaluations too, so that they have a name of their own.
  const kinds = Object.keys(published).map((kind) => (kind === "proxies" ? `proxies (as ${name}-proxies)` : kind));
  const added = kinds.length ? `Added to the service as ${name}: ${kinds.join(", ")}.` : "";
  const files = (stage) => stage.files.map((file) => el("a", {
    class: "button", href: filePath(job.id, file), download: file,
  }, file));
  return [
    el("div", { class: "scroll" }, table(stages, ["Stage", "Time", "Result", "Files"], (stage) => [
      seconds(stage.seconds), resultText(stage.result), el("div", { class: "bar" }, files(stage)),
    ])),
    testPicture(job, stages.flatMap(({ files }) => files)),
    added && el("p", { class: "hint" }, added),
    ...(published.predictor ? following(job, search) : []),
  ].filter(Boolean);
}

// A search with what the pipeline added, and what to add next.
function following({ request, result }, search) {
  const device = result.published.table ? result.name : undefined;
  const choices = { space: request.space, device, guide: { kind: "predictor", name: result.name } };
  return [
    el("div", { class: "bar" }, el("button", { type: "button", class: "main", onclick: () => search(choices) }, "Search with it")),
    nextSteps("Next, add "),
  ];
}

export function ofPipeline({ name, space, stages = [] }, done) {
  const title = [done ? "The pipeline " : "Running the pipeline ", el("em", {}, name ?? "")];
  return [title, [space, stages.join(", ")]];
}

function table(rows, headings, cells) {
  return el("table", { class: "list steps" },
    el("thead", {}, el("tr", {}, headings.map((heading) => el("th", { scope: "col" }, heading)))),
    el("tbody", {}, rows.map((row) => el("tr", { "aria-current": row.state === "running" ? "step" : null },
      el("th", { scope: "row" }, row.name), cells(row).map((cell) => el("td", {}, cell))))));
}
