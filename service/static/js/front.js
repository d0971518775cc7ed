// The front as a table: the networks of the plot, for keyboards and screen readers.

import { el } from "./dom.js";
import { betterOf, cost, unitOf } from "./format.js";

export function frontTable(candidates, metric, selected, onChoose) {
  const metrics = candidates.metrics;
  const ranks = candidates.front(metric).reverse();
  const rows = selected === null || ranks.includes(selected) ? ranks : [selected, ...ranks];
  return el("div", { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "The front" },
    el("table", { class: "list front" },
      el("thead", {}, el("tr", {},
        el("th", { scope: "col" }, candidates.scoreName, candidates.quality && el("span", { class: "hint" }, ` (${betterOf(candidates.quality)})`)),
        metrics.map((name) => el("th", { scope: "col", class: "right" }, unitOf(name).name)),
        el("th", { scope: "col" }, "Network"),
      )),
      el("tbody", {}, rows.map((rank) => el("tr", { "aria-selected": rank === selected ? "true" : "false" },
        el("td", {}, el("button", {
          type: "button", id: `rank-${rank}`, "aria-pressed": rank === selected ? "true" : "false", onclick: () => onChoose(rank),
        },
          candidates.scoreText(rank))),
        metrics.map((name) => el("td", { class: "right" }, cost(name, candidates.costs[name][rank]))),
        el("td", { class: "choices", title: candidates.names(rank).join(" ") }, candidates.names(rank).join(" ")),
      ))),
    ),
  );
}
