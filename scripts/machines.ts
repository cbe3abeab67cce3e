// `npm run docs:machines`: prints every state table of the sources to `docs/machines/<name>.md`.
//
// A table is found by its declaration, `export const gangTable: Table<…>`, so none can be
// forgotten. The page shows what the code says and nothing else: the file's opening prose and, for
// each event and phase, the function that decides. `test/golden/machines.test.ts` keeps the pages
// true.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";

const checkout = resolve(import.meta.dirname, "..");
const folders = ["runtime", "transfer", "clouds", "scheduler", "agent", "client"];
const pages = join(checkout, "docs/machines");

type Row = Readonly<Record<string, unknown>>;

/** A state machine of the sources: `gang`, where it is, and its table. */
export interface Machine {
  readonly name: string;
  readonly path: string;
  readonly text: string;
  readonly table: unknown;
}

/** Every state machine there is. */
export async function machines(): Promise<readonly Machine[]> {
  const found: Machine[] = [];
  for (const path of folders.flatMap(sourcesIn)) {
    const text = readFileSync(join(checkout, path), "utf8");
    for (const [, constant = ""] of text.matchAll(/^export const (\w+Table): Table</gm)) {
      const module: Row = await import(join(checkout, path));
      const name = constant.replace(/Table$/, "");
      found.push({ name, path, text, table: module[constant] });
    }
  }
  return found;
}

/** The pages by file name, as they should be. */
export async function machinePages(): Promise<ReadonlyMap<string, string>> {
  const pages = (await machines()).map(
    (machine) => [`${machine.name}.md`, pageOf(machine)] as const,
  );
  return new Map(pages);
}

/** The pages as they are. */
export function writtenPages(): ReadonlyMap<string, string> {
  const names = readdirSync(pages).filter((name) => name.endsWith(".md"));
  return new Map(names.sort().map((name) => [name, readFileSync(join(pages, name), "utf8")]));
}

function sourcesIn(folder: string): readonly string[] {
  return readdirSync(join(checkout, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name}`)
    .sort();
}

function pageOf(machine: Machine): string {
  const table = machine.table as Readonly<Record<string, Row>>;
  const phases = Object.keys(table);
  const events = Object.keys(table[phases[0] ?? ""] ?? {});
  const rows = events.map((event) => [
    `**${event}**`,
    ...phases.map((phase) => cellText(table[phase]?.[event], event)),
  ]);
  return [
    `# The machine \`${machine.name}\``,
    "",
    `Printed from [${machine.path}](../../${machine.path}) by \`npm run docs:machines\`.`,
    "",
    openingOf(machine.text),
    "",
    "A name is the function that decides, ● a short one in the table itself; · is ignored",
    "(expected and harmless), ✗ is refused (a caller's mistake).",
    "",
    tableRow(["event \\ phase", ...phases]),
    tableRow(["---", ...phases.map(() => "---")]),
    ...rows.map(tableRow),
    "",
  ].join("\n");
}

function cellText(cell: unknown, event: string): string {
  if (cell === "ignore") return "·";
  if (cell === "reject") return "✗";
  if (typeof cell !== "function") throw new TypeError(`no decision for ${event}`);
  return cell.name === event || cell.name === "" ? "●" : cell.name;
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** The prose with which the file opens; indented lines are pictures. */
function openingOf(text: string): string {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  const opening = lines.slice(0, end).map((line) => line.replace(/^\/\/ ?/, ""));
  return opening.map((line) => (line.startsWith("  ") ? `  ${line}` : line)).join("\n");
}

if (resolve(process.argv[1] ?? "") === import.meta.filename) {
  mkdirSync(pages, { recursive: true });
  for (const name of writtenPages().keys()) rmSync(join(pages, name));
  for (const [name, page] of await machinePages()) {
    writeFileSync(join(pages, name), page);
    console.log(`docs/machines/${basename(name)}`);
  }
}
