// Starts the page: loads the catalog and connects the search form, the views and the list of jobs.

import { Adding, tellUnusable } from "./add.js";
import { Answer } from "./answer.js";
import { Away, Problem } from "./api.js";
import { load } from "./catalog.js";
import { Comparing } from "./comparing.js";
import { connection } from "./connection.js";
import { announce, byId, el } from "./dom.js";
import { exampleOffer, isFirstVisit } from "./example.js";
import { hashOf } from "./follow.js";
import { formContents, formHash } from "./formaddress.js";
import { JobView } from "./job.js";
import { Jobs } from "./jobs.js";
import { SearchForm } from "./searchform.js";
import { offerSignOut } from "./session.js";
import { Uploads } from "./uploads.js";

const jobs = new Jobs((ids) => answer.compare(ids));
const searchForm = new SearchForm({
  onAccepted: (search) => {
    announce("The search was accepted.");
    views.job.close();
    views.add.close();
    answer.show(search);
    go(search);
  },
  // The start has the form's contents in its address; the address of another view is that of the view.
  onEdited: () => {
    if (!location.hash || location.hash.startsWith("#/new")) history.replaceState(null, "", searchForm.address);
  },
});
const onChanged = () => jobs.load();
const onTrained = (job) => {
  announce("The job was accepted.");
  go(job);
};
const answer = new Answer({ onChanged, onTrained, catalogChanged, search });
const views = {
  search: answer,
  job: new JobView({ onChanged, catalogChanged, search }),
  compare: new Comparing(),
  files: new Uploads({ catalogChanged }),
  add: new Adding({ catalogChanged, onAccepted: onTrained, search }),
};

// Opens a job that was just accepted.
function go(job) {
  location.hash = hashOf(job);
  jobs.select(job.id);
  jobs.load();
  if (narrow()) byId("result").scrollIntoView({ behavior: "smooth" });
}

async function loadCatalog() {
  await load();
  tellUnusable();
}

// Reloads the catalog after a table, evaluations or a predictor were added.
async function catalogChanged() {
  try {
    await loadCatalog();
    await searchForm.show();
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Away)) throw error; // reloaded when the service is available again
  }
}

// Opens the search form with what was added.
function search(choice) {
  location.hash = formHash(choice);
}

// The bounds of a large space can take seconds: the form appears without them then.
const BOUNDS_MS = 1000;
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const narrow = () => matchMedia("(max-width: 60rem)").matches;

// Kind and name of a view; of a search also the rank of a network and the searches that it is compared with.
const VIEW = /^#\/(search|job|add)\/([0-9A-Za-z_-]+)(?:\/(\d+))?(?:\?with=([0-9A-Za-z_,-]+))?$/;

function follow() {
  if (location.hash && !location.hash.startsWith("#/")) return; // not a view
  const [, kind, name, rank, compared] = VIEW.exec(location.hash)
    ?? /^#\/(compare|files|new)(?:\?(.*))?$/.exec(location.hash) ?? [];
  for (const [other, view] of Object.entries(views)) if (other !== kind) view.close();
  jobs.select(["search", "job"].includes(kind) ? name : null);
  for (const link of document.querySelectorAll(".add a")) {
    if (link.hash === location.hash) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!kind) return showStart();
  if (kind === "new") {
    showStart();
    return searchForm.choose(formContents(name));
  }
  const opened = views[kind].open(name, Number(rank ?? 0));
  if (kind === "search" && compared) opened.then(() => jobs.compare(compared.split(",")));
}

function showStart() {
  answer.showEmpty();
  if (isFirstVisit() && !jobs.hasUnfinished) byId("result").append(exampleOffer(onTrained));
}

async function begin() {
  try {
    await loadCatalog();
    await Promise.race([searchForm.show(), pause(BOUNDS_MS)]);
  } catch (error) {
    if (error instanceof Problem) byId("runs").before(el("p", { class: "notice bad" }, error.message));
    else if (!(error instanceof Away)) throw error;
  }
  await jobs.load();
  follow(); // a search's networks need the names in the catalog
  byId("content").classList.remove("loading");
}

connection.addEventListener("back", begin);
addEventListener("hashchange", () => {
  follow();
  if (narrow() && location.hash && !location.hash.startsWith("#/new")) byId("result").scrollIntoView();
});
// Focuses the result and keeps the address, which names the view.
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("result").focus();
});
offerSignOut();
begin();
