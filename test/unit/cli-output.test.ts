// What the commands write: widths of tables on narrow terminals, wide characters, colours where
// they are wanted, and a line of progress that leaves nothing behind.

import assert from "node:assert/strict";
import { test } from "node:test";
import { costReport } from "../../client/cli/cost-report.ts";
import { painted, paintStatus } from "../../client/cli/paint.ts";
import { queue } from "../../client/cli/queue.ts";
import { status } from "../../client/cli/status.ts";
import { displayWidth, tableText, truncated } from "../../client/cli/table.ts";
import { Terminal } from "../../client/cli/terminal.ts";
import type { Head } from "../../client/head.ts";
import { fc } from "../support/property.ts";
import { clusterOf, stage } from "./cli-stage.ts";

const columns = ["NAME", "RESOURCES", "STATUS", "COMMAND"];
const row = ["demo", "4x Local(cpus=2, V100:1)", "UP", "sky launch -c demo --num-nodes 4 x.yaml"];
const shrink = ["COMMAND", "RESOURCES"];

test("a table gives up the least needed columns first", () => {
  const widthOf = (text: string): number => Math.max(...text.split("\n").map(displayWidth));
  const whole = widthOf(tableText({ columns, rows: [row], shrink }));
  for (const width of [whole, whole - 1, whole - 20, 60, 50, 42]) {
    const text = tableText({ columns, rows: [row], shrink, width });
    assert.equal(widthOf(text), Math.min(width, whole), text);
    assert.match(text, /UP/, "what may not be cut is whole");
  }
  assert.match(tableText({ columns, rows: [row], shrink, width: 60 }), /V100:1\)/);
  assert.match(tableText({ columns, rows: [row], shrink, width: 42 }), /4x Loc\S*\.\.\./);
});

test("a terminal that is narrower still leaves columns out, then cuts lines off", () => {
  const drop = ["COMMAND", "RESOURCES"];
  const at = (width: number): string => tableText({ columns, rows: [row], shrink, drop, width });
  assert.match(at(36), /^NAME +RESOURCES +STATUS +COMMAND/, "cut, all there");
  assert.match(at(35), /^NAME +RESOURCES +STATUS\ndemo +4x Local.*\.\.\. +UP$/);
  assert.equal(at(23), "NAME  STATUS\ndemo  UP");
  assert.equal(at(8), "NAME  ..\ndemo  UP");
  assert.equal(at(5), "NAME\ndemo");
  const bare = tableText({ columns, rows: [row], width: 20 });
  assert.equal(bare, "NAME  RESOURCES\ndemo  4x Local(cp...");
});

test("queue, status and cost-report never wrap on a terminal, and keep statuses", async () => {
  const clusters = [clusterOf({ name: "a-long-name-of-a-cluster", status: "STOPPED" })];
  const job = {
    ...{ id: 12, name: "train-the-largest", user: "ann", status: "FAILED_SETUP" },
    ...{
      submittedAt: 0,
      startedAt: 0,
      endedAt: 9_000,
      resources: "2x [CPU:0.5]",
      ranks: [],
      setups: [],
    },
  };
  const cost = {
    ...{ name: "demo", user: "ann", launchedAt: 0, durationMs: 90_000, numNodes: 1, cost: 1.5 },
    ...{ costPerHour: 60, resources: "1x Local(cpus=2, V100:1)", usage: [] },
  };
  const head = {
    status: async () => clusters,
    listJobs: async () => [job],
    costReport: async () => [cost],
  } as unknown as Partial<Head>;
  for (const command of [status, queue, costReport]) {
    for (const columns of [24, 40, 60, 80, undefined]) {
      const { shell, printed, said } = stage({ head, now: 1e9 });
      const wide = { ...shell, ...(columns === undefined ? {} : { columns }) };
      await command.run(wide, { args: [[]], flags: { allUsers: true } });
      const lines = (printed.find((text) => text.includes("\n")) ?? "").split("\n");
      for (const line of lines) assert.ok(displayWidth(line) <= (columns ?? 1e3), line);
      const kept = { status: "STOPPED", queue: "FAILED_SETUP", "cost-report": "TERMINATED" };
      assert.ok(
        lines[1]?.includes(kept[command.name as keyof typeof kept]),
        `${command.name} ${columns}: ${printed} ${said}`,
      );
      if (columns === undefined) assert.match(lines[0] ?? "", /COMMAND|LOG|COST\/hr/);
    }
  }
  const { shell, printed } = stage({ head, now: 1e9 });
  await status.run({ ...shell, columns: 24 }, { args: [[]], flags: { all: true } });
  assert.match(printed[0] ?? "", /COMMAND\na-long-name-of-a-cluster /);
});

test("a table is as wide as it may be, whatever is in it", () => {
  const cell = fc.string({
    unit: fc.constantFrom("a", " ", "日", "👩‍👩‍👧", "é", "e\u0301", "\u0007"),
  });
  const rows = fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { maxLength: 5 });
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 80 }), (cells, width) => {
      const titles = ["A", "B", "C"];
      const text = tableText({ columns: titles, rows: cells, width, shrink: titles });
      for (const line of text.split("\n")) assert.ok(displayWidth(line) <= width, line);
      assert.equal(text.split("\n").length, cells.length + 1);
    }),
  );
});

test("what a terminal shows as one character is cut as one", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["abc", 3],
    ["日本", 4],
    ["ｱ", 1],
    ["Ａ", 2],
    ["é", 1],
    ["e\u0301", 1],
    ["👩‍👩‍👧", 2],
    ["❤️", 2],
    ["🇩🇪", 2],
    ["a\u200bb", 2],
    ["𠀀", 2],
  ];
  for (const [text, width] of cases) assert.equal(displayWidth(text), width, text);
  assert.equal(truncated("日本語日本語", 8), "日本...");
  assert.equal(truncated("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", 5), "👩‍👩‍👧...");
});

test("colours come after everything is measured, in the column of statuses only", () => {
  const rows = [
    ["UP", "UP"],
    ["b", "FAILED"],
  ];
  const text = tableText({ columns: ["NAME", "STATUS"], rows, paint: paintStatus });
  const wanted = `NAME  STATUS\nUP    ${painted("UP", "green")}\nb     ${painted("FAILED", "red")}`;
  // The padding behind a coloured cell is the same as behind a plain one.
  assert.equal(text.replaceAll(/ +$/gm, ""), wanted);
});

/** What a terminal that is `columns` wide shows at the end: lines, and the one with the cursor. */
class Screen {
  readonly isTTY: boolean;
  readonly columns: number;
  written = "";

  constructor(isTTY = true, columns = 20) {
    this.isTTY = isTTY;
    this.columns = columns;
  }

  write(bytes: string | Uint8Array): boolean {
    this.written += typeof bytes === "string" ? bytes : Buffer.from(bytes).toString();
    return true;
  }

  once(): void {}

  get shown(): string {
    const lines = this.written.split("\n").map((line) => line.split("\r\u001b[K").at(-1));
    return lines.join("\n");
  }
}

test("a line of progress is gone when it is over, and lines come above it", () => {
  const screen = new Screen();
  const terminal = new Terminal(screen, screen);
  terminal.progress("one");
  assert.equal(screen.shown, "one");
  terminal.say("said");
  assert.equal(screen.shown, "said\none");
  terminal.progress("two, which is longer than the terminal is wide");
  assert.equal(screen.shown, "said\ntwo, which is lo...");
  terminal.print("result");
  terminal.progress(undefined);
  assert.equal(screen.shown, "said\nresult\n");
});

test("progress on a terminal of unknown width is not cut to nothing", () => {
  const screen = new Screen(true, 0);
  new Terminal(screen, screen).progress("preparing the node called head");
  assert.equal(screen.shown, "preparing the node called head");
});

test("without a terminal progress is lines on stderr, each once", async () => {
  const [out, err] = [new Screen(false), new Screen(false)];
  const terminal = new Terminal(out, err);
  for (const text of ["one", "one", "two"]) terminal.progress(text);
  terminal.print("result");
  await terminal.write(Buffer.from("bytes\n"));
  terminal.progress(undefined);
  assert.equal(out.written, "result\nbytes\n");
  assert.equal(err.written, "one\ntwo\n");
  assert.equal(terminal.columns, undefined);
});

test("NO_COLOR, a dumb terminal and a pipe have no colours", () => {
  const terminal = new Terminal(new Screen(), new Screen());
  assert.equal(terminal.colours({ TERM: "xterm" }), true);
  assert.equal(terminal.colours({ TERM: "xterm", NO_COLOR: "" }), true);
  assert.equal(terminal.colours({ TERM: "xterm", NO_COLOR: "0" }), false);
  assert.equal(terminal.colours({ TERM: "dumb" }), false);
  assert.equal(new Terminal(new Screen(false), new Screen()).colours({ TERM: "xterm" }), false);
});
