// The hosts of one cluster: what is done to them so that its nodes run there, stop, or are gone.
//
// What must always hold: nothing starts on a host while it is being stopped or removed.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { HostEnd } from "../../model/host-file.ts";
import type { Machine } from "../cloud.ts";
import type { ClusterRecord, RecordNode } from "../cluster-record.ts";
import type { HeadPlace } from "../head-hosting.ts";
import { ClusterBundle } from "./cluster-bundle.ts";
import { lookAtHosts } from "./host-looks.ts";
import { HostRaising, headPlaceOf } from "./host-raising.ts";
import { retryMs } from "./host-standing.ts";
import { HostWorks, type HostWorksPorts, headNodeOf, hostOf, type Work } from "./host-works.ts";

/** So often in a row a stop or a removal may fail because its host cannot be reached. */
const failuresMax = 3;

export class ClusterHosts {
  readonly token: string;
  readonly #works: HostWorks;
  readonly #spread: ClusterBundle;
  readonly #raising: HostRaising;

  constructor(record: Pick<ClusterRecord, "name" | "token">, ports: HostWorksPorts) {
    this.token = record.token;
    this.#works = new HostWorks(record, ports);
    this.#spread = new ClusterBundle(this.#works);
    this.#raising = new HostRaising(this.#works, this.#spread);
  }

  async placeOf(record: ClusterRecord): Promise<HeadPlace> {
    return headPlaceOf(await this.#works.place(record, headNodeOf(record)));
  }

  openHead(record: ClusterRecord, signal: AbortSignal): Promise<HeadPlace> {
    return this.#raising.openHead(record, signal);
  }

  async endOf(record: ClusterRecord, signal: AbortSignal): Promise<HostEnd | undefined> {
    const place = await this.#works.place(record, headNodeOf(record));
    const { folder, ended } = await this.#works.status(place, signal);
    return folder === "absent"
      ? { ...nothingThere, why: `nothing of it is on ${place.host}` }
      : ended;
  }

  revive(record: ClusterRecord, ids: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#raising.revive(record, ids, signal);
  }

  renew(record: ClusterRecord, signal: AbortSignal): Promise<void> {
    return this.#raising.renew(record, signal);
  }

  /** In the background. What fails is told by `list`. */
  raise(ids: readonly string[]): void {
    this.#raising.raise(ids);
  }

  list(record: ClusterRecord, signal: AbortSignal): Promise<readonly Machine[]> {
    const ports = { works: this.#works, spread: this.#spread, raising: this.#raising };
    return lookAtHosts(ports, record, signal);
  }

  /** @throws SkyError those of `HostSteps`, when the other hosts are done. */
  stop(record: ClusterRecord, ids: readonly string[], signal: AbortSignal): Promise<void> {
    const act = async (node: RecordNode): Promise<void> => {
      await this.#works.ports.steps.stop(await this.#works.place(record, node), signal);
      this.#works.saw(node, "stopped");
    };
    return this.#windDown(record, ids, { verb: "stop", act, signal });
  }

  /** @throws SkyError like `stop`. */
  remove(record: ClusterRecord, { ids, signal, onKept }: Removal): Promise<void> {
    const act = async (node: RecordNode): Promise<void> => {
      const place = await this.#works.place(record, node);
      const { kept } = await this.#works.ports.steps.remove(place, signal);
      onKept(kept.map((what) => `${hostOf(node)}: ${what}`));
      this.#spread.forget(node);
      this.#works.work(node).removed = true;
      await this.#works.ports.leave(place);
    };
    return this.#windDown(record, ids, { verb: "remove", act, signal });
  }

  close(): Promise<void> {
    return this.#raising.halt();
  }

  async #windDown(record: ClusterRecord, ids: readonly string[], ending: Ending): Promise<void> {
    const nodes = record.nodes.filter(({ id }) => ids.includes(id));
    // Whoever gives up what cannot be reached does not wait for that.
    if (record.purge) for (const node of nodes) this.#works.work(node).wake?.();
    const halted = this.#raising.halt();
    const ended = await Promise.allSettled(nodes.map((node) => this.#end(node, halted, ending)));
    const errors = ended.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    // What will not go away is told rather than what may.
    const worst = errors.find((error) => !isSkyError(error) || error.remedy !== "retry");
    if (errors.length > 0) throw worst ?? errors[0];
  }

  /** Joins what goes on; another verb waits for its end. */
  #end(node: RecordNode, halted: Promise<void>, { verb, act, signal }: Ending): Promise<void> {
    const work = this.#works.work(node);
    const before = work.ending;
    if (before?.verb === verb) return before.done;
    const end = async (): Promise<void> => {
      await Promise.allSettled([halted, before?.done]);
      if (verb === "remove" && work.removed) return;
      await this.#pause(work, signal);
      work.fault = undefined;
      try {
        await act(node);
        work.failures = 0;
      } catch (error) {
        // Whoever was cut off knows nothing of the host.
        if (signal.aborted) throw error;
        // What does not pass by itself is not asked for three times first.
        const passes = isSkyError(error) && error.remedy === "retry";
        work.failures = Math.max(work.failures + 1, passes ? 0 : failuresMax);
        throw work.failures < failuresMax ? error : lasting(node, error);
      }
    };
    const done = end().finally(() => {
      if (work.ending?.done === done) work.ending = undefined;
    });
    work.ending = { verb, done };
    return done;
  }

  /** A host that stays away is tried later each time: it may be away for days. */
  async #pause(work: Work, signal: AbortSignal): Promise<void> {
    const late = work.failures - failuresMax;
    if (late < 0 || signal.aborted || this.#works.record()?.purge) return;
    await new Promise<void>((resolve) => {
      work.wake = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
      const cancel = this.#works.ports.clock.after(retryMs(late + 1), resolve);
      signal.addEventListener("abort", cancel, { once: true });
    });
    work.wake = undefined;
  }
}

interface Ending {
  readonly signal: AbortSignal;
  readonly verb: "stop" | "remove";
  readonly act: (node: RecordNode) => Promise<void>;
}

const nothingThere = { verb: "down", at: 0 } as const;

export interface Removal {
  readonly ids: readonly string[];
  readonly signal: AbortSignal;
  /** Hears of each host's as it is done. */
  readonly onKept: (kept: readonly string[]) => void;
}

/** Who waits for a stop or a down is told at last that the host stays away. */
function lasting(node: RecordNode, error: unknown): unknown {
  if (!isSkyError(error) || error.remedy !== "retry") return error;
  return new SkyError(
    "ssh/failed",
    { host: hostOf(node), why: errorText(error) },
    { cause: error },
  );
}
