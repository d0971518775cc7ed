// The page: loads what there is, and joins the question, the answer and the searches.

import { Answer } from "./answer.js";
import { Away, Problem } from "./api.js";
import { Question } from "./ask.js";
import { load } from "./catalog.js";
import { connection } from "./connection.js";
import { byId, el, say } from "./dom.js";
import { Runs } from "./runs.js";
import { offerSignOut } from "./session.js";

const runs = new Runs((ids) => answer.compare(ids));
const answer = new Answer(() => runs.load());
const question = new Question((search) => {
  say("The search is accepted.");
  answer.show(search);
  location.hash = `#/search/${search.id}`;
  runs.load();
  if (matchMedia("(max-width: 60rem)").matches) byId("result").scrollIntoView({ behavior: "smooth" });
});

function follow() {
  const id = /^#\/search\/([0-9A-Za-z_-]+)$/.exec(location.hash)?.[1];
  runs.select(id ?? null);
  if (id) answer.open(id);
  else answer.nothing();
}

async function begin() {
  try {
    await load();
    question.show();
  } catch (error) {
    if (error instanceof Problem) byId("runs").before(el("p", { class: "notice bad" }, error.message));
    else if (!(error instanceof Away)) throw error;
  }
  follow(); // only now are there names for what a search found
  await runs.load();
}

connection.addEventListener("back", begin);
addEventListener("hashchange", follow);
offerSignOut();
begin();
