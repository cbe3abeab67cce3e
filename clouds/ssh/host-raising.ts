// Bringing up what should run on the hosts of one cluster: its head on the first of them, an agent
// on each.
//
// It goes on by itself and may be asked for at any time: what is under way is joined, what failed
// waits for its time, and every step goes on from whatever is there. One host's failure is that
// host's alone.
//
// What must always hold: nothing starts while it is halted, or for a cluster that is not to run;
// two works on one host never go on at once.

import { SkyError } from "../../model/errors.ts";
import { homeAt } from "../../model/home.ts";
import { hostFolderName } from "../../model/host-file.ts";
import type { ClusterRecord, RecordNode } from "../cluster-record.ts";
import type { HeadPlace } from "../head-hosting.ts";
import type { ClusterBundle } from "./cluster-bundle.ts";
import { mayRetry } from "./host-standing.ts";
import type { HostPlace, HostStatus, Installed } from "./host-steps.ts";
import { type HostWorks, headNodeOf, hostOf, troubleText } from "./host-works.ts";

/** An agent that runs, and that its head has not heard for so long, is started anew. */
const silentMs = 60_000;

export class HostRaising {
  readonly #works: HostWorks;
  readonly #spread: ClusterBundle;
  #incarnation = 0;
  /** Ends what goes on. */
  #stop = new AbortController();

  constructor(works: HostWorks, spread: ClusterBundle) {
    this.#works = works;
    this.#spread = spread;
  }

  /** @throws SkyError those of `HostSteps`. */
  async openHead(record: ClusterRecord, signal: AbortSignal): Promise<HeadPlace> {
    const works = this.#works;
    const node = headNodeOf(record);
    try {
      works.enter(node, "installing");
      const place = await works.place(record, node);
      // Whoever is here first hears of what is wrong; the other goes on for nobody.
      const [natsServer] = await Promise.all([
        works.ports.steps.natsServer(place, signal),
        this.#installHead(record, signal),
      ]);
      works.enter(node, "starting");
      const { cluster, token, ip } = place;
      const { settings } = works.ports;
      const file = { cluster, token, ip, natsServer, settings };
      await works.ports.steps.start(place, { role: "head", file }, signal);
      return headPlaceOf(place);
    } finally {
      // Its agent may have begun meanwhile, and says itself what it does.
      if (works.work(node).busy === undefined) works.enter(node, undefined);
    }
  }

  async #installHead(record: ClusterRecord, signal: AbortSignal): Promise<void> {
    const first = headNodeOf(record);
    const [made] = await this.#spread.install(record, [first], signal);
    if (made?.problem !== undefined) throw made.problem;
    if (record.goal === "running" && record.nodes.length > 1) {
      // The others have it by the time that their head can invite them.
      const ahead = this.#spread.install(record, record.nodes, this.#stop.signal);
      ahead.catch((error: unknown) => {
        const { log } = this.#works.ports;
        log.warn("the bundle was not spread ahead", { cluster: record.name, error });
      });
    }
  }

  /** Brings nodes up in the background. What failed lately waits for its time. */
  raise(ids: readonly string[]): void {
    const works = this.#works;
    const record = works.record();
    if (record?.goal !== "running") return;
    const nodes = record.nodes.filter((node) => ids.includes(node.id) && this.#may(record, node));
    if (nodes.length === 0) return;
    for (const node of nodes) works.enter(node, "installing");
    const { signal } = this.#stop;
    const installed = this.#spread.install(record, nodes, signal);
    // Each node waits for it, unless that node has failed before.
    installed.catch(() => {});
    for (const [at, node] of nodes.entries()) {
      const work = works.work(node);
      work.removed = false;
      work.busy = this.#raiseOrFail(record, { node, at, installed, signal }).finally(() => {
        work.busy = undefined;
        works.enter(node, undefined);
      });
    }
  }

  #may(record: ClusterRecord, node: RecordNode): boolean {
    const { busy, fault, endedAfter } = this.#works.work(node);
    if (busy !== undefined) return false;
    // It ended by itself, and nobody has asked for it since.
    if (record.status === "UP" && endedAfter === record.launchedAt) return false;
    const now = { atMs: this.#works.nowMs(), askedAt: record.launchedAt };
    return fault === undefined || mayRetry(fault, now);
  }

  /** Never throws: what fails is the host's fault, and told by `list`. */
  async #raiseOrFail(record: ClusterRecord, raising: Raising): Promise<void> {
    try {
      await this.#raiseOne(record, raising);
    } catch (error) {
      if (!raising.signal.aborted) this.#works.failed(record, raising.node, error);
    }
  }

  async #raiseOne(record: ClusterRecord, { node, at, installed, signal }: Raising): Promise<void> {
    const works = this.#works;
    const { steps, settings, invite } = works.ports;
    const chunkBytes = settings.chunks.bytes;
    const { id, index, capacity } = node;
    const place = await works.place(record, node);
    const devices = capacity.accelerators.flatMap(({ ids = [] }) => ids);
    const claim = steps.claim(place, devices, signal);
    const [claimed, all] = await Promise.all([claim, installed]);
    const made = all[at];
    if (made?.problem !== undefined) throw made.problem;
    signal.throwIfAborted();
    works.enter(node, "starting");
    const invitation = await invite(record.name, id, signal);
    const about = { cluster: record.name, token: record.token, node: id, index, ip: place.ip };
    const incarnation = this.#nextIncarnation();
    const file = { ...about, capacity, ...claimed, chunkBytes, incarnation, invitation };
    await steps.start(place, { role: "node", file }, signal);
    works.saw(node, "up");
    const work = works.work(node);
    work.fault = undefined;
    work.silentMs = undefined;
  }

  /** The head has not heard these nodes for a while. */
  async revive(record: ClusterRecord, ids: readonly string[], signal: AbortSignal): Promise<void> {
    const nodes = record.nodes.filter(({ id }) => ids.includes(id));
    await Promise.all(nodes.map((node) => this.#reviveOne(record, node, signal)));
  }

  async #reviveOne(record: ClusterRecord, node: RecordNode, signal: AbortSignal): Promise<void> {
    const works = this.#works;
    const work = works.work(node);
    if (work.busy !== undefined) return work.busy;
    if (!this.#may(record, node)) return;
    let status: HostStatus;
    try {
      status = await works.status(await works.place(record, node), signal);
    } catch (error) {
      if (!signal.aborted) works.failed(record, node, error);
      return;
    }
    work.fault = undefined;
    if (status.ended !== undefined) return;
    if (status.folder === "absent") this.#spread.forget(node);
    if (status.node !== "running") works.saw(node, "starting");
    else {
      // It may find its head again by itself, and its credentials are good until then.
      work.silentMs ??= works.nowMs();
      if (works.nowMs() - work.silentMs < silentMs) return;
    }
    works.ports.onNote(record.name, `the agent on ${hostOf(node)} is started again`);
    this.raise([node.id]);
    await work.busy;
  }

  /**
   * Puts the version that we bring in the place of others. The head first: it understands agents of
   * earlier versions, and they need not understand it.
   * @throws SkyError what kept a host from it, when the others are done.
   */
  async renew(record: ClusterRecord, signal: AbortSignal): Promise<void> {
    const looks = await Promise.allSettled(
      record.nodes.map((node) => this.#versionOf(record, node, signal)),
    );
    const old = looks.flatMap((look) => (look.status === "fulfilled" ? (look.value ?? []) : []));
    const [one] = old;
    if (one === undefined) return;
    const change = `from ${one.before.slice(0, 8)} to ${one.after.slice(0, 8)}`;
    const { onNote } = this.#works.ports;
    onNote(record.name, `what runs on its hosts is being replaced: ${change}`);
    const problems: string[] = [];
    try {
      if (old.some(({ node }) => node.index === 0)) await this.openHead(record, signal);
      this.raise(old.map(({ node }) => node.id));
      await Promise.all(old.map(({ node }) => this.#works.work(node).busy));
    } catch (error) {
      problems.push(troubleText(hostOf(headNodeOf(record)), error));
    }
    problems.push(...old.flatMap(({ node }) => this.#works.work(node).fault?.why ?? []));
    const outcome = problems.length === 0 ? `replaced: ${change}` : `not all ${change}`;
    const told = [`what runs on its hosts was ${outcome}`, ...problems].join("; ");
    onNote(record.name, told);
    if (problems.length > 0) throw new SkyError("host/failed", failedAs(record, problems));
  }

  /** `undefined` where there is nothing to replace. */
  async #versionOf(
    record: ClusterRecord,
    node: RecordNode,
    signal: AbortSignal,
  ): Promise<Version | undefined> {
    const works = this.#works;
    const place = await works.place(record, node);
    const { folder, ended, bundle: before } = await works.status(place, signal);
    if (folder === "absent" || ended !== undefined || before === undefined) return undefined;
    const after = await works.ports.bundleOf(place.arch);
    return before === after ? undefined : { node, before, after };
  }

  /** What brings nodes up is over when this resolves. */
  async halt(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#works.busy());
    await this.#spread.idle();
    this.#stop = new AbortController();
  }

  /** Above those of earlier processes, too. */
  #nextIncarnation(): number {
    const seconds = Math.floor(this.#works.ports.clock.now().wallMs / 1_000);
    this.#incarnation = Math.max(this.#incarnation + 1, seconds);
    return this.#incarnation;
  }
}

interface Version {
  readonly node: RecordNode;
  /** The bundles that run and should run. */
  readonly before: string;
  readonly after: string;
}

function failedAs(record: ClusterRecord, problems: readonly string[]) {
  return { host: hostOf(headNodeOf(record)), what: "a later version", why: problems.join("; ") };
}

interface Raising {
  readonly node: RecordNode;
  /** Its place among those that are installed. */
  readonly at: number;
  readonly installed: Promise<readonly (Installed | undefined)[]>;
  readonly signal: AbortSignal;
}

export function headPlaceOf({ host, target, cluster, token }: HostPlace): HeadPlace {
  const home = `.skylet/clusters/${hostFolderName(cluster, token)}/head`;
  return { host, target, socket: homeAt(home).socket, home };
}
