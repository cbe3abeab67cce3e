// The one number that all that tests draw comes from, so that a run can be had again.
//
// It is the same in every run unless SKY_TEST_SEED says otherwise: what was green stays green until
// the code changes. `SKY_TEST_SEED=n` takes another, `SKY_TEST_SEED=random` one that nobody tried.
// A file that fails says on its standard error which it was.

import { randomInt } from "node:crypto";

const usual = 1;
const most = 2 ** 31 - 1;

export const testSeed = seedOf(process.env["SKY_TEST_SEED"] ?? "");

process.once("exit", (code) => {
  if (code !== 0) process.stderr.write(`# SKY_TEST_SEED=${testSeed} draws the same again\n`);
});

function seedOf(word: string): number {
  if (word === "") return usual;
  if (word === "random") return randomInt(most);
  const seed = Number(word);
  if (Number.isInteger(seed) && seed >= 0 && seed <= most) return seed;
  throw new Error(`SKY_TEST_SEED is "random" or a whole number up to ${most}, not "${word}"`);
}
