// The pools file: what it means, or everything that is wrong with it, each at its line and column.
//
// It is SkyPilot's own, so that one file serves both. What the file says of a host wins over
// `~/.ssh/config`; what it does not say is left to that. A password is refused, and no line that
// may hold one is shown. Pure.
//
// Source: SkyPilot 0.14.1, SSH node pools. A port is ours: SkyPilot leaves it to `~/.ssh/config`.

import {
  entriesOf,
  type Findings,
  readText,
  readWhole,
  refuse,
  unknownField,
} from "../../model/field-values.ts";
import type { Place, Problem } from "../../model/problem.ts";
import { isNull, shown, type Tree } from "../../model/value-tree.ts";
import { readYaml } from "../../model/yaml-tree.ts";
import { given } from "../../proto/fields.ts";
import type { SshTarget } from "../../runtime/ssh.ts";
import type { Pool, PoolHost } from "./pools.ts";

export interface PoolsReading {
  /** In the order of the file. Not for use beside problems. */
  readonly pools: readonly Pool[];
  readonly problems: readonly Problem[];
}

/** What the file cannot know by itself. */
export interface PoolsWorld {
  /** How the file is called in problems. */
  readonly file: string;
  /** What `~` is in the path of a key. */
  readonly home: string;
  /** Whether a file of a key is there. */
  readonly isFile: (path: string) => boolean;
}

export function readPools(text: string, world: PoolsWorld): PoolsReading {
  const { documents, problems } = readYaml(text, world.file);
  const found: Findings = { problems: [...problems], notes: [] };
  const pools = documents === undefined ? [] : poolsOf(documents, { world, found });
  return { pools, problems: found.problems.map(withoutSecrets) };
}

interface Reading {
  readonly world: PoolsWorld;
  readonly found: Findings;
}

function poolsOf(documents: readonly Tree[], reading: Reading): readonly Pool[] {
  const [tree, second] = documents.filter((document) => !isNull(document));
  if (tree === undefined) return [];
  if (second !== undefined) {
    refuse(reading.found, second.place, "a second document: all pools stand in one");
  }
  return entriesOf(tree, "the file", reading.found).flatMap(({ key, keyPlace, value }) => {
    if (!poolPattern.test(key)) {
      const rule = "a pool's name should be of letters, digits, dots, dashes and underscores";
      refuse(reading.found, keyPlace, `${rule}, at most ${poolNameLengthMax} of them`);
    } else if (reservedNames.includes(key.toLowerCase())) {
      refuse(reading.found, keyPlace, `a pool cannot be called ${key}: --region ${key} means none`);
    }
    const pool = poolOf({ name: key, place: keyPlace, tree: value }, reading);
    return pool === undefined ? [] : [pool];
  });
}

const poolNameLengthMax = 63;

/** It stands in `ssh/POOL`, in tables and in messages. */
const poolPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What a flag that takes a pool takes for no pool. */
const reservedNames = ["none"];

interface Named {
  readonly name: string;
  readonly place: Place;
  readonly tree: Tree;
}

function poolOf({ name, place, tree }: Named, reading: Reading): Pool | undefined {
  const { found } = reading;
  const noHosts = `pool ${JSON.stringify(name)} has no hosts`;
  if (isNull(tree)) return refuse(found, place, `${noHosts}: give it a list, hosts`);
  if (tree.kind === "list") {
    const what = `pool ${JSON.stringify(name)} should be a mapping: its list belongs under hosts`;
    return refuse(found, tree.place, what);
  }
  const defaults = loginOf(tree, { of: `pool ${name}`, more: ["hosts"] }, reading);
  if (tree.kind !== "map") return undefined;
  const entry = tree.entries.find(({ key }) => key === "hosts");
  if (entry === undefined) return refuse(found, place, `${noHosts}: give it a list, hosts`);
  if (isNull(entry.value)) return refuse(found, entry.keyPlace, noHosts);
  const list = entry.value;
  if (list.kind !== "list") {
    return refuse(found, list.place, `hosts should be a list, not ${shown(list)}`);
  }
  if (list.items.length === 0) return refuse(found, list.place, noHosts);
  const hosts = list.items
    .flatMap((item) => hostOf(item, reading) ?? [])
    .map(({ target, place: at }) => ({ target: { ...defaults, ...target }, place: at }));
  return { name, hosts: hostsOf(distinct(hosts, name, found)) };
}

/** What a pool may say for all of its hosts, and a host for itself. */
type Login = Omit<SshTarget, "host">;

const loginFields = ["user", "identity_file", "port", "password"];

interface Table {
  /** As in "is no field of …". */
  readonly of: string;
  readonly more: readonly string[];
}

function loginOf(tree: Tree, { of, more }: Table, reading: Reading): Login {
  const { found } = reading;
  const values = new Map<string, Tree>();
  const known = [...more, ...loginFields];
  for (const entry of entriesOf(tree, of, found)) {
    if (known.includes(entry.key)) values.set(entry.key, entry.value);
    else unknownField(entry, { of, known }, found);
    if (entry.key === "password" && !isNull(entry.value)) {
      const what = "a password is of no use: nobody is there to type it. Log in with a key";
      found.problems.push({ place: entry.keyPlace, what, help: "ssh-copy-id USER@HOST, once" });
    }
  }
  const nothing: Tree = { kind: "scalar", place: tree.place, value: null, text: "" };
  const at = (key: string) => values.get(key) ?? nothing;
  return {
    ...given("user", userOf(at("user"), found)),
    ...given("port", portOf(at("port"), found)),
    ...given("identityFile", identityFileOf(at("identity_file"), reading)),
  };
}

function userOf(tree: Tree, found: Findings): string | undefined {
  const user = readText(tree, "user", found);
  if (user === undefined || userPattern.test(user)) return user;
  return refuse(found, tree.place, `user should be the name of a login, not ${shown(tree)}`);
}

/** Other characters the login shell might take for its own. Source: OpenSSH, `valid_ruser`. */
const userPattern = /^(?!-)[^\s\p{Cc}'`"$;&<>|(){}\\/:@]+$/u;

function portOf(tree: Tree, found: Findings): number | undefined {
  const called = "a port, from 1 to 65535";
  const port = readWhole(tree, { name: "port", least: 1, called }, found);
  if (port === undefined || port <= 65_535) return port;
  return refuse(found, tree.place, `port should be ${called}, not ${shown(tree)}`);
}

function identityFileOf(tree: Tree, { world, found }: Reading): string | undefined {
  const typed = readText(tree, "identity_file", found);
  if (typed === undefined) return undefined;
  if (!/^(~?\/)/.test(typed)) {
    const what = "identity_file should begin with / or ~/: heads run in no folder of yours";
    return refuse(found, tree.place, `${what}, so that ${shown(tree)} could be anywhere`);
  }
  const path = typed.replace(/^~(?=\/)/, () => world.home);
  // Of a key that an agent or a token has, its public half alone says which one it is.
  if (world.isFile(path) || world.isFile(`${path}.pub`)) return path;
  return refuse(found, tree.place, `identity_file: there is no file ${typed}`);
}

/** A host as it was written, and where. */
interface Written {
  readonly target: SshTarget;
  readonly place: Place;
}

function hostOf(tree: Tree, reading: Reading): Written | undefined {
  const { found } = reading;
  if (tree.kind !== "map") {
    const host = addressOf(tree, "a host", found);
    return host === undefined ? undefined : { target: { host }, place: tree.place };
  }
  const login = loginOf(tree, { of: "a host", more: ["ip"] }, reading);
  const entry = tree.entries.find(({ key }) => key === "ip");
  if (entry === undefined) {
    const misnamed = tree.entries.some(({ key }) => ["host", "hostname", "name"].includes(key));
    // Such a field is told already, and is the reason.
    const what = "a host needs ip: an address, or a name that ~/.ssh/config knows";
    return misnamed ? undefined : refuse(found, tree.place, what);
  }
  const host = addressOf(entry.value, "ip", found);
  return host === undefined ? undefined : { target: { host, ...login }, place: entry.value.place };
}

/** @returns undefined for what was refused. */
function addressOf(tree: Tree, name: string, found: Findings): string | undefined {
  const typed = tree.kind === "scalar" && typeof tree.value === "string" ? tree.value : undefined;
  const no = (what: string, help?: string): undefined => {
    found.problems.push({ place: tree.place, what: `${name} ${what}`, ...given("help", help) });
    return undefined;
  };
  if (typed === undefined) {
    const quoted = tree.kind === "scalar" && !isNull(tree) ? `: quote it if it is a name` : "";
    return no(
      `should be an address or a name that ~/.ssh/config knows, not ${shown(tree)}${quoted}`,
    );
  }
  const login = /^(?:ssh:\/\/)?([^@\s]+)@([^@\s]+)$/.exec(typed);
  if (login !== null) {
    return no("should not have a user in it", `{ip: "${login[2]}", user: "${login[1]}"}`);
  }
  const port = /^(?:ssh:\/\/)?\[?([^@\s\][]+?)\]?:(\d+)$/.exec(typed);
  if (port !== null && !ipv6Pattern.test(typed)) {
    return no("should not have a port in it", `{ip: "${port[1]}", port: ${port[2]}}`);
  }
  if (hostPattern.test(typed) && (!typed.includes(":") || ipv6Pattern.test(typed))) return typed;
  return no(`should be an address or a name that ~/.ssh/config knows, not ${shown(tree)}`);
}

/** Either all eight groups, or fewer with `::` among them; the last may be of IPv4's form. */
const ipv6Pattern =
  /^(?=.*::|([^:]*:){7}|.*\.)[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:[0-9.]{7,15})?(%[\w.-]+)?$/;

/** Source: OpenSSH, ssh.c, `valid_hostname`; and what is a pattern to it, a path or a list. */
const hostPattern = /^(?!-)[^\s\p{Cc}'`"$\\;&<>|(){}*?!,/@#[\]]{1,253}$/u;

function distinct(hosts: readonly Written[], pool: string, found: Findings): readonly Written[] {
  const first = new Map<string, Place>();
  return hosts.filter(({ target, place }) => {
    const before = first.get(machineOf(target));
    if (before === undefined) {
      first.set(machineOf(target), place);
      return true;
    }
    const line = before.kind === "text" ? before.line : 0;
    refuse(found, place, `"${target.host}" is in pool ${pool} twice, first on line ${line}`);
    return false;
  });
}

/** The same machine answers to the same address and port. */
function machineOf({ host, port = sshPort }: SshTarget): string {
  return `${host.toLowerCase()} ${port}`;
}

const sshPort = 22;

/** A host is called by its address; one that shares that with others by its port too. */
function hostsOf(hosts: readonly Written[]): readonly PoolHost[] {
  const count = (host: string) => hosts.filter(({ target }) => target.host === host).length;
  return hosts.map(({ target }) => {
    const { host, port } = target;
    const name = count(host) === 1 || port === undefined ? host : `${bracketed(host)}:${port}`;
    return { name, target };
  });
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** A line with a password in it is not shown, and what YAML says of it might quote it. */
function withoutSecrets(problem: Problem): Problem {
  const { place, what } = problem;
  if (place.kind !== "text" || !/pas+w|pwd|secret/i.test(place.lineText)) return problem;
  const quotes = what.includes("not valid YAML") || what.includes("no anchor");
  const safe = quotes ? "this is not valid YAML; its line is not shown: it has a password" : what;
  return { ...problem, place: { ...place, lineText: "" }, what: safe };
}
