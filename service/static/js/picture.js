// Test images with what is labelled in them and what the network found, of detectors and segmenters.

import { el } from "./dom.js";
import { filePath } from "./follow.js";

const NAME = "test.png"; // a pipeline writes the name of the stage in front

export function testPicture(job, files) {
  const name = files.find((file) => file === NAME || file.endsWith(`-${NAME}`));
  if (!name) return null;
  const alt = "Test images twice: above with what is labelled in them, below with what the network found";
  return el("section", { class: "found", "aria-labelledby": "found-title" },
    el("h3", { id: "found-title" }, "On test images"),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Picture of test images" },
      el("img", { src: filePath(job.id, name), alt, loading: "lazy" })));
}
