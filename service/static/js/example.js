// Offers the example where nothing can be searched yet: a small pipeline that adds a device and a predictor.

import { Away, Problem, createPipeline } from "./api.js";
import { catalog } from "./catalog.js";
import { announce, el, pageData } from "./dom.js";

const NAME = "example";

// Whether the service has nothing that scores networks, so that no search can start.
export const isFirstVisit = () => catalog.spaces.length > 0 && catalog.guides.length === 0;

// `onAccepted` receives the job of the example.
export function exampleOffer(onAccepted) {
  const button = el("button", { type: "button", class: "main", id: "run-example" }, "Run the example");
  const fault = el("p", { class: "fault", role: "alert" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    fault.textContent = "";
    announce("The example is being checked.");
    try {
      onAccepted(await createPipeline({ name: NAME, pipeline: pageData.example }));
    } catch (error) {
      if (error instanceof Problem) fault.textContent = `The example cannot run: ${error.message}.`;
      else if (error instanceof Away) fault.textContent = "The service does not respond; press the button again when it is available.";
      else throw error;
    } finally {
      button.disabled = false;
    }
  });
  return el("section", { class: "example", "aria-labelledby": "example-title" },
    el("h3", { id: "example-title" }, "Start with the example"),
    el("p", {}, "This service has no predictor and no supernet yet, so it cannot score networks. "
      + "The example takes about a minute: it measures the blocks of a small space on the service's processor, "
      + "trains a supernet on images of digits, and trains a predictor on its evaluations."),
    el("div", { class: "bar" }, button), fault,
    nextSteps("Or add your own: "));
}

// What to add for searches of one's own.
export function nextSteps(lead) {
  const link = (kind, text) => el("a", { href: `#/add/${kind}` }, text);
  return el("p", { class: "hint" }, lead, link("table", "a device"), " that your networks run on, ",
    link("evaluations", "evaluations"), " of networks that you trained, and ", link("predictor", "a predictor"), " that learns from them.");
}
