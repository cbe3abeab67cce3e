// Writes a scheduler's history to a file, line by line, where `debug.history` asks for it.
//
// Each start of the scheduler begins a file, with the whole journal of that moment, and puts the
// one before aside: two are kept. It is for looking into a bug: what cannot be written is left out,
// said in the log, and stops nothing. It holds commands and environments of jobs, no secrets.

import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { errorText } from "../model/errors.ts";
import type { Log } from "../runtime/log.ts";
import type { Line } from "./history.ts";
import { startLine, stepLine } from "./history.ts";
import type { SchedulerActor } from "./scheduler-actor.ts";

export const historyName = "history.jsonl";
const earlierName = "history.1.jsonl";
/** The file then ends where it is; its beginning is what can be replayed. */
const historyBytesMax = 64 * 1024 * 1024;

export interface HistoryOptions {
  readonly dir: string;
  readonly log: Log;
  readonly bytesMax?: number;
}

/** The same actor, with every turn written down in `dir`. */
export function withHistory(actor: SchedulerActor, options: HistoryOptions): SchedulerActor {
  const history = new HistoryFile(options);
  return {
    ...actor,
    start: (args, at) => {
      const turn = actor.start(args, at);
      // A head that was killed may have taken turns that never were on disk.
      history.write({ ...startLine(args, at, turn), torn: true });
      return turn;
    },
    step: (state, message) => {
      const turn = actor.step(state, message);
      history.write(stepLine(message, turn));
      return turn;
    },
  };
}

class HistoryFile {
  readonly #dir: string;
  readonly #log: Log;
  readonly #bytesMax: number;
  #file: number | undefined;
  #left = 0;

  constructor({ dir, log, bytesMax = historyBytesMax }: HistoryOptions) {
    this.#dir = dir;
    this.#log = log;
    this.#bytesMax = bytesMax;
  }

  write(line: Line): void {
    try {
      if (line.kind === "start") this.#begin();
      if (this.#file === undefined) return;
      const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
      this.#left -= bytes.length;
      if (this.#left < 0) this.#end(`it has ${this.#bytesMax} bytes`);
      else writeSync(this.#file, bytes);
    } catch (error) {
      this.#end(errorText(error));
    }
  }

  #begin(): void {
    this.#close();
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    const path = `${this.#dir}/${historyName}`;
    if (existsSync(path)) renameSync(path, `${this.#dir}/${earlierName}`);
    this.#file = openSync(path, "w", 0o600);
    this.#left = this.#bytesMax;
  }

  #end(why: string): void {
    this.#close();
    this.#log.warn("the history is not written on", { why });
  }

  #close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
