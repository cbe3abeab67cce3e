// What a relay gains, as a program for benchmarks: prints one line of JSON with what went directly,
// what went as `sky cp` plans by itself, and how fast; or with what is missing for it.

import { labProblem } from "./lab.ts";
import { overlayStage } from "./overlay-stage.ts";
import { ok } from "./ssh-clusters.ts";

const mebibytes = 256;

console.log(JSON.stringify(await found()));

async function found(): Promise<object> {
  const missing = labProblem();
  if (missing !== undefined) return { missing };
  const stage = await overlayStage({ mebibytes });
  try {
    await ok(stage.here, ["profile", "-y", "--seconds", "3", "demo"]);
    const direct = await stage.moved(["demo/worker2:direct", "--solver", "direct"]);
    const relayed = await stage.moved(["demo/worker2:relayed"]);
    return { bytes: stage.bytes, relayed, direct };
  } finally {
    await stage.close();
  }
}
