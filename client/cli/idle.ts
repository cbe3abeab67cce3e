// How long a cluster may be idle before it stops, as people type it: minutes as SkyPilot takes
// them (`10`, also `0.5`), or with a unit: `90s`, `10m`, `1h`, `2d`.

import type { IdleRule } from "../head.ts";
import { WrongUse } from "./exit-codes.ts";
import { type Flag, isSet, numberFlag, type Parsed, textFlag } from "./flags.ts";
import { idleText } from "./times.ts";

const secondsOf = new Map(Object.entries({ s: 1, m: 60, h: 3_600, d: 86_400 }));

export const idleSecondsFlag: Flag = { usage: "--idle-seconds <S>", about: "The same in seconds." };

/**
 * Of `-i` or `--idle-seconds`; `undefined` if neither is given.
 * @throws WrongUse for both; Error for a hard limit, which newer SkyPilot has.
 */
export function idleSecondsOf(parsed: Parsed, minutesName: string): number | undefined {
  if (textFlag(parsed, "waitFor") === "none") {
    throw new Error(
      "--wait-for none: a cluster whose jobs go on is never stopped by its idle time",
    );
  }
  const text = textFlag(parsed, minutesName);
  const seconds = numberFlag(parsed, "idleSeconds", { flag: "--idle-seconds", least: 0 });
  if (text === undefined) return seconds;
  if (seconds !== undefined) {
    throw new WrongUse(`-i ${text} and --idle-seconds ${seconds} exclude each other`);
  }
  return idleSecondsIn(text);
}

/** @throws WrongUse. */
export function idleSecondsIn(text: string): number {
  const [, amount, unit] = /^(\d+\.?\d*|\.\d+)([smhd]?)$/.exec(text) ?? [];
  if (amount !== undefined) return Number(amount) * (secondsOf.get(unit ?? "") ?? 60);
  const tip = text.startsWith("-") ? " To cancel it: sky autostop --cancel." : "";
  throw new WrongUse(`-i should be minutes such as 10, or 90s, 10m, 1h; not '${text}'.${tip}`);
}

/** What launch and the interactive nodes arm. `--down` alone means: as soon as it is idle. */
export function idleRuleOf(parsed: Parsed): IdleRule | undefined {
  const idleSeconds = idleSecondsOf(parsed, "idleMinutesToAutostop");
  const down = isSet(parsed, "down");
  if (idleSeconds === undefined && !down) return undefined;
  return { idleSeconds: idleSeconds ?? 0, down };
}

/** Flags win over the file; `--down` without a time takes the file's. */
export function withFile(
  parsed: Parsed,
  flagged: IdleRule | undefined,
  ofFile: IdleRule | undefined,
): IdleRule | undefined {
  if (flagged === undefined || ofFile === undefined) return flagged ?? ofFile;
  const timed = idleSecondsOf(parsed, "idleMinutesToAutostop") !== undefined;
  return timed ? flagged : { ...flagged, idleSeconds: ofFile.idleSeconds };
}

/** `Scheduling autodown on`, before the names. */
export function schedulingText({ down }: IdleRule): string {
  return `Scheduling ${verbOf(down)} on`;
}

/** Said of a cluster that was armed. */
export function armedText(cluster: string, { idleSeconds, down }: IdleRule): string {
  const after = `${verbOf(down)} after ${idleText(idleSeconds * 1_000)} idle`;
  return `${cluster}: ${after}. To cancel it: sky autostop ${cluster} --cancel`;
}

function verbOf(down: boolean): string {
  return down ? "autodown" : "autostop";
}

/** The same for start, where `--down` goes with a time only. @throws WrongUse. */
export function idleRuleOfStart(parsed: Parsed): IdleRule | undefined {
  const rule = idleRuleOf(parsed);
  if (rule === undefined || idleSecondsOf(parsed, "idleMinutesToAutostop") !== undefined) {
    return rule;
  }
  throw new WrongUse("--down goes with -i: after how many idle minutes");
}
