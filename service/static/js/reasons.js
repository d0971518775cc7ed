// The line that says why a network was chosen: its limits with their margins, and the evidence.

import { Away, Problem, get } from "./api.js";
import { el } from "./dom.js";
import { pathOf } from "./follow.js";

export async function reasonLine({ id }, rank) {
  try {
    const { sentence } = await get(`${pathOf(id)}/architectures/${rank}/reasons?of=candidates`);
    return el("p", { class: "reason" }, el("b", {}, "Why this network: "), sentence);
  } catch (error) {
    if (error instanceof Problem || error instanceof Away) return ""; // the network is shown without it
    throw error;
  }
}
