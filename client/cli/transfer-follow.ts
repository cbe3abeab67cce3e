// A transfer on the terminal, or as lines of JSON for a program, until it has ended.
//
// Ctrl-C only detaches: the transfer runs on, and the user is told how to come back. The exit code
// is 0 only if everything arrived and was proven.

import { setTimeout as pause } from "node:timers/promises";
import type { TransferEvent, TransferView } from "../../model/transfer.ts";
import { isEnded } from "../../model/transfer.ts";
import { followTransfer } from "../transfer-follow.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Shell } from "./shell.ts";
import { failureText, outcomeText, progressLines } from "./transfer-text.ts";

/** Failures that are said as they happen; all of them are on record. */
const failuresSaidMax = 20;
/** How often progress is a line for a program while nothing moves. */
const stillMs = 5_000;

export interface Look {
  /** Events as lines of JSON on stdout; otherwise talk. */
  readonly json: boolean;
  /** Each object that arrives is said. */
  readonly debug: boolean;
}

export async function followOnScreen(shell: Shell, id: number, look: Look): Promise<ExitCode> {
  const screen = new Screen(shell, look);
  const signal = shell.interrupt;
  const ports = { signal, pause: (ms: number) => pause(ms, undefined, { signal }) };
  try {
    for await (const event of followTransfer(await shell.head(), id, ports)) screen.take(event);
  } catch (error) {
    shell.progress(undefined);
    if (!signal.aborted) throw error;
    return detached(shell, id);
  }
  shell.progress(undefined);
  const { view } = screen;
  if (view === undefined) return exitCodes.refused;
  if (!look.json) sayOutcome(shell, view, screen.said);
  return exitCodeOfTransfer(view);
}

/** 0 only if everything arrived. */
export function exitCodeOfTransfer({ status, counts }: TransferView): ExitCode {
  return status === "SUCCEEDED" && counts.failed === 0 ? exitCodes.done : exitCodes.refused;
}

/** What Ctrl-C leaves behind, in words. */
export function detached(shell: Shell, id: number): ExitCode {
  shell.say(`\nTransfer ${id} runs on.`);
  shell.say(`To see it again:  sky transfers ${id} --follow`);
  shell.say(`To cancel it:     sky transfers cancel ${id}`);
  return exitCodes.interrupted;
}

/** `said` are the failures that were told while it went on. */
function sayOutcome(shell: Shell, view: TransferView, said: ReadonlySet<string>): void {
  const { id, status, failures, counts } = view;
  const told = new Set(said);
  for (const text of failures.map(failureText)) {
    if (told.has(text) || told.size >= failuresSaidMax) continue;
    told.add(text);
    shell.say(`Failed: ${text}`);
  }
  shell.print(outcomeText(view));
  if (status === "SUCCEEDED" && counts.failed === 0) return;
  if (counts.failed > told.size) {
    shell.say(`To see all that failed:  sky transfers ${id} --failures`);
  }
  shell.say(`To do what is left:      sky cp --resume ${id}`);
}

class Screen {
  readonly #shell: Shell;
  readonly #look: Look;
  view: TransferView | undefined;
  #moved = "";
  #movedAt = 0;
  /** Failures that were told. */
  readonly said = new Set<string>();

  constructor(shell: Shell, look: Look) {
    this.#shell = shell;
    this.#look = look;
  }

  take(event: TransferEvent): void {
    if (event.kind === "state") this.view = event.view;
    if (!this.#look.json) this.#tell(event);
    else if (this.#isNews(event)) this.#shell.print(JSON.stringify(event));
  }

  /** Progress in which nothing has changed is a sign of life, and needs no line each time. */
  #isNews(event: TransferEvent): boolean {
    if (event.kind !== "progress") return true;
    const now = this.#shell.now();
    const moved = JSON.stringify([event.counts, event.destinations]);
    if (moved === this.#moved && now - this.#movedAt < stillMs) return false;
    this.#moved = moved;
    this.#movedAt = now;
    return true;
  }

  #tell(event: TransferEvent): void {
    switch (event.kind) {
      case "state":
        this.#state(event.view);
        return;
      case "progress":
        this.#progress(progressLines(event, this.view?.destinations ?? []));
        return;
      case "object":
        if (this.#look.debug) this.#shell.say(arrivedText(event));
        return;
      case "object-failed":
        this.#fail(failureText(event.failure));
        return;
      case "round":
        // The first is how every transfer begins.
        if (event.round > 1 || this.#look.debug) {
          this.#shell.say(`Round ${event.round}: ${event.why}`);
        }
    }
  }

  #fail(text: string): void {
    if (this.said.size >= failuresSaidMax) return;
    this.said.add(text);
    this.#shell.say(`Failed: ${text}`);
  }

  #state({ status, why }: TransferView): void {
    if (!isEnded(status)) this.#progress([why === "" ? `${status}…` : `${status}: ${why}`]);
  }

  /** Only where it changes in place: a file would be full of it. */
  #progress(lines: readonly string[]): void {
    if (this.#shell.showsProgress) this.#shell.progress(lines.join("\n"));
  }
}

function arrivedText(event: Extract<TransferEvent, { kind: "object" }>): string {
  const { object, destination, bytes, digest = "" } = event;
  const proof = digest === "" ? "" : `, ${digest}`;
  return `Arrived: ${object} → ${destination} (${bytes} bytes${proof})`;
}
