// Linear programs as values, and as text in the CPLEX LP format.
//
// Lines are kept short: readers of that format have limits of their own on them.
// Source: IBM ILOG CPLEX, "LP file format"; HiGHS reads it.

export interface Term {
  readonly factor: number;
  readonly name: string;
}

export interface Row {
  readonly terms: readonly Term[];
  readonly sense: "<=" | ">=" | "=";
  readonly right: number;
}

export interface Bound {
  readonly name: string;
  readonly min: number;
  /** Absent = none. */
  readonly max?: number;
}

export interface LinearProgram {
  readonly aim: "minimize" | "maximize";
  readonly objective: readonly Term[];
  readonly rows: readonly Row[];
  /** Of variables that are not simply 0 or more. */
  readonly bounds: readonly Bound[];
  readonly integers: readonly string[];
}

const termsPerLine = 6;

export function lpText(program: LinearProgram): string {
  const rows = program.rows.filter(({ terms }) => terms.some(({ factor }) => factor !== 0));
  const lines = [
    program.aim === "minimize" ? "Minimize" : "Maximize",
    ` cost: ${sumText(program.objective)}`,
    "Subject To",
    ...rows.map(({ terms, sense, right }, i) => ` r${i}: ${sumText(terms)} ${sense} ${right}`),
    "Bounds",
    ...program.bounds.map(({ name, min, max }) => {
      return max === undefined ? ` ${name} >= ${min}` : ` ${min} <= ${name} <= ${max}`;
    }),
    ...(program.integers.length > 0 ? ["General", ...program.integers.map((n) => ` ${n}`)] : []),
    "End",
  ];
  return `${lines.join("\n")}\n`;
}

function sumText(terms: readonly Term[]): string {
  const some = terms.filter(({ factor }) => factor !== 0);
  // A program without an objective asks for any solution.
  if (some.length === 0) return "0 nothing";
  return some.map(termText).join("");
}

function termText({ factor, name }: Term, index: number): string {
  const sign = factor < 0 ? "-" : "+";
  const gap = index > 0 && index % termsPerLine === 0 ? "\n  " : " ";
  return `${gap}${sign} ${Math.abs(factor)} ${name}`;
}
