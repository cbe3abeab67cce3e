// Hosts that are folders: what would go to them over SSH is run here, by a shell of one's choice,
// with that folder as the home. For tests of what the scripts do; OpenSSH has tests of its own.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Bundle } from "../../clouds/ssh/bundle-os.ts";
import { tarEnd, tarHeader, tarPadding } from "../../clouds/ssh/bundle-tar.ts";
import type { HostPlace } from "../../clouds/ssh/host-steps.ts";
import { SkyError } from "../../model/errors.ts";
import type { Ssh, SshCall, SshStream } from "../../runtime/ssh.ts";
import { checkout } from "./sources.ts";

export interface LocalHosts {
  readonly folder: string;
  readonly ssh: Ssh;
  /** What each script's shell was, in order, while it lives. */
  readonly shells: ReadonlySet<ChildProcess>;
  /** Put first on the hosts' PATH. */
  readonly tools: string;
  home(host: string): string;
  place(host: string, cluster?: string): HostPlace;
  /** Ends what runs there, whatever it is, and removes all. */
  close(): void;
}

const systemPath = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

export interface LocalOptions {
  readonly shell?: readonly string[];
  readonly path?: string;
  /** Of a login, beside what all have. */
  readonly environment?: Readonly<Record<string, string>>;
}

export function localHosts(options: LocalOptions = {}): LocalHosts {
  const { shell: [program = "sh", ...first] = ["sh"], path = systemPath } = options;
  const folder = mkdtempSync(join(tmpdir(), "sky-hosts-"));
  const programPath = pathOf(program);
  const tools = join(folder, "tools");
  mkdirSync(tools);
  // Its other programs too are those of such a host.
  if (program === "busybox") spawnSync(program, ["--install", "-s", tools]);
  const shells = new Set<ChildProcess>();
  const home = (host: string): string => {
    mkdirSync(join(folder, host), { recursive: true });
    return join(folder, host);
  };
  const begin = (host: string, call: SshCall): ChildProcess => {
    const child = spawn(programPath, [...first, "-c", call.script, "sh", ...(call.args ?? [])], {
      cwd: home(host),
      env: {
        ...{ HOME: home(host), PATH: `${tools}:${path}`, SHELL: "/bin/sh" },
        ...{ SSH_CONNECTION: "192.0.2.1 1 192.0.2.2 22", SECRET: "of the login" },
        // No manager of units, unless a test has one.
        ...{ XDG_RUNTIME_DIR: join(folder, "run"), ...options.environment },
      },
      stdio: "pipe",
    });
    shells.add(child);
    child.once("exit", () => shells.delete(child));
    return child;
  };
  const ssh = sshOver(begin);
  return {
    ...{ folder, ssh, shells, tools, home },
    place: (host, cluster = "train") => ({
      ...{ host, target: { host }, ip: "127.0.0.1", arch: process.arch, cluster },
      token: createHash("sha256").update(cluster).digest("hex"),
    }),
    close: () => {
      for (const pid of pidsBelow(folder)) process.kill(pid, "SIGKILL");
      rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

function sshOver(begin: (host: string, call: SshCall) => ChildProcess): Ssh {
  const open = async (target: { host: string }, call: SshCall): Promise<SshStream> => {
    const { stdin, stdout, stderr, ...child } = parts(begin(target.host, call));
    let said = "";
    stderr.on("data", (data) => {
      said += String(data);
    });
    const ended = child.closed.then((code) => ({ code, stderr: said }));
    return { stdin, stdout, ended };
  };
  const never = (): never => {
    throw new Error("no test needs this");
  };
  return {
    open,
    run: async (target, call) => {
      const stream = await open(target, call);
      let stdout = "";
      stream.stdout.on("data", (data) => {
        stdout += String(data);
      });
      // A script that wants no input may be gone before it has it.
      stream.stdin.on("error", () => {});
      stream.stdin.end(call.input ?? "");
      const { code, stderr } = await stream.ended;
      return { code, stdout, stderr };
    },
    ...{ tunnel: never, hostKey: never, trust: never, leave: never, useAgent: never },
    close: async () => {},
  };
}

function parts(child: ChildProcess) {
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error("no pipes");
  const closed = new Promise<number>((resolve, reject) => {
    child.once("close", (code, signal) => {
      if (signal === null) resolve(code ?? -1);
      else reject(new SkyError("ssh/unreachable", { host: "it", why: signal }));
    });
  });
  return { stdin, stdout, stderr, closed };
}

/** Processes that carry the mark of a cluster's folder below this one, or are in it. */
export function pidsBelow(folder: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
        return environment.includes(`SKYLET_HOST=${folder}`);
      } catch {
        return false; // It ended, or is another user's.
      }
    });
}

export interface SmallBundle {
  /** What `bin/node` is; the real one by default. */
  readonly node?: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** A program that tells what it was given, and runs on. */
const program = `
import { writeFileSync } from "node:fs";
const dir = process.argv.at(-1);
const name = process.argv[1].endsWith("skyhead.js") ? "head" : "node";
const about = { pid: process.pid, env: process.env, umask: process.umask(), argv: process.argv };
writeFileSync(dir + "/seen." + name + ".json", JSON.stringify(about));
if (process.argv[2] === "remove") { console.log('{"kept":["~/sky_workdir: 1 file"]}'); }
else {
  process.on("SIGTERM", () => process.exit(0));
  setInterval(() => {}, 1000);
}
`;

/** A bundle of a few kB: its Node is a line of shell, its programs are small ones. */
export function smallBundle(folder: string, { node, files = {} }: SmallBundle = {}): Bundle {
  const wrapper = `#!/bin/sh\nexec '${process.execPath}' "$@"\n`;
  const all: Record<string, string> = {
    "bin/node": node ?? wrapper,
    "package.json": '{ "type": "module", "version": "0.0.1" }',
    "host-run.sh": readFileSync(join(checkout, "clouds/ssh/host-run.sh"), "utf8"),
    "serve-bundle.js": `await import("${join(checkout, "bin/serve-bundle.ts")}");`,
    ...{ "skylet.js": program, "skyhead.js": program, ...files },
  };
  const pieces = Object.entries(all).flatMap(([name, text]) => {
    const content = Buffer.from(text);
    const mode = name.startsWith("bin/") ? 0o755 : 0o644;
    const header = tarHeader({ name, mode, bytes: content.length });
    return [header, content, tarPadding(content.length)];
  });
  const archive = gzipSync(Buffer.concat([...pieces, tarEnd]));
  const hash = createHash("sha256").update(archive).digest("hex");
  const path = join(folder, `${hash}.tar.gz`);
  writeFileSync(path, archive);
  return { path, hash, bytes: archive.length, unpackedBytes: 20_000 };
}

/** Shells that hosts have, of those that are here. */
export function shellsHere(): readonly (readonly string[])[] {
  return [["dash"], ["bash", "--posix"], ["busybox", "sh"]].filter(([name = "", ...first]) => {
    const { status } = spawnSync(name, [...first, "-c", "exit 0"], { stdio: "ignore" });
    return status === 0;
  });
}

function pathOf(program: string): string {
  const folders = (process.env["PATH"] ?? "").split(":");
  const found = folders.map((at) => join(at, program)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${program} is missing here`);
  return found;
}
