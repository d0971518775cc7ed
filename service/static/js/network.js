// Draws one network block by block, with each block's share of the latency (of the FLOPs without a device).

import { Away, Problem, get } from "./api.js";
import { el } from "./dom.js";
import { networkPath } from "./downloads.js";
import { cost, digits, unitOf } from "./format.js";

const KINDS = ["#2f7f86", "#c07a1e", "#7a5bb0", "#3f8a4b", "#b04a79", "#4b74bd", "#8a7a3a", "#77828a"];
const MOST = 64;

export async function drawNetwork(candidates, rank) {
  try {
    return blockLists(await get(networkPath(candidates.search, rank, "blocks")));
  } catch (error) {
    if (error instanceof Problem || error instanceof Away) return el("p", { class: "notice" }, `The blocks cannot be shown: ${error.message}.`);
    throw error;
  }
}

// Shows the blocks; those of networks of text phase by phase, with their share of that phase's latency.
function blockLists(answer) {
  const phases = [...new Set(answer.blocks.map(({ phase }) => phase))];
  if (phases.length === 1) return blockList(answer.blocks, answer[latencyOf(phases[0])] ?? null);
  return el("div", {}, phases.flatMap((phase) => {
    const metric = latencyOf(phase);
    const title = el("h4", {}, `${unitOf(metric).name}: ${cost(metric, answer[metric])}`);
    return [title, blockList(answer.blocks.filter((block) => block.phase === phase), answer[metric])];
  }));
}

const latencyOf = (phase) => (phase ? `${phase}_ms` : "latency_ms");

// `latency` is that of the network, or null without a device.
function blockList(blocks, latency) {
  const timed = latency !== null;
  const metric = timed ? "latency_ms" : "macs";
  const rows = merged(blocks).map((block) => ({ ...block, value: block[metric] * block.times }));
  const total = timed ? latency : rows.reduce((sum, { value }) => sum + value, 0);
  const difference = timed ? total - rows.reduce((sum, { value }) => sum + value, 0) : 0;
  const most = Math.max(...rows.map(({ value }) => value), Math.abs(difference));
  const kinds = [...new Set(rows.map(({ operator }) => operator))];
  let size = null;
  const items = rows.map((block) => {
    const now = shapeText(block.output);
    const stage = now !== size;
    size = now;
    return item(titleOf(block), detailsOf(block), now, stage, KINDS[kinds.indexOf(block.operator) % KINDS.length], block.value, total, most, metric);
  });
  if (timed && Math.abs(difference) > 5e-4 * total) {
    const text = `The blocks take ${difference > 0 ? "longer" : "less time"} in one network than one by one.`;
    const row = item("joint effect", text, "", true, "var(--soft)", difference, total, most, metric);
    row.classList.add("rest");
    items.push(row);
  }
  return el("ol", { class: "blocks", "aria-label": `Blocks and their share of ${timed ? "the latency" : "the FLOPs"}` }, items);
}

// Shows each kind of block once in networks of many blocks, such as those of cells.
function merged(blocks) {
  if (blocks.length <= MOST) return blocks.map((block) => ({ ...block, times: 1 }));
  const byKey = new Map();
  for (const block of blocks) {
    const same = byKey.get(block.key);
    if (same) same.times++;
    else byKey.set(block.key, { ...block, times: 1 });
  }
  return [...byKey.values()];
}

function item(name, text, size, stage, colour, value, total, most, metric) {
  const { unit, scale } = unitOf(metric);
  const fraction = `${digits((100 * value) / total, 2)} %`;
  return el("li", { class: stage ? "stage" : null },
    el("span", { class: "size" }, stage ? size : ""),
    el("span", { class: "box", vars: { "--kind": colour } }, el("b", {}, name), text && el("small", {}, text)),
    el("span", { class: "share", vars: { "--kind": colour, "--part": String(Math.max(0, value) / most) } },
      el("i", { "aria-hidden": "true" }), el("span", {}, fraction), el("small", {}, `${digits(value / scale, 3)} ${unit}`)),
  );
}

// Shapes are [channels, height, width], [classes], or [tokens, features] in networks of text.
function shapeText(shape) {
  if (shape.length === 2) return `${shape[0]} token${shape[0] === 1 ? "" : "s"}`;
  return shape.length > 1 ? shape.slice(1).join(" × ") : "";
}

const CHANNELS = ["", "classes", "features", "channels"];

function sizeText({ operator, output }) {
  const noun = operator === "token_scores" ? "scores" : CHANNELS[output.length];
  return `${output[output.length === 2 ? 1 : 0]} ${noun}`;
}

function titleOf({ operator, kernel, times }) {
  const name = operator.replaceAll("_", " ");
  return `${times > 1 ? `${times} × ` : ""}${name}${kernel ? ` ${kernel}×${kernel}` : ""}`;
}

function detailsOf(block) {
  const { expansion, stride, se, shortcut, heads, cached } = block;
  return [
    expansion ? `expands ${expansion}` : null,
    stride > 1 ? `stride ${stride}` : null,
    heads ? `${heads} head${heads === 1 ? "" : "s"}` : null,
    cached ? `${cached} cached tokens` : null,
    sizeText(block),
    se ? "squeeze-excite" : null,
    shortcut ? "shortcut" : null,
  ].filter(Boolean).join(", ");
}
