// A process that no mode is waived for: removes a node whose folders a job made not writable.
// `node cloud-local-remover.ts <dir>`

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createLocalCloud } from "../../clouds/cloud-local.ts";
import { homeAt } from "../../model/home.ts";
import { silentLog } from "../../runtime/log.ts";

/** By custom the user "nobody". Root may do everything, so it becomes somebody else. */
const nobody = 65_534;

const [, , dir = ""] = process.argv;
if (process.getuid?.() === 0) {
  chownSync(dir, nobody, nobody);
  process.setgid?.(nobody);
  process.setuid?.(nobody);
}

const home = homeAt(`${dir}/sky`);
const node = home.cluster("demo").node("head");
const beside = `${dir}/beside`;
const tree = `${node.home}/tree`;
for (const folder of [beside, `${tree}/inner/deep`]) mkdirSync(folder, { recursive: true });
writeFileSync(`${beside}/file`, "");
writeFileSync(`${tree}/inner/deep/file`, "");
symlinkSync(beside, `${tree}/link`);
chmodSync(beside, 0o555);
for (const folder of ["/inner/deep", "/inner", ""]) chmodSync(`${tree}${folder}`, 0o555);
chmodSync(node.home, 0);

const starter = { start: () => Promise.reject(new Error("nothing is started")) };
const machine = { cpus: 1, memoryBytes: 1 };
const cloud = createLocalCloud({ home, starter, machine, loopbackNet: true, log: silentLog });
await cloud.terminate(["demo/head"], new AbortController().signal);

const mode = statSync(beside).mode & 0o777;
const what = existsSync(node.root) || !existsSync(`${beside}/file`) ? "not removed" : "removed";
process.stdout.write(`${what}, beside it ${mode.toString(8)}\n`);
chmodSync(beside, 0o700);
