// A question on a terminal: which lines are a yes, which a no, and which are asked again.

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { yesOrNo } from "../../client/cli/question.ts";

interface Answered {
  readonly yes: boolean;
  /** What the terminal was sent, without the codes that move its cursor. */
  readonly shown: string;
}

/** The keys are typed as fast as can be, all before the first question is answered. */
async function answered(keys: string, terminal: boolean, byDefault = true): Promise<Answered> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const { signal } = new AbortController();
  input.write(keys);
  if (!terminal) input.end();
  const about = { text: "Proceed?", byDefault };
  const yes = await yesOrNo({ ...about, input, output, terminal, signal });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: codes begin with one
  const shown = String(output.read() ?? "").replace(/\u001b\[\d*[A-Z]/g, "");
  return { yes, shown };
}

const asksOf = (shown: string): number => shown.split("Error: invalid input").length;

const answers: readonly (readonly [string, boolean, number])[] = [
  ["\n", true, 1],
  ["y\n", true, 1],
  [" YES \n", true, 1],
  ["n\n", false, 1],
  ["No\n", false, 1],
  ["q\nno\n", false, 2],
  ["q\nyes\n", true, 2],
  ["yep\nnope\n\n", true, 3],
  ["q\nq\nq\ny\n", false, 4],
];

for (const [keys, yes, asks] of answers) {
  test(`${JSON.stringify(keys)} is a ${yes ? "yes" : "no"}, after ${asks} at most`, async () => {
    for (const terminal of [true, false]) {
      const seen = await answered(terminal ? keys.replaceAll("\n", "\r") : keys, terminal);
      assert.equal(seen.yes, yes, seen.shown);
      assert.equal(asksOf(seen.shown), asks, seen.shown);
      assert.match(seen.shown, /Proceed\? \[Y\/n\]: /);
    }
  });
}

test("where no is the default, only a yes is a yes, and the question shows it", async () => {
  for (const [keys, yes] of [
    ["\r", false],
    ["y\r", true],
    ["n\r", false],
  ] as const) {
    const seen = await answered(keys, true, false);
    assert.equal(seen.yes, yes, JSON.stringify(keys));
    assert.match(seen.shown, /Proceed\? \[y\/N\]: /);
  }
});

test("garbage before Enter is no yes", async () => {
  assert.equal((await answered("xyz\rn\r", true)).yes, false);
});

test("Ctrl-C, Ctrl-D, an end of the input and an abort are a no", async () => {
  for (const key of ["\u0003", "\u0004", "ye\u0003", "q\r\u0003"]) {
    assert.equal((await answered(key, true)).yes, false, JSON.stringify(key));
  }
  assert.equal((await answered("", false)).yes, false);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const abort = new AbortController();
  const asked = yesOrNo({ text: "Proceed?", input, output, terminal: true, signal: abort.signal });
  abort.abort();
  assert.equal(await asked, false);
});
