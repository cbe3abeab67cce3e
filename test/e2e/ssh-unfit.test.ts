// Hosts that cannot be nodes: each gets one clear sentence, and the others are none the worse for
// it.

import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Place } from "../support/programs.ts";
import { type Host, type Lab, labProblem, startLab } from "./lab.ts";
import {
  areAsNew,
  closeBoth,
  headLog,
  labPlace,
  launching,
  ok,
  writePools,
} from "./ssh-clusters.ts";

/** Which host has what fault, and the words that say so. */
const faults = [
  { index: 2, wish: { noBash: true }, words: /bash/ },
  { index: 3, wish: { readOnlyHome: true }, words: /read-only|cannot be written|not writable/i },
  { index: 4, wish: { homeMib: 1 }, words: /space|room|full|disk|free/i },
  { index: 5, wish: { clockOffsetS: 86_400 }, words: /clock/i },
  { index: 6, wish: { glibc: "2.17" }, words: /glibc|C library/i },
  { index: 7, wish: { login: "password" }, words: /password/i },
  { index: 8, wish: {}, words: /key.*(changed|not the one on record)/i },
] as const;

describe("a pool with hosts that cannot be nodes", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;

  before(async () => {
    const hosts = Object.fromEntries(faults.map(({ index, wish }) => [index, wish]));
    lab = await startLab({ count: 9, hosts });
    await lab.host(8).changeHostKey();
    appendFileSync(
      lab.client.config,
      `Host behind\n  HostName 10.219.255.9\n  ProxyJump ada@10.219.255.1\n`,
    );
    here = labPlace(undefined, lab);
    // Once is enough to wait for somebody who does not answer.
    writePools(here, `${lab.pools("lab")}away:\n  hosts:\n    - behind\n`);
  });

  after(async () => {
    await closeBoth(here, lab);
  });

  test("check says of each what is wrong, in one sentence, and that the rest will do", async () => {
    const { stdout, stderr } = await here.sky(["check", "ssh"], { timeoutMs: 90_000 });
    for (const { index, words } of faults) {
      const about = linesAbout(stdout, lab.host(index));
      assert.match(about, words, `${lab.host(index).name}:\n${stdout}${stderr}${headLog(here)}`);
    }
    assert.match(linesAbout(stdout, "behind"), /jump|reach|answer|timed out|connect/i, stdout);
    for (const index of [0, 1]) {
      assert.doesNotMatch(linesAbout(stdout, lab.host(index)), /cannot|error|unfit/i, stdout);
    }
  });

  test("a launch takes the two that will do, and the others stay as they were", async () => {
    const stdout = await ok(here, [...launching("demo", 2), "echo I am $(hostname)"]);
    const names = [...stdout.matchAll(/I am (lab\d)/g)].map(([, name]) => name);
    assert.deepEqual(names.sort(), ["lab0", "lab1"]);
    await areAsNew(lab.hosts.slice(2));
    await ok(here, ["down", "-y", "demo"]);
    await areAsNew(lab.hosts);
  });

  test("a launch that needs more than two is refused with each one's reason", async () => {
    const { code, stdout, stderr } = await here.sky([...launching("demo", 3), "true"], {
      timeoutMs: 90_000,
    });
    assert.notEqual(code, 0);
    for (const { index, words } of faults) {
      assert.match(linesAbout(stdout + stderr, lab.host(index)), words, stdout + stderr);
    }
    await areAsNew(lab.hosts);
  });
});

/** What is said about a host: the lines that name it, and what is indented below them. */
function linesAbout(text: string, host: Host | string): string {
  const name = typeof host === "string" ? host : host.address;
  const lines = text.split("\n");
  const named = lines.flatMap((line, index) => {
    if (!new RegExp(`(^|[^\\d.])${name.replaceAll(".", "\\.")}($|[^\\d])`).test(line)) return [];
    const depth = indentOf(line);
    const rest = lines.slice(index + 1);
    const end = rest.findIndex((below) => below.trim() === "" || indentOf(below) <= depth);
    return [line, ...rest.slice(0, end === -1 ? rest.length : end)];
  });
  return named.join("\n");
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
