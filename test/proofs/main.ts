// `npm run proofs`: what must hold of transfers, proven at length with real processes.
//
// `--only kills,flips,blind,throttle`: some of it. `--seed N`, `--kills N` (200, of any party at
// any moment), `--flips N` (200 bits a kind), `--seconds S` and `--gb G` (10 GB offered for 60 s to
// a sink that takes 1 MB a second). Exits with 0 if nothing was found.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, execPath, exit } from "node:process";
import { parseArgs } from "node:util";
import { runBlind } from "./blind.ts";
import { runKillsOften } from "./kills-often.ts";
import { runThrottle, throttleLines } from "./throttle.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "flips,blind,throttle,kills" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    kills: { type: "string", default: "200" },
    flips: { type: "string", default: "200" },
    seconds: { type: "string", default: "60" },
    gb: { type: "string", default: "10" },
  },
});
const seed = Number(values.seed);
const megabyte = 1_000_000;
const say = (text: string): void => console.log(text);

const proofs: Readonly<Record<string, (folder: string) => Promise<readonly string[]>>> = {
  flips: async () => {
    const files = readdirSync(import.meta.dirname).filter((name) =>
      /^flips.*\.test\.ts$/.test(name),
    );
    const paths = files.map((name) => join(import.meta.dirname, name));
    const { status } = spawnSync(execPath, ["--test", "--test-concurrency=2", ...paths], {
      stdio: "inherit",
      env: { ...env, SKY_PROOFS_FLIPS: values.flips, SKY_PROOFS_SEED: values.seed },
    });
    return status === 0 ? [] : ["a flipped bit was not found"];
  },
  blind: (folder) => runBlind({ folder, seed, say }),
  throttle: async (folder) => {
    const findings: string[] = [];
    for (const through of ["nobody", "relay"] as const) {
      const options = {
        ...{ folder: join(folder, through), seed, through, seconds: Number(values.seconds) },
        ...{ sizes: [Number(values.gb) * 1_000 * megabyte], bytesPerSecond: megabyte },
      };
      const result = await runThrottle(options);
      for (const line of throttleLines(result, options)) say(line);
      findings.push(...result.findings);
    }
    return findings;
  },
  kills: async (folder) => {
    const kills = Number(values.kills);
    const run = await runKillsOften({ folder, seed, kills, through: "both", say });
    for (const line of run.summary) say(line);
    return run.findings;
  },
};

const found: string[] = [];
for (const name of values.only.split(",")) {
  const proof = proofs[name];
  if (proof === undefined) {
    console.error(`there is no proof ${name}: ${Object.keys(proofs).join(", ")}`);
    exit(2);
  }
  say(`\n${name}, seed ${seed}`);
  const folder = mkdtempSync(join(tmpdir(), `sky-proofs-${name}-`));
  const findings = await proof(folder);
  if (findings.length === 0) rmSync(folder, { recursive: true });
  else say(`the evidence was kept: ${folder}`);
  found.push(...findings.map((text) => `${name}: ${text}`));
}
for (const text of found) console.error(`FOUND ${text}`);
if (found.length > 0)
  console.error(`again: npm run proofs -- --seed ${seed} --only ${values.only}`);
exit(found.length === 0 ? 0 : 1);
