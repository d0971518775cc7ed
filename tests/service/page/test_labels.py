"""Finding, naming, tagging and deleting jobs on the page, and the time that they still take."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.service.page.accessibility import find_violations
from tests.service.page.test_jobs import architecture

REFUSED = r"status of 4(04|22)"

Open = Callable[..., Page]


def test_jobs_are_named_found_by_words_and_tags_and_deleted(
    unattended: Any, visit: Open, picture: Callable[[Page, str], None]
) -> None:
    client = unattended.client
    first = client.search(space="spos-tiny", device="made-up")
    second = client.search(space="spos-tiny", seed=2)
    page = visit(f"{unattended.url}/#/search/{first.id}", REFUSED)
    rows = page.locator("#runs li")
    expect(rows).to_have_count(2)

    # By keyboard alone.
    page.locator(f"#edit-{first.id}").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    assert find_violations(page, "edit job") == []
    dialog.get_by_label("Name").fill("Baseline")
    dialog.get_by_label("Tags").fill("Paper, , phones")
    assert find_violations(page, "edit a job") == []
    dialog.get_by_label("Tags").press("Enter")
    expect(page.locator(f"#run-{first.id} .what")).to_have_text("Baseline")
    expect(page.locator(f"#edit-{first.id}")).to_be_focused()
    assert client.jobs(tag="paper")[0].name == "Baseline"
    assert find_violations(page, "labelled jobs") == []
    picture(page, "jobs-labelled")

    find = page.get_by_label("Find jobs")
    find.fill("baseLINE made-up")
    expect(rows).to_have_count(1)
    find.fill("nothing like it")
    expect(page.locator("#runs")).to_have_text("No jobs match the filter.")
    find.fill("")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Show jobs tagged phones").click()
    expect(find).to_have_value("#phones")
    expect(rows).to_have_count(1)
    page.get_by_label("State of jobs").select_option("done")
    expect(rows).to_have_count(0)
    page.get_by_label("State of jobs").select_option("any state")

    first.cancel()
    page.locator(f"#edit-{first.id}").click()
    expect(dialog.get_by_label("Tags")).to_have_value("paper, phones")
    dialog.get_by_label("Tags").fill("x" * 51)
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#job-tags-fault")).to_contain_text("50")
    dialog.get_by_role("button", name="Close").click()
    # The list has noticed the end of the job.
    expect(page.locator(f"#runs li:has(#run-{first.id})")).to_contain_text("cancelled")
    page.locator(f"#edit-{first.id}").click()
    dialog.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete with its files?").click()
    expect(page.locator("#runs")).to_have_text("No jobs match the filter.")
    assert [job.id for job in client.jobs()] == [second.id]


# What a page sees of a search that was begun 20 s ago and whose events are repeated, of one that
# begins, of a resumed training and of a pipeline in its second stage.
_ESTIMATES = """async () => {
  const { Estimate, timeLeft } = await import("/static/js/estimate.js");
  const run = (first, ...news) => {
    let now = 0;
    const estimate = new Estimate(() => now);
    const see = ([time, next]) => {
      now = time;
      return estimate.see(next);
    };
    return [estimate.see(first), ...news.map(see)];
  };
  const job = (kind, attempt, elapsed) => ({ kind, state: "running", attempt, elapsed_s: elapsed });
  const state = (name, attempt) => ({ state: name, attempt });
  const search = (evaluated) => ({ progress: { evaluated, planned: 100 } });
  const share = (value) => ({ progress: { share: value, stage: "training" } });
  const steps = [{ state: "done" }, { state: "running" }];
  const stage = (value) => ({ progress: { share: value, stage: "search", steps } });
  return [
    run({ ...job("search", 1, 20), ...search(10) },
      [0, state("queued", 0)], [0, state("running", 1)], [0, search(5)], [0, search(10)]),
    run({ ...job("search", 0, null), state: "queued", progress: null },
      [4, state("running", 1)], [8, search(50)], [10, search(50)],
      [11, state("queued", 1)], [12, state("running", 2)], [20, search(4)]),
    run({ ...job("retrain", 2, 9), ...share(0.5) },
      [0.1, share(0.1)], [0.2, share(0.5)], [4, share(0.7)], [10.2, share(0.75)]),
    run({ ...job("pipeline", 1, 9), ...stage(0.5) }, [10, stage(0.6)]),
    [3, 59, 185, 5500].map(timeLeft),
  ];
}"""


def test_the_time_left_is_estimated_from_the_pace(unattended: Any, visit: Open) -> None:
    page = visit(unattended.url, REFUSED)

    begun, begins, resumed, pipeline, texts = page.evaluate(_ESTIMATES)

    assert (begun[0], set(begun[3:])) == ("about 3 minutes left", {"about 3 minutes left"})
    # None before 5 s, nor before 5% of the next attempt.
    assert begins == ["", "", "", "about 5 seconds left", "", "", ""]
    assert resumed == ["", "", "", "", "about 10 seconds left"]
    assert pipeline == ["", "about 40 seconds left of this stage"]
    assert texts == [
        "about 5 seconds left",
        "about 60 seconds left",
        "about 3 minutes left",
        "about 2 hours left",
    ]


def test_a_running_training_shows_the_time_left(unattended: Any, visit: Open) -> None:
    handle = unattended.client.retrain(architecture(), epochs=3)
    job = unattended.claim()
    unattended.report(job, 0.5, "training architecture.json", "epoch 2")
    page = visit(unattended.url, REFUSED)

    def as_if(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "elapsed_s": 180.0})

    page.route(f"**/jobs/{handle.id}", as_if)
    page.goto(f"{unattended.url}/#/job/{handle.id}")
    expect(page.locator(".progress .left")).to_have_text("about 3 minutes left")
