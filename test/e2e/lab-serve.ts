// `node test/e2e/lab-serve.ts FILE`: a lab for another process, which finds in FILE how to reach it
// (JSON: `env`, `pools`, `folder`, `hosts`) and ends it by ending this one's input.
//
// The hosts say to have many CPUs: what runs on them was written for clusters that give each node
// as many as it asks for.

import { renameSync, writeFileSync } from "node:fs";
import { startLab } from "./lab.ts";

const [file = ""] = process.argv.slice(2);
const wish = { cpus: 64, given: ["bin/node"] };
const lab = await startLab({ hosts: { 0: wish, 1: wish, 2: wish, 3: wish } });
const hosts = lab.hosts.map(({ name, address, pid }) => ({ name, address, pid }));
const told = { env: lab.client.env, pools: lab.pools("lab"), folder: lab.folder, hosts };
writeFileSync(`${file}.part`, JSON.stringify(told));
renameSync(`${file}.part`, file);
await new Promise((resolve) => process.stdin.once("end", resolve).resume());
await lab.close();
