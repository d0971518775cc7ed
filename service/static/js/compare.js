// Compares searches: lists their best networks in one table; the plot shows their fronts.

import { el } from "./dom.js";
import { cost, count, limits, seconds, unitOf } from "./format.js";

export function comparison(runs, paint) {
  const metrics = [...new Set(runs.flatMap((run) => run.metrics))];
  const guides = new Set(runs.map(({ result }) => JSON.stringify([result.guide.kind, result.guide.name])));
  const names = new Set(runs.map((run) => run.scoreName));
  const titles = ["Search", "Limits", names.size > 1 ? "Best score" : runs[0].scoreName, ...metrics.map((name) => unitOf(name).name), "Evaluated", "Time"];
  return el("section", { class: "compare", "aria-labelledby": "compare-title" },
    el("div", { class: "bar" }, el("h3", { id: "compare-title" }, "Comparison")),
    guides.size > 1 && el("p", { class: "hint" }, "Different guides scored these searches; their scores may not be comparable."),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The best networks of these searches" },
      el("table", { class: "list" },
        el("thead", {}, el("tr", {},
          titles.map((text, index) => el("th", { scope: "col", class: index > 1 ? "right" : null }, text)))),
        el("tbody", {}, runs.map((run, index) => el("tr", {},
          el("th", { scope: "row" }, el("span", { class: "swatch", vars: { background: paint[index % paint.length] } }),
            el("a", { href: `#/search/${run.id}` }, `${run.search.request.space} ${run.search.request.device ?? ""} ${run.id.slice(0, 6)}`)),
          el("td", {}, limits(run.search.request).join(", ") || "none"),
          el("td", { class: "right" }, run.scoreText(0)),
          metrics.map((name) => el("td", { class: "right" }, run.costs[name] ? cost(name, run.costs[name][0]) : "–")),
          el("td", { class: "right" }, count(run.length)),
          el("td", { class: "right" }, seconds(run.result.seconds)),
        ))),
      ),
    ),
  );
}
