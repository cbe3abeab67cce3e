// `skylet host DIR`: the node that a host of the user's own is, in the cluster's folder there.
//
// What it is stands in `host.json`. It joins with the invitation that is there, once; the
// credentials that this leaves are good for every later start. HOME of its ranks is the login's. It
// runs until it is told to leave, or ends with TERM and is started again; ranks run on in between.
//
// What must always hold: an invitation is tried once; `ended` is there before a node that was told
// to leave has gone, but on the head's own host, where the head writes it when all is done.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { LeaveOrder } from "../../agent/agent-effects.ts";
import type { RunningAgent } from "../../agent/agent-os.ts";
import type { Credentials } from "../../agent/credentials.ts";
import { credentialsPath, parseCredentials } from "../../agent/credentials.ts";
import { removeLaid } from "../../agent/laid-removal-os.ts";
import type { NodeHome } from "../../model/home.ts";
import type { HostEnd, HostFile } from "../../model/host-file.ts";
import { parseHostFile } from "../../model/host-file.ts";
import type { Files } from "../../runtime/files.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { makeFolders } from "../../runtime/folders-os.ts";
import type { Log } from "../../runtime/log.ts";
import { canRemoveAll, hostHome, removeAll, removeNode } from "./host-removal.ts";
import { joinInProcess } from "./join-process.ts";
import type { Orders } from "./orders.ts";
import { startJoined } from "./skylet-process.ts";

export interface HostProcess {
  /** Ends it. With what it was told, if it was told to leave. */
  close(): Promise<void>;
}

export interface HostWorld {
  readonly log: Log;
  readonly signal: AbortSignal;
  /** It has left: the process is to end. */
  readonly onLeft: () => void;
}

const lookMs = 200;
/** How long whoever owns the host may take to come and take away what is left of the cluster. */
const cleanMs = 10_000;

export async function startHost(dir: string, world: HostWorld): Promise<HostProcess> {
  const file = parseHostFile(await readFile(`${dir}/host.json`, "utf8"));
  const home = hostHome(dir, file);
  makeFolders(home.state, 0o700);
  const files = createOsFiles(dir);
  const joined = await credentialsOf(file, { home, files, signal: world.signal });
  const leaving = new Leaving(dir, { home, files, world });
  const agent = await startJoined(joined, ordersOf(file, home.root), {
    ...{ home, log: world.log, signal: world.signal },
    ...{ mark: `${dir}/`, keepsLists: true, onLeave: (order) => leaving.leave(order) },
  });
  return { close: () => leaving.end(agent) };
}

/** Those of before, unless there is an invitation that was not tried yet. */
async function credentialsOf(
  file: HostFile,
  known: { readonly home: NodeHome; readonly files: Files; readonly signal: AbortSignal },
): Promise<Credentials> {
  const { home, files, signal } = known;
  const triedPath = `${home.state}/invitation`;
  const tried = Buffer.from((await files.read(triedPath)) ?? []).toString();
  const bytes = await files.read(credentialsPath(home.state));
  const saved = bytes && parseCredentials(bytes, file);
  if (saved !== undefined && tried === String(file.incarnation)) return saved;
  const joined = await joinInProcess(ordersOf(file, home.root), { files, signal });
  await files.replace(triedPath, Buffer.from(String(file.incarnation)), 0o600);
  return joined;
}

function ordersOf(file: HostFile, root: string): Orders {
  const { cluster, node, capacity, incarnation, chunkBytes, ip, invitation } = file;
  const { token } = invitation;
  const about = { cluster, node, capacity, incarnation, chunkBytes };
  return { ...about, root, host: ip, invitation, token };
}

class Leaving {
  readonly #dir: string;
  readonly #parts: {
    readonly home: NodeHome;
    readonly files: Files;
    readonly world: HostWorld;
  };
  #left: Promise<readonly string[]> | undefined;
  #order: LeaveOrder | undefined;

  constructor(
    dir: string,
    parts: { readonly home: NodeHome; readonly files: Files; readonly world: HostWorld },
  ) {
    this.#dir = dir;
    this.#parts = parts;
  }

  /** Whoever asks again hears of the same. */
  leave(order: LeaveOrder): Promise<readonly string[]> {
    this.#left ??= this.#leave(order);
    return this.#left;
  }

  async #leave(order: LeaveOrder): Promise<readonly string[]> {
    const { home, files, world } = this.#parts;
    const { remove, why } = order;
    world.log.info("the node leaves its host", { ...order });
    const kept = remove ? await removeLaid(home, basename(this.#dir)) : [];
    const end: HostEnd = { verb: remove ? "down" : "stop", why, at: Date.now() };
    if (!this.#isOfHead()) {
      await files.replace(`${this.#dir}/ended`, Buffer.from(`${JSON.stringify(end)}\n`), 0o600);
    }
    this.#order = order;
    // When the answer is on its way.
    setImmediate(world.onLeft);
    return kept;
  }

  async end(agent: RunningAgent): Promise<void> {
    await agent.close();
    if (this.#order === undefined) return;
    if (this.#order.remove) await removeNode(this.#dir, this.#parts.home);
    if (this.#isOfHead()) await this.#untilEnded();
    else if (this.#order.remove && canRemoveAll(this.#dir)) await this.#unlessCleaned();
  }

  /** Whoever owns the host takes the rest away; if nobody comes, nobody may be there. */
  async #unlessCleaned(): Promise<void> {
    const { signal, log } = this.#parts.world;
    const nobodyMs = AbortSignal.timeout(cleanMs);
    await new Promise((resolve) => {
      for (const one of [signal, nobodyMs]) {
        if (one.aborted) resolve(undefined);
        else one.addEventListener("abort", resolve, { once: true });
      }
    });
    if (signal.aborted) return;
    log.info("nobody came to clean the host: it is done from here");
    await removeAll(this.#dir);
  }

  #isOfHead(): boolean {
    return existsSync(`${this.#dir}/head.json`);
  }

  /** The head is still busy with the others, and would start us again. */
  async #untilEnded(): Promise<void> {
    const { signal } = this.#parts.world;
    while (!signal.aborted && !existsSync(`${this.#dir}/ended`)) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }
}
