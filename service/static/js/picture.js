// Test images with what is labelled in them and what the network found, of detectors and segmenters.

import { announce, el } from "./dom.js";
import { networkPath } from "./downloads.js";
import { filePath } from "./follow.js";

const NAME = "test.png"; // a pipeline writes the name of the stage in front
const ALT = "Test images twice: above with what is labelled in them, below with what the network found";

export function testPicture(job, files) {
  const name = files.find((file) => file === NAME || file.endsWith(`-${NAME}`));
  if (!name) return null;
  return section(framed(filePath(job.id, name)));
}

// The same of a network of a search that a supernet guided, with the supernet's weights; drawing takes seconds.
export function supernetPicture(search, rank) {
  const { kind, task = "" } = search.result.guide ?? {};
  if (kind !== "supernet" || !/^(detection|segmentation)\b/.test(task)) return null;
  const button = el("button", { type: "button", onclick: () => show() }, "Draw with the supernet's weights");
  const part = section(button);
  const show = () => {
    button.disabled = true;
    button.textContent = "Drawing";
    const picture = framed(networkPath(search, rank, "found"));
    const image = picture.querySelector("img");
    image.loading = "eager";
    image.addEventListener("load", () => button.replaceWith(picture));
    image.addEventListener("error", () => {
      button.replaceWith(el("p", { class: "notice bad", role: "alert" }, "The picture cannot be drawn."));
      announce("The picture cannot be drawn.");
    });
  };
  return part;
}

const section = (content) => el("section", { class: "found", "aria-labelledby": "found-title" },
  el("h3", { id: "found-title" }, "On test images"), content);

const framed = (src) => el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Picture of test images" },
  el("img", { src, alt: ALT, loading: "lazy" }));
