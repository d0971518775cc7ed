// The search form: the space, the device, the guide, the limits and the strategy.

import { Away, Problem, create } from "./api.js";
import { LOWER_BOUND, boundsOf, catalog, findEntry, guidesOf, labelOf, spaceOf } from "./catalog.js";
import { announce, byId, el, fill } from "./dom.js";
import { Field, choice } from "./field.js";
import { formHash } from "./formaddress.js";
import { betterOf, conditionsOf, digits, large, metricName, metricUnit, scoredMetric, signed } from "./format.js";
import { Limits } from "./limits.js";
import { StrategyFields } from "./strategy.js";

export class SearchForm {
  // `onAccepted` receives an accepted search; `onEdited` is called when the user has changed the form.
  constructor({ onAccepted, onEdited }) {
    this.onAccepted = onAccepted;
    this.space = new Field("Search space", choice("space"));
    this.device = new Field("Device", choice("device"));
    this.guide = new Field("Guide", choice("guide"));
    this.limits = new Limits();
    this.strategy = new StrategyFields();
    this.strategy.margin.input.addEventListener("change", () => this.showBounds());
    this.bounds = {};
    this.general = el("p", { class: "fault", role: "alert" });
    this.button = el("button", { class: "main" }, "Search");
    this.form = byId("search-form");
    this.form.replaceChildren(
      this.space.element, this.device.element, this.guide.element, this.limits.element, this.strategy.element,
      el("div", { class: "send" }, this.button, this.general),
    );
    this.space.input.addEventListener("change", () => this.spaceChosen());
    this.device.input.addEventListener("change", () => this.deviceChosen());
    this.guide.input.addEventListener("change", () => this.showGuide());
    for (const event of ["input", "change"]) this.form.addEventListener(event, onEdited);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  // Shows the current catalog and keeps the choices that are still available.
  show() {
    const guided = catalog.spaces.filter((space) => guidesOf(space.name).length);
    const other = catalog.spaces.filter((space) => !guidesOf(space.name).length);
    const measured = catalog.tables.find((table) => guided.some((space) => space.name === table.space));
    const names = (spaces) => spaces.map(({ name }) => ({ value: name }));
    const groups = guided.length
      ? [{ label: "With a guide", options: names(guided) }, { label: "Without a guide yet", options: names(other) }]
      : [{ options: names(other) }];
    fill(this.space.input, groups, measured?.space);
    return this.spaceChosen();
  }

  // Takes over the contents of a request. What it leaves out keeps its default: the device only if the field is missing.
  async choose({ space, device, guide, ...options }) {
    await this.show();
    const guides = guidesOf(space ?? this.space.value).filter(({ kind }) => kind === guide?.kind);
    const guideName = guide && (findEntry(guides, guide.name)?.name ?? guide.name);
    const tableName = device && (findEntry(catalog.tables, device)?.name ?? device);
    const missing = [];
    for (const [field, value] of [[this.space, space], [this.device, tableName ?? device ?? undefined], [this.guide, guide && `${guide.kind}:${guideName}`]]) {
      if (value === undefined) continue;
      if ([...field.input.options].some((option) => option.value === value)) {
        field.input.value = value;
        field.input.dispatchEvent(new Event("change"));
      } else missing.push([field, value]);
    }
    await this.bounding;
    if (options.constraints) this.limits.fill(options.constraints);
    this.strategy.fill({ guide, ...options });
    for (const [field, value] of missing) field.complain(`${value} is not available here`);
    this.space.input.focus({ preventScroll: true });
    byId("new-search-title").scrollIntoView({ block: "nearest" });
  }

  // The address of this form with its contents.
  get address() {
    return formHash({ device: null, ...this.body });
  }

  spaceChosen() {
    const space = spaceOf(this.space.value);
    this.space.help(space ? `${large(space.architectures)} networks for ${inputsOf(space)}` : "");
    const measuredHere = catalog.tables.filter((table) => table.space === space?.name);
    const others = catalog.tables.filter((table) => table.space !== space?.name);
    const listed = (tables) => tables.map((table) => ({ value: table.name, text: labelOf(table) }));
    const device = this.device.input;
    fill(device, [
      { label: "Measured for this space", options: listed(measuredHere) },
      { label: "Measured for other spaces", options: listed(others) },
      { label: "Without a device", options: [{ value: "", text: "none (limit FLOPs or parameters)" }] },
    ], measuredHere[0]?.name ?? "");
    if (measuredHere.length && !measuredHere.some((table) => table.name === device.value)) device.value = measuredHere[0].name;
    else if (!measuredHere.length) device.value = "";
    const guides = guidesOf(space?.name);
    const guideOptions = guides.map(({ kind, name, owner }) => {
      const title = kind.replace("-", " ");
      return { value: `${kind}:${name}`, text: owner === "shared" && !name.includes("/") ? `${name} (shared ${title})` : `${name} (${title})` };
    });
    fill(this.guide.input, [{ options: guideOptions }]);
    this.guide.input.disabled = guides.length === 0;
    this.guide.complain("");
    this.showGuide();
    if (space && !guides.length) this.guide.help(`No guide for ${space.name} yet: `, el("a", { href: "#/add/predictor" }, "train a predictor"), ".");
    this.space.complain("");
    this.button.disabled = guides.length === 0;
    return this.deviceChosen();
  }

  // Shows what the selected guide scores by, as far as the service reports it.
  showGuide() {
    const guide = guidesOf(this.space.value).find(({ kind, name }) => `${kind}:${name}` === this.guide.value);
    this.strategy.ranking.offer(guide);
    const metric = scoredMetric(guide);
    const unit = metric && [metricUnit(metric), betterOf(metric)].filter(Boolean).join(", ");
    const bound = guide?.kind === LOWER_BOUND && "Mean of the predictor less one deviation, where its evidence is thin";
    const about = bound || (metric ? `Predicts ${metricName(metric.metric, metric)} (${unit})` : guide?.task ? `Trained for ${guide.task}` : "");
    const tau = guide?.verdict?.figures.find(({ name }) => name === "kendall_tau")?.value;
    const verdict = tau !== undefined && `Kendall's tau ${signed(digits(tau, 3))} with ${guide.verdict.truth}`;
    this.guide.help([about, guide?.evidence, verdict].filter(Boolean).join("; "));
  }

  // Loads the bounds of the limits; `bounding` resolves when they are known.
  deviceChosen() {
    this.bounding = this.bound();
    return this.bounding;
  }

  async bound() {
    this.device.complain("");
    this.general.textContent = "";
    const [space, device] = [this.space.value, this.device.value];
    const table = catalog.tables.find(({ name }) => name === device);
    if (table) this.device.help(conditionsOf(table));
    else this.device.help(...(catalog.tables.length ? [] : ["No measured device yet: ", el("a", { href: "#/add/table" }, "add a table"), "."]));
    if (!space) return;
    let bounds = {};
    let fault = "";
    try {
      bounds = await boundsOf(space, device).catch((error) => {
        if (!device || !(error instanceof Problem)) throw error;
        fault = error.message;
        return boundsOf(space, ""); // counted costs, such as FLOPs, need no device
      });
    } catch (error) {
      if (error instanceof Away) return;
      fault ||= error.message;
    }
    if (space !== this.space.value || device !== this.device.value) return;
    this.device.complain(fault);
    this.bounds = bounds;
    this.showBounds();
  }

  showBounds() {
    this.limits.offer(this.bounds, this.strategy.margin.number ?? 0);
    this.strategy.objectives.offer(this.bounds);
  }

  get body() {
    const [kind, ...name] = this.guide.value.split(":");
    return {
      space: this.space.value,
      ...(this.device.value ? { device: this.device.value } : {}),
      guide: { kind, name: name.join(":"), ...this.strategy.ranking.selection },
      constraints: this.limits.selection,
      ...this.strategy.selection,
    };
  }

  async send() {
    this.general.textContent = "";
    this.strategy.complain("");
    for (const field of [this.space, this.device, this.guide]) field.complain("");
    await this.bounding;
    if (!this.limits.check()) return;
    this.button.disabled = true;
    try {
      this.onAccepted(await create("/search", this.body));
    } catch (error) {
      if (error instanceof Problem) this.refused(error);
      else if (error instanceof Away) this.general.textContent = "The service does not respond; press Search again when it is available.";
      else throw error;
    } finally {
      this.button.disabled = false;
    }
  }

  // Shows a refusal at the field that caused it.
  refused(problem) {
    const [first, second] = (problem.field ?? "").split(".");
    if (this.strategy.refused(problem)) return announce(problem.message);
    const field = { space: this.space, device: this.device, guide: this.guide }[first];
    if (field) {
      field.complain(problem.message);
      field.input.focus();
    } else if (!(first === "constraints" && this.limits.refused(second, problem.message))) {
      this.general.textContent = problem.message;
    }
    announce(problem.message);
  }
}

// What the networks of a space read: the shape is (tokens) or (channels, height, width).
function inputsOf({ input_shape: shape }) {
  if (shape.length === 1) return `texts, read by up to ${shape[0]} tokens`;
  return `images of ${shape.slice(1).join(" × ")} pixels`;
}
