// What happened in a simulation, line by line: the same seed, the same lines.
//
// Beats are left out: they say nothing but that time passes.

import { createHash } from "node:crypto";
import { addressText } from "../../../model/address.ts";
import { type RankKey, rankKeyText } from "../../../model/job.ts";
import type { TurnReport } from "../../../runtime/cell.ts";
import type { Clock } from "../../../runtime/clock.ts";

const shownMax = 120;
const historyMax = 80;
const jobsShownMax = 3;
/** A simulated day would not fit in memory: of so many lines the older half is let go. */
const linesMax = 100_000;

export class Transcript {
  readonly lines: string[] = [];
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #hash = createHash("sha256");

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.now().monoMs;
  }

  say(text: string): void {
    const seconds = (this.#clock.now().monoMs - this.#startMs) / 1000;
    if (this.lines.length >= linesMax) this.lines.splice(0, linesMax / 2);
    const line = `${seconds.toFixed(3).padStart(9)}  ${text}`;
    this.#hash.update(line);
    this.lines.push(line);
  }

  /** One turn of an actor. */
  turn({ address, message, from, effects, commit }: TurnReport): void {
    const kind = message?.kind ?? "start";
    if (kind.includes("beat")) return;
    if (address.kind === "beat" || (address.kind === "liveness" && effects.length === 0)) return;
    const done = effects.map(briefly).join(" ");
    const saved = commit === undefined ? "" : ` +${commit.puts.length}`;
    this.say(`${addressText(address)} <${from}> ${briefly(message ?? { kind })}${saved} → ${done}`);
  }

  /** The same for the same run, and for no other. */
  digest(): string {
    return this.#hash.copy().digest("hex").slice(0, 16);
  }

  /** For a person: the last lines, and before them all that is known of the jobs in question. */
  story(why: string): string {
    const jobs = new Set([...why.matchAll(/\bjob (\d+)|\b(\d+)-\d+-(?:run|setup)-/g)].map(jobOf));
    const histories = [...jobs].slice(0, jobsShownMax).map((job) => this.#history(job));
    const end = this.lines.slice(-shownMax).join("\n");
    return [...histories, `---- the last ${shownMax} lines`, end].join("\n");
  }

  #history(job: string): string {
    const about = new RegExp(`\\bjob ${job}\\b|\\b${job}-\\d+-(run|setup)-`);
    const lines = this.lines.filter((line) => about.test(line));
    return [`---- job ${job}`, ...lines.slice(-historyMax)].join("\n");
  }
}

function jobOf([, named, ranked]: RegExpMatchArray): string {
  return named ?? ranked ?? "";
}

/** `stop 7-1-run-0`: the kind and what it is about. */
function briefly(thing: { readonly kind: string }): string {
  const { key, to, message, name, node, phase } = thing as {
    readonly key?: RankKey;
    readonly to?: { readonly node: string };
    readonly message?: { readonly kind: string };
    readonly name?: string;
    readonly node?: string;
    readonly phase?: string;
  };
  if (thing.kind === "tell" && message !== undefined) return `${briefly(message)}>${to?.node}`;
  const about = key === undefined ? name : rankKeyText(key);
  return [thing.kind, about, node, phase].filter((part) => part !== undefined).join(" ");
}
