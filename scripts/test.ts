// `npm test`: everything that runs without a cloud, layer by layer.
//
// The layers integration and smoke run twice from the same files, with embedded nodes and with real
// skylet processes over a real nats-server; what ran in each integration is printed and must be the
// same set. Files whose homes have one isolation in any case run once. What is missing is installed
// or named with the one command that installs it, never skipped.
// The last line is `N passed, N failed, N skipped`.
//
// `npm test -- unit golden` runs only these layers.

import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { argv, env, execPath, exit, getuid } from "node:process";
import {
  checkout,
  detailsOf,
  type Layer,
  type LayerResult,
  runLayer,
  summaryLine,
  testFiles,
} from "./layers.ts";

env["PATH"] = `${join(checkout, "node_modules/.bin")}:${env["PATH"]}:/usr/sbin:/sbin`;
env["SKY_TEST_PROGRAMS"] = "dist";

/** In homes that have an isolation of their own, so it would be the same work twice. */
const once = testFiles("test/integration/once");
const integration = testFiles("test/integration").filter((file) => !once.includes(file));
const smoke = testFiles("test/smoke");
/** At a time of those files that wait for processes and disks more than they compute. */
const waiting = { concurrency: Math.min(availableParallelism() + 1, 4) };
/** The longest of the layers, which begin with them so that the lanes end together. */
const long = ["remote", "homes", "workdirs", "files", "cli-audit", "clusters", "identity", "bus"]
  .concat(["openssh-attacks", "host-steps", "host-steps-cut"])
  .concat(["autostop", "process-os", "content-store-damage", "content-store-os", "bus-faults"])
  .map((name) => `/${name}.test.ts`);
const longFirst = (files: readonly string[]): readonly string[] => {
  const isLong = (file: string): boolean => long.some((name) => file.endsWith(name));
  return [...files.filter(isLong), ...files.filter((file) => !isLong(file))];
};

const isolations = ["embedded", "process"] as const;
/** What a layer of tests on clusters of real hosts is like; its files are of the integration. */
const onHosts = {
  env: { SKY_TEST_CLOUD: "ssh", SKY_TEST_ISOLATION: "process" },
  concurrency: 2,
  fileTimeoutMs: 240_000,
} as const;
const files = (...names: readonly string[]): readonly string[] =>
  names.map((name) => `test/integration/${name}.test.ts`);
/** These run on hosts as they are. The gate has no time for them beside its e2e. */
const integrationOnHosts = files(
  ...["gang", "setup", "autostop", "cancel", "exits", "failure", "fractions", "input", "logs"],
  "output",
);
const asideE2e = ["devices", "alone", "reboot"].map((name) => `test/e2e/ssh-${name}.test.ts`);
const e2e = testFiles("test/e2e").filter((name) => !asideE2e.includes(name));
const layers: readonly Layer[] = [
  { name: "tidy", files: ["test/tidy.test.ts"] },
  { name: "unit", files: testFiles("test/unit") },
  { name: "contract", files: longFirst(testFiles("test/contract")), ...waiting },
  { name: "sim", files: testFiles("test/sim"), fileTimeoutMs: 180_000 },
  { name: "golden", files: testFiles("test/golden") },
  ...isolations.map((isolation) => ({
    name: `integration ${isolation}`,
    files: longFirst(integration),
    ...waiting,
    env: { SKY_TEST_ISOLATION: isolation },
    fileTimeoutMs: 240_000,
  })),
  { name: "integration once", files: longFirst(once), ...waiting, fileTimeoutMs: 240_000 },
  ...isolations.map((isolation) => ({
    name: `smoke ${isolation}`,
    files: longFirst(smoke),
    ...waiting,
    env: { SKY_TEST_ISOLATION: isolation },
  })),
  // Hosts as namespaces, and what is killed: neither must be starved by other tests besides.
  { name: "e2e", files: e2e, concurrency: 2, fileTimeoutMs: 240_000 },
  { name: "chaos", files: testFiles("test/chaos"), concurrency: 1, fileTimeoutMs: 240_000 },
  { name: "proofs", files: testFiles("test/proofs") },
  { name: "skew", files: testFiles("test/skew"), fileTimeoutMs: 240_000 },
  { name: "replay", files: testFiles("test/replay") },
];

/** Only when they are asked for: `npm run test:hosts`. */
const asides: readonly Layer[] = [
  { name: "hosts", files: [...integrationOnHosts, ...asideE2e], ...onHosts },
];

const asked = argv.slice(2);

/** There is nothing to replay before the first release. */
const mayBeEmpty = ["replay"];

await main();

async function main(): Promise<void> {
  const all = [...layers, ...asides];
  const named = all.filter(({ name }) => asked.some(isNamed(name)));
  const unknown = asked.find((word) => !all.some(({ name }) => isNamed(name)(word)));
  if (unknown !== undefined) {
    console.error(`there is no layer ${unknown}: ${all.map(({ name }) => name).join(", ")}`);
    exit(2);
  }
  const chosen = asked.length === 0 ? layers : named;
  const needs = (pattern: RegExp): boolean => chosen.some(({ name }) => pattern.test(name));
  if (needs(/contract|integration|smoke|e2e|hosts|chaos|skew/)) provideNatsServer();
  const hasHosts = !needs(/e2e|hosts/) || didProvideHosts();
  if (needs(/integration|smoke|e2e|hosts|chaos|skew|replay/)) {
    execFileSync(execPath, [join(checkout, "scripts/build.ts")], { stdio: "inherit" });
  }
  const results: LayerResult[] = [];
  for (const layer of chosen) {
    if (layer.files.length === 0 && !mayBeEmpty.includes(layer.name)) {
      throw new Error(`the layer ${layer.name} has no tests`);
    }
    if (!hasHosts && layer.env === onHosts.env) {
      console.log(`${layer.name}: not run, for hosts as namespaces cannot be made here`);
      continue;
    }
    const result = await runLayer(layer);
    process.stdout.write(detailsOf(result));
    console.log(summaryLine(result));
    results.push(result);
  }
  const same = sameIntegration(results);
  const sum = (of: "passed" | "failed" | "skipped") => results.reduce((n, r) => n + r[of], 0);
  const failed = sum("failed") + (same ? 0 : 1);
  console.log(`${sum("passed")} passed, ${failed} failed, ${sum("skipped")} skipped`);
  exit(failed === 0 ? 0 : 1);
}

/** `integration` and `smoke` name all of theirs. */
function isNamed(name: string): (word: string) => boolean {
  return (word) => name === word || name.startsWith(`${word} `);
}

/** Prints the names that ran in each isolation; false if the two sets differ. */
function sameIntegration(results: readonly LayerResult[]): boolean {
  const [first, second] = isolations.map((isolation) =>
    results.find(({ name }) => name === `integration ${isolation}`),
  );
  for (const result of [first, second]) {
    if (result === undefined) continue;
    console.log(`\nran in ${result.name}:`);
    for (const name of [...result.ran].sort()) console.log(`  ${name}`);
  }
  if (first === undefined || second === undefined) return true;
  const onlyFirst = first.ran.difference(second.ran);
  const onlySecond = second.ran.difference(first.ran);
  for (const name of onlyFirst) console.log(`ran only in ${first.name}: ${name}`);
  for (const name of onlySecond) console.log(`ran only in ${second.name}: ${name}`);
  const same = onlyFirst.size === 0 && onlySecond.size === 0;
  console.log(
    same ? `\nthe same ${first.ran.size} tests ran in both\n` : "\nthe two sets differ\n",
  );
  return same;
}

/** Finds nats-server, or installs Debian's package as root, or says how. */
function provideNatsServer(): void {
  if (isOnPath("nats-server") || didInstall(["nats-server"], ["nats-server"])) return;
  const install = installing(["nats-server"]);
  console.error(`nats-server (2.9.10 or newer) is missing. Install it: sudo ${install}`);
  exit(1);
}

/** What hosts as namespaces are made of. Without it the layer's tests skip and say so. */
function didProvideHosts(): boolean {
  const programs = ["sshd", "ssh", "ip", "tc", "unshare", "nsenter"];
  const packages = ["openssh-server", "openssh-client", "iproute2", "util-linux"];
  const areThere = programs.every(isOnPath) || didInstall(packages, programs);
  if (!areThere) {
    console.error(`some of ${programs.join(", ")} is missing: sudo ${installing(packages)}`);
  }
  return areThere && getuid?.() === 0;
}

function installing(packages: readonly string[]): string {
  return `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}

/** Installs Debian's packages where that is possible, and no service of theirs starts by it. */
function didInstall(packages: readonly string[], programs: readonly string[]): boolean {
  if (getuid?.() !== 0 || !isOnPath("apt-get")) return false;
  for (const command of ["apt-get update -q", installing(packages)]) {
    spawnSync("sh", ["-c", command], {
      stdio: "inherit",
      // RUNLEVEL is what packages ask before they start what they bring.
      env: { ...env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
    });
  }
  return programs.every(isOnPath);
}

function isOnPath(program: string): boolean {
  return (env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
