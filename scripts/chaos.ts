// `npm run chaos -- --seed N --minutes M`: real processes under load, killed, frozen and cut off.
//
// The seed decides the load and the faults. `--rage` strikes three times as often. `--rounds R
// --jobs J` instead, or besides: J jobs in one call, and a random process killed every half second
// until all are over, R times. Ends with 0 if the audit finds nothing; otherwise the transcript and
// the home are kept, and their place printed.

import { execFileSync, spawnSync } from "node:child_process";
import { argv, env, execPath, exit } from "node:process";
import { checkout } from "./layers.ts";

execFileSync(execPath, [`${checkout}/scripts/build.ts`], { stdio: "inherit" });
const { status } = spawnSync(execPath, [`${checkout}/test/chaos/main.ts`, ...argv.slice(2)], {
  stdio: "inherit",
  env: { ...env, SKY_TEST_PROGRAMS: "dist" },
});
exit(status ?? 1);
