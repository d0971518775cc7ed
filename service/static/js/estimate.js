// Estimates how long a running job still takes, at its pace so far.

const MIN_FRACTION = 0.05;
const MIN_SECONDS = 5;
const REPLAY_SECONDS = 1; // in which a stream repeats the events before the page was opened

// The time that is left in words, such as "about 3 minutes left".
export function timeLeft(seconds) {
  if (seconds < 60) return `about ${units(5 * Math.max(1, Math.round(seconds / 5)), "second")} left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${units(minutes, "minute")} left`;
  return `about ${units(Math.round(seconds / 3600), "hour")} left`;
}

const units = (number, unit) => `${number} ${unit}${number === 1 ? "" : "s"}`;

export class Estimate {
  // `clock` returns seconds; it is monotonic, as the clocks of browser and service may differ.
  constructor(clock = () => performance.now() / 1000) {
    this.clock = clock;
    this.opened = clock();
    this.attempt = -1;
  }

  // Takes news of the job, and returns the time that is left, or an empty text.
  see({ kind, state, attempt, elapsed_s: elapsed, progress }) {
    const now = this.clock();
    if (kind) this.kind = kind;
    // A stream of events begins with those of earlier attempts.
    if (attempt > this.attempt) this.begin(attempt, now - (elapsed ?? 0));
    if (!progress || state === "queued" || attempt < this.attempt) return "";

    const { stage, fraction } = stageOf(progress);
    if (progress.finalists) this.isCounted = false;
    if (this.isCounted) this.fraction = Math.max(this.fraction, fraction);
    else this.watch(stage, fraction, now);
    const passed = now - this.start.time;
    const done = this.fraction - this.start.fraction;
    if (passed < MIN_SECONDS || done < MIN_FRACTION || this.fraction >= 1) return "";
    const text = timeLeft((passed * (1 - this.fraction)) / done);
    return progress.steps ? `${text} of this stage` : text;
  }

  begin(attempt, time) {
    // Searches count from 0 in each attempt, but a resumed training from where it was, and other jobs in each stage.
    this.isCounted = this.kind === "search" || (this.kind === "retrain" && attempt === 1);
    Object.assign(this, { attempt, stage: null, fraction: 0, start: this.isCounted ? { time, fraction: 0 } : null });
  }

  // Measures the pace from the first news of a stage that is no repetition of an earlier event.
  watch(stage, fraction, now) {
    const isNew = !this.start || stage !== this.stage || fraction < this.fraction;
    if (isNew || now - this.opened < REPLAY_SECONDS) this.start = { time: now, fraction };
    Object.assign(this, { stage, fraction });
  }
}

// The fraction of the present stage; that of a pipeline counts all its stages.
function stageOf({ evaluated, planned, share = 0, stage = "", steps, finalists }) {
  if (finalists) return { stage: "finalists", fraction: finalists.share };
  if (planned) return { stage, fraction: evaluated / planned };
  if (!steps?.length) return { stage, fraction: share };
  const done = steps.filter(({ state }) => state === "done").length;
  return { stage, fraction: share * steps.length - done };
}
