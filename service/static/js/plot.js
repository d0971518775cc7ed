// Plots the front: the guide's metric with its deviation over a cost; loads Plotly on first use.

import { el, pageData } from "./dom.js";
import { cost, unitOf } from "./format.js";

let loading = null;

function plotly() {
  loading ??= new Promise((done, failed) => {
    const script = el("script", { src: pageData.plotly });
    script.addEventListener("load", () => done(window.Plotly));
    script.addEventListener("error", () => {
      loading = null;
      failed(new Error("Cannot load the plot's script"));
    });
    document.head.append(script);
  });
  return loading;
}

export class Plot {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.frame = el("div", {});
    this.wait = el("p", { class: "plot-wait" }, "Drawing the plot");
    this.element = el("div", { class: "plot", role: "img" }, this.wait, this.frame);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.last && this.draw(...this.last);
    this.dark.addEventListener("change", this.repaint);
  }

  close() {
    this.dark.removeEventListener("change", this.repaint);
    window.Plotly?.purge(this.frame);
  }

  async draw(candidates, others, metric, selected) {
    this.last = [candidates, others, metric, selected];
    let library;
    try {
      library = await plotly();
    } catch (error) {
      this.wait.textContent = `${error.message}; the table below shows the same networks.`;
      return;
    }
    if (!this.element.isConnected) return;
    this.wait.hidden = true;
    const paint = colours();
    const axes = `${candidates.scoreName} over ${unitOf(metric).name}`;
    this.element.setAttribute("aria-label", `${axes} of ${candidates.length} networks; the table below lists those of the front`);
    const traces = [
      cloud(candidates, metric, paint),
      ...others.map((other, index) => front(other, metric, paint.series[1 + (index % (paint.series.length - 1))], nameOf(other))),
      front(candidates, metric, paint.series[0], others.length ? nameOf(candidates) : "the front"),
      ring(candidates, metric, selected, paint),
    ];
    await library.react(this.frame, traces, layout(candidates, metric, others.length > 0, paint), {
      responsive: true, displayModeBar: false, doubleClick: "reset", scrollZoom: false,
    });
    this.frame.removeAllListeners?.("plotly_click");
    this.frame.on("plotly_click", ({ points }) => {
      const point = points.find(({ data }) => data.meta === candidates.id);
      if (point) this.onChoose(point.customdata);
    });
  }
}

function cloud(candidates, metric, paint) {
  const ranks = candidates.sampleRanks();
  return {
    ...scatter(candidates, metric, ranks, "evaluated"),
    mode: "markers",
    marker: { color: paint.dot, size: 5, opacity: 0.45 },
  };
}

function front(candidates, metric, colour, name) {
  const ranks = candidates.front(metric);
  return {
    ...scatter(candidates, metric, ranks, name),
    mode: "lines+markers",
    line: { color: colour, width: 2, shape: "hv" },
    marker: { color: colour, size: 9 },
    error_y: { type: "data", array: ranks.map((rank) => candidates.deviations[rank]), visible: true, color: colour, thickness: 1.2, width: 3 },
  };
}

function ring(candidates, metric, selected, paint) {
  return {
    ...scatter(candidates, metric, selected === null ? [] : [selected], "selected"),
    mode: "markers",
    hoverinfo: "skip",
    hovertemplate: null,
    showlegend: false,
    marker: { size: 17, color: "rgba(0,0,0,0)", line: { width: 2.5, color: paint.glow } },
  };
}

function scatter(candidates, metric, ranks, name) {
  const { scale } = unitOf(metric);
  return {
    type: "scatter",
    name,
    meta: candidates.id,
    x: ranks.map((rank) => candidates.costs[metric][rank] / scale),
    y: ranks.map((rank) => candidates.value(rank)),
    customdata: ranks,
    text: ranks.map((rank) => `${candidates.scoreText(rank)}, ${cost(metric, candidates.costs[metric][rank])}<br>${candidates.hover(rank)}`),
    hovertemplate: "%{text}<extra></extra>",
  };
}

const nameOf = ({ search }) => `${search.request.space} ${search.request.device ?? ""} ${search.id.slice(0, 6)}`.replace("  ", " ");

const axisTitle = ({ scoreName, scoreUnit }) => `${scoreName}${scoreUnit ? `<br>(${scoreUnit})` : ""}`;

function layout(candidates, metric, legend, paint) {
  const { name, unit, scale } = unitOf(metric);
  const axis = {
    gridcolor: paint.line, zeroline: false, linecolor: paint.line, tickcolor: paint.line, automargin: true,
    title: { standoff: 10, font: { color: paint.soft } },
  };
  const most = candidates.maximum(metric);
  const limit = most === null ? null : most / scale;
  return {
    font: { family: paint.sans, size: 13, color: paint.ink },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 56, r: 16, t: legend ? 44 : 16, b: 48 },
    hovermode: "closest",
    hoverlabel: { bgcolor: paint.card, bordercolor: paint.line, font: { family: paint.mono, size: 12, color: paint.ink }, align: "left" },
    xaxis: { ...axis, title: { ...axis.title, text: `${name}${unit ? `, ${unit}` : ""}` } },
    yaxis: { ...axis, title: { ...axis.title, text: axisTitle(candidates) } },
    showlegend: legend,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    ...(limit === null ? {} : limitLine(limit, paint)),
  };
}

function limitLine(limit, paint) {
  const line = { color: paint.glow, width: 1.5, dash: "dash" };
  const position = { yref: "paper", y: 0.02, yanchor: "bottom", xanchor: "right", xshift: -4 };
  return {
    shapes: [{ type: "line", x0: limit, x1: limit, yref: "paper", y0: 0, y1: 1, line }],
    annotations: [{ ...position, x: limit, text: "limit", showarrow: false, font: { color: paint.glow, size: 12 } }],
  };
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["ink", "soft", "line", "card", "glow", "dot", "sans", "mono"];
  return { ...Object.fromEntries(names.map((name) => [name, read(name)])), series: read("series").split(/\s+/) };
}
