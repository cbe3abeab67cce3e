// What `sky doctor` makes of what it read: one finding a line, graded, with what to do about it.
//
// A check is one entry of a table: its name and a pure look at a reading. Checks change nothing
// and know nothing of each other; adding one is adding an entry. Only a problem makes the command
// fail: a warning is something that works now and may surprise later.

export type Grade = "ok" | "warning" | "problem";

export interface Verdict {
  readonly grade: Grade;
  readonly text: string;
  /** A command, or one sentence. Whatever is not ok has one. */
  readonly remedy?: string;
}

export interface Finding extends Verdict {
  readonly check: string;
}

/** Looks at a reading. Several verdicts where there is one for each of several things. */
export type Look<R> = (reading: R) => Verdict | readonly Verdict[];

/** By name; their order is the order of the lines. */
export type Checks<R> = Readonly<Record<string, Look<R>>>;

export interface Diagnosis {
  readonly problems: number;
  readonly warnings: number;
  readonly findings: readonly Finding[];
}

export function ok(text: string): Verdict {
  return { grade: "ok", text };
}

export function warning(text: string, remedy: string): Verdict {
  return { grade: "warning", text, remedy };
}

export function problem(text: string, remedy: string): Verdict {
  return { grade: "problem", text, remedy };
}

export function findingsOf<R>(checks: Checks<R>, reading: R): readonly Finding[] {
  return Object.entries(checks).flatMap(([check, look]) => {
    return [look(reading)].flat().map((verdict) => ({ check, ...verdict }));
  });
}

export function diagnosisOf(findings: readonly Finding[]): Diagnosis {
  const count = (grade: Grade): number => findings.filter((one) => one.grade === grade).length;
  return { problems: count("problem"), warnings: count("warning"), findings };
}

/** One line for each finding, a remedy in the same line, and a last line that counts. */
export function diagnosisText({ findings, problems, warnings }: Diagnosis): string {
  const gradeWidth = "problem".length;
  const nameWidth = Math.max(0, ...findings.map(({ check }) => check.length));
  const lines = findings.map(({ grade, check, text, remedy }) => {
    const said = `${grade.padEnd(gradeWidth)}  ${check.padEnd(nameWidth)}  ${onOneLine(text)}`;
    return remedy === undefined ? said : `${said} -> ${onOneLine(remedy)}`;
  });
  return [...lines, "", `${counted(problems, "problem")}, ${counted(warnings, "warning")}`].join(
    "\n",
  );
}

export function counted(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`;
}

export function onOneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** The first of several names, and how many more there are. */
export function someOf(names: readonly string[], countMax = 3): string {
  const shown = names.slice(0, countMax).join(", ");
  return names.length > countMax ? `${shown} and ${names.length - countMax} more` : shown;
}

/** `1.5 GiB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Whether `found` is at least `wanted`: `2.10.1` is at least `2.9.10`. */
export function isAtLeast(found: string, wanted: string): boolean {
  const [a, b] = [found, wanted].map((text) =>
    text.split(".").map((part) => Number.parseInt(part, 10)),
  );
  for (const [index, least] of (b ?? []).entries()) {
    const have = a?.[index] ?? 0;
    if (have !== least) return have > least;
  }
  return true;
}

/** A value deep inside of something that nobody promised the shape of. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (typeof found !== "object" || found === null) return undefined;
    found = Reflect.get(found, name);
  }
  return found;
}
