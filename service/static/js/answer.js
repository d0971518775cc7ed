// Shows one search, from its acceptance to its networks.

import { Away, Problem, get, request } from "./api.js";
import { Candidates } from "./candidates.js";
import { comparison } from "./compare.js";
import { compareHash } from "./comparing.js";
import { announce, byId, el } from "./dom.js";
import { networkFiles, searchFiles } from "./downloads.js";
import { figures } from "./figures.js";
import { Follower, over, pathOf } from "./follow.js";
import { formHash } from "./formaddress.js";
import { cost, count, deviation, limits, most, seconds, unitOf } from "./format.js";
import { frontTable } from "./front.js";
import { drawNetwork } from "./network.js";
import { supernetPicture } from "./picture.js";
import { Plot } from "./plot.js";
import { Progress } from "./progress.js";
import { reasonLine } from "./reasons.js";
import { training } from "./train.js";
import { verdictSection } from "./verdict.js";
import { verificationSection } from "./verification.js";

export class Answer {
  // `onChanged` is called when a search changes its state, `onTrained` with an accepted training, `catalogChanged` after a table has learned,
  // `search` to search with it.
  constructor({ onChanged, onTrained, catalogChanged, search }) {
    Object.assign(this, { onChanged, onTrained, refined: { catalogChanged, search } });
    this.container = byId("result");
    this.others = [];
    this.loaded = new Map();
    this.id = null;
  }

  showEmpty() {
    this.close();
    this.container.replaceChildren(el("div", { class: "empty" },
      el("p", { class: "sentence" }, "Which network is the most accurate one that is fast enough?"),
      el("p", {}, "Choose a search space, a target device and limits on the cost. ",
        "Pathfit searches the space and shows the best accuracy at each latency."),
    ));
  }

  close() {
    this.follower?.stop();
    this.plot?.close();
    this.follower = this.plot = this.current = this.id = null;
  }

  // Opens a search at one of its networks, by its rank.
  async open(id, rank = 0) {
    this.opened = { id, rank };
    if (this.id === id) return this.current && rank < this.current.length && this.choose(rank);
    this.close();
    this.id = id;
    try {
      const search = await get(pathOf(id));
      if (this.id === id) await this.show(search);
    } catch (error) {
      if (this.id !== id) return;
      this.id = null;
      if (error instanceof Problem) this.container.replaceChildren(notice(error.message));
      else if (!(error instanceof Away)) throw error;
    }
  }

  // Shows a search that was already fetched, without another request.
  show(search) {
    if (this.id !== search.id) this.close();
    this.id = search.id;
    if (over(search)) return this.showEnd(search);
    const progress = new Progress(() => this.cancel(search.id));
    this.container.replaceChildren(...head(search), progress.element);
    progress.show(search);
    this.follower = new Follower(search, (news) => progress.show(news), (last) => {
      this.onChanged();
      if (this.id === last.id) this.showEnd(last);
    });
  }

  async cancel(id) {
    try {
      const search = await request("DELETE", pathOf(id));
      this.onChanged();
      if (this.id === id) {
        this.follower?.stop();
        this.showEnd(search);
      }
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error;
      announce(error.message);
      this.follower?.refresh();
    }
  }

  async showEnd(search) {
    if (search.state !== "done") {
      const reason = search.error?.detail ? `: ${search.error.detail}` : "";
      const text = search.state === "cancelled" ? "This search was cancelled." : `This search failed${reason}.`;
      this.container.replaceChildren(...head(search), notice(text, search.state === "failed"));
      return announce(text);
    }
    try {
      const current = await this.candidates(search.id);
      if (this.id === search.id) this.present(current);
    } catch (error) {
      if (error instanceof Away) this.id = null; // reopened when the service is available again
      else if (error instanceof Problem) this.container.replaceChildren(...head(search), notice(error.message, true));
      else throw error;
    }
  }

  async candidates(id) {
    if (!this.loaded.has(id)) this.loaded.set(id, new Candidates(await get(`${pathOf(id)}?candidates=1`)));
    return this.loaded.get(id);
  }

  present(current) {
    this.current = current;
    this.metric = current.metrics[0];
    const { id, rank } = this.opened ?? {};
    this.selected = id === current.id && rank < current.length ? rank : 0;
    this.plot = new Plot((rank) => this.choose(rank, true));
    const axis = el("select", { id: "axis", onchange: (event) => this.over(event.target.value) },
      current.metrics.map((metric) => el("option", { value: metric }, unitOf(metric).name)));
    this.table = el("div", {});
    this.network = el("section", { class: "network", "aria-labelledby": "network-title", tabindex: -1 });
    this.comparing = el("div", {});
    this.container.replaceChildren(
      ...head(current.search),
      numbers(current),
      el("div", { class: "bar" }, el("h3", {}, "Pareto front"),
        current.metrics.length > 1 && el("span", { class: "axis" }, el("label", { for: "axis" }, "over"), axis),
        searchFiles(current.search)),
      this.plot.element, this.comparing, this.table, verificationSection(current, this.refined) ?? "", verdictSection(current.result.verdict) ?? "", this.network,
    );
    announce(`Done: best ${current.scoreName.toLowerCase()} ${current.valueText(0)}`);
    this.redraw();
    this.choose(this.selected);
  }

  over(metric) {
    this.metric = metric;
    this.redraw();
  }

  async compare(ids) {
    try {
      this.others = await Promise.all(ids.map((id) => this.candidates(id)));
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error;
      return announce(error.message);
    }
    if (!this.current && this.others.length) location.hash = `#/search/${this.others[0].id}`;
    else this.redraw();
    if (this.current) this.keepAddress();
  }

  redraw() {
    if (!this.current) return;
    const others = this.others.filter((other) => other.id !== this.current.id);
    const paint = getComputedStyle(document.documentElement).getPropertyValue("--series").trim().split(/\s+/);
    this.plot.draw(this.current, others.filter((other) => other.costs[this.metric]), this.metric, this.selected);
    this.comparing.replaceChildren(...(others.length ? [comparison([this.current, ...others], paint)] : []));
    const inside = this.table.contains(document.activeElement);
    const top = this.table.firstElementChild?.scrollTop ?? 0;
    this.table.replaceChildren(frontTable(this.current, this.metric, this.selected, (rank) => this.choose(rank)));
    this.table.firstElementChild.scrollTop = top;
    if (inside) byId(`rank-${this.selected}`)?.focus();
  }

  // Keeps the selected network and the compared searches in the address, so that a copied link opens them.
  keepAddress() {
    const address = `#/search/${this.current.id}`;
    if (location.hash.split(/[?]/)[0].replace(/[/]\d+$/, "") !== address) return;
    const rank = this.selected ? `/${this.selected}` : "";
    const compared = this.others.length ? `?with=${this.others.map(({ id }) => id).join(",")}` : "";
    history.replaceState(null, "", `${address}${rank}${compared}`);
  }

  async choose(rank, scroll = false) {
    const { current } = this;
    const again = this.selected === rank && this.network.childElementCount;
    this.selected = rank;
    this.keepAddress();
    if (!again) {
      this.redraw();
      const [picture, reason] = await Promise.all([drawNetwork(current, rank), reasonLine(current, rank)]);
      if (this.current !== current || this.selected !== rank) return;
      const costs = current.metrics.map((metric) => cost(metric, current.costs[metric][rank]));
      this.network.replaceChildren(
        el("div", { class: "bar" },
          el("h3", { id: "network-title" }, rank === 0 ? "The best network" : `Network ${rank + 1} of ${count(current.length)}`),
          el("a", { class: "button", href: compareHash({ a: `search:${current.id}:${rank}` }), title: "Compare this network with another" }, "Compare"),
          networkFiles(current.search, rank)),
        el("p", { class: "about hint" }, `${current.scoreName} ${current.scoreText(rank)}, ${costs.join(", ")}`),
        reason, picture, supernetPicture(current.search, rank) ?? "",
        training(current, rank, (job) => this.onTrained(job)),
      );
    }
    if (!scroll) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.network.scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
  }
}

// What a latency is the time of; that of an image needs no words.
const PER = { latency_ms: "", decode_ms: " a token", prefill_ms: " a prompt" };

// The limited latency that the heading shows, or undefined.
function latencyLimit({ constraints }) {
  const metric = Object.keys(PER).find((name) => constraints?.[name]);
  return metric && { metric, maximum: constraints[metric].max };
}

function head(search) {
  const { request } = search;
  const sentence = el("h2", { class: "sentence" }, "The best network of ", el("em", {}, request.space ?? "a space"));
  if (request.device) sentence.append(" on ", el("em", {}, request.device));
  const limited = latencyLimit(request);
  if (limited) {
    const { metric, maximum } = limited;
    sentence.append(" within ", el("em", { class: "number" }, most(metric, maximum)), PER[metric]);
  }
  const about = [
    others(request) || (limited ? null : "without limits"),
    request.guide?.name && `guided by ${request.guide.name}`,
    request.strategy?.name,
    request.finalists && `${request.finalists.count} finalists on ${request.finalists.data}`,
    request.seed !== undefined && `seed ${request.seed}`,
    search.id.slice(0, 8),
    request.space && el("a", { href: formHash(request) }, "change and search again"),
  ].filter(Boolean);
  return [el("div", {}, sentence, el("p", { class: "about" }, about.map((text) => el("span", {}, text))))];
}

function numbers(current) {
  return figures([
    [current.scoreName, current.valueText(0), [deviation(current.deviations[0]), current.scoreUnit].filter(Boolean).join(" ")],
    ...current.metrics.map((metric) => {
      const [value, unit] = cost(metric, current.costs[metric][0]).split(" ");
      return [unitOf(metric).name, value, unit ?? ""];
    }),
    ["Evaluated", count(current.length), ""],
    ["Time", ...seconds(current.result.seconds).split(/ (?=s$)/)],
  ]);
}

// The limits that the heading does not show.
function others(request) {
  const rest = { ...request.constraints };
  delete rest[latencyLimit(request)?.metric];
  return limits({ constraints: rest }).join(", ");
}

const notice = (text, bad = false) => el("p", { class: bad ? "notice bad" : "notice" }, text);
