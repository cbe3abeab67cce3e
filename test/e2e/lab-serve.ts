// `node test/e2e/lab-serve.ts`: a lab for another process, which writes one line of JSON to this
// one (where to say what; which folder to share) and finds in `file` how to reach the hosts. It
// ends the lab by ending this one's input.
//
// The hosts say to have many CPUs and devices: what runs on them was written for clusters that give
// each node as many as it asks for. They share a folder with the client, in which tests and their
// jobs wait for each other; what must always hold: the client's SKY_HOME in it is not shared.

import { renameSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { startLab } from "./lab.ts";

interface Order {
  readonly file: string;
  readonly shared: string;
  readonly unshared: string;
}

const input = createInterface({ input: process.stdin });
const ended = new Promise((resolve) => input.once("close", resolve));
const line = await new Promise<string>((resolve) => input.once("line", resolve));
const { file, shared, unshared } = JSON.parse(line) as Order;
const devices = { gpus: 8, gpuName: "Tesla V100-SXM2-16GB" };
const wish = { cpus: 64, ...devices, given: ["bin/node"], shared, unshared };
const lab = await startLab({ hosts: { 0: wish, 1: wish, 2: wish, 3: wish } });
const hosts = lab.hosts.map(({ name, address, pid }) => ({ name, address, pid }));
const told = { env: lab.client.env, pools: lab.pools("lab"), folder: lab.folder, hosts };
writeFileSync(`${file}.part`, JSON.stringify(told));
renameSync(`${file}.part`, file);
await ended;
await lab.close();
