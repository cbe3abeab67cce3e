// The calls of `Sky` about transfers: copies, syncs, what became of them, and the links that plans
// are made over.
//
// A transfer is the head's: it goes on when the program ends. What is wrong with an order is told
// before anything is started.

import { randomUUID } from "node:crypto";
import { SkyError } from "../model/errors.ts";
import type {
  ObjectFailure,
  ProfiledLink,
  TransferOrder,
  TransferPreview,
  TransferView,
} from "../model/transfer.ts";
import { isEnded } from "../model/transfer.ts";
import { transferNumber } from "./sky-numbers.ts";
import { demandKnown } from "./sky-option-names.ts";
import type * as o from "./sky-options.ts";
import { portsOf, type Session } from "./sky-session-os.ts";
import { storeCredentials } from "./store-credentials-os.ts";
import { followTransfer } from "./transfer-follow.ts";
import { transferOrder } from "./transfer-order.ts";
import { type TransferStream, transferStream } from "./transfer-stream.ts";
import { world } from "./world-os.ts";

/** @throws SkyError `request/invalid`: a program without types may pass anything. */
function placeText(field: string, text: unknown): string {
  if (typeof text === "string") return text;
  const given = text === null ? "null" : typeof text;
  const why = `should be a path such as "s3://bucket/key", not ${given}`;
  throw new SkyError("request/invalid", { field, why });
}

type Places = string | readonly string[];

/** The part of `Sky` that copies. */
export class SkyTransfers {
  readonly #session: Session;

  protected constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Copies from one place to one or several: paths of this machine, `cluster:path`, `s3://…`,
   * `gs://…`, `azure://…`, `r2://…`, `cos://…`, `hdfs://…`. It begins at once; the stream has its
   * events, `outcome` its end.
   *
   * @example await sky.copy("data", "s3://bucket/data", { recursive: true }).outcome;
   * @example
   * for await (const event of sky.copy("s3://bucket/model.bin", ["a:models/", "b:models/"])) {
   *   if (event.kind === "progress") console.log(event.counts.doneBytes, event.secondsLeft);
   * }
   * @throws SkyError at `id` `request/invalid`; at `outcome` `transfer/failed`, which says why.
   */
  copy(source: string, destinations: Places, options: o.CopyOptions = {}): TransferStream {
    return this.#begun("copy", { source, destinations }, options);
  }

  /**
   * Copies what the destinations do not have, or have in another version; with `delete` what the
   * source does not have goes.
   *
   * @example await sky.sync("data", "s3://bucket/data", { delete: true }).outcome;
   * @throws SkyError as `copy`.
   */
  sync(source: string, destinations: Places, options: o.SyncOptions = {}): TransferStream {
    return this.#begun("sync", { source, destinations }, options);
  }

  /**
   * What a copy (or with `verb: "sync"` a sync) would do: the plan with its price, how many
   * objects, the first of them. Nothing is started.
   *
   * @example const { plan, bytes } = await sky.planTransfer("data", "s3://bucket/data");
   * @throws SkyError `request/invalid`, `transfer/empty`, `objects/no-bucket`, `objects/denied`,
   * `plan/infeasible`, `cluster/not-found`, `cluster/not-up`.
   */
  async planTransfer(
    source: string,
    destinations: Places,
    options: o.PlanTransferOptions = {},
  ): Promise<TransferPreview> {
    demandKnown("planTransfer", options);
    const { verb = "copy" } = options;
    const order = this.#order(verb, { source, destinations }, options);
    const { head, until } = this.#session;
    return head.previewTransfer({ order, environment: storeCredentials() }, until(options));
  }

  /**
   * One's own transfers, the newest first, without their plans and failures.
   *
   * @example const running = await sky.transfers({ skipFinished: true });
   */
  async transfers(options: o.TransfersOptions = {}): Promise<TransferView[]> {
    demandKnown("transfers", options);
    const { skipFinished = false, allUsers = false } = options;
    const { head, user, until } = this.#session;
    const query = { skipFinished, ...(allUsers ? {} : { user }) };
    return [...(await head.listTransfers(query, until(options)))];
  }

  /**
   * One transfer with its plan, why it is where it is, and the first of its failures; without a
   * number the latest.
   *
   * @example const { status, why } = await sky.transfer(7);
   * @throws SkyError `transfer/not-found`.
   */
  async transfer(transfer?: number, options: o.CallOptions = {}): Promise<TransferView> {
    const { head, until } = this.#session;
    return head.getTransfer(transferNumber(transfer, 0), until(options));
  }

  /**
   * Every object that did not arrive, each with its reason.
   *
   * @example for (const { object, why } of await sky.transferFailures(7)) console.log(object, why);
   * @throws SkyError `transfer/not-found`.
   */
  async transferFailures(transfer: number, options: o.CallOptions = {}): Promise<ObjectFailure[]> {
    const { head, until } = this.#session;
    return [...(await head.transferFailures(transferNumber(transfer), until(options)))];
  }

  /**
   * Watches a transfer that was begun before, by whomever.
   *
   * @example await sky.watchTransfer(7).outcome;
   * @throws SkyError `transfer/not-found`.
   */
  watchTransfer(transfer: number, options: o.CallOptions = {}): TransferStream {
    const { head } = this.#session;
    return transferStream(head, async () => transferNumber(transfer), this.#ports(options));
  }

  /**
   * Does what a transfer that failed or was cancelled left undone, as a transfer of its own.
   *
   * @example await sky.resumeTransfer(7).outcome;
   * @throws SkyError `transfer/not-found`; `request/invalid` if nothing is left.
   */
  resumeTransfer(transfer: number, options: o.CallOptions = {}): TransferStream {
    const { head, user, until } = this.#session;
    const begin = async (): Promise<number> => {
      const asked = { transfer: transferNumber(transfer), user, environment: storeCredentials() };
      return head.resumeTransfer(asked, until(options));
    };
    return transferStream(head, begin, this.#ports(options));
  }

  /**
   * Ends a transfer, and returns as it ended: nothing partial is left of it. One that had ended
   * stays as it was.
   *
   * @example const { status } = await sky.cancelTransfer(7);
   * @throws SkyError `transfer/not-found`.
   */
  async cancelTransfer(transfer: number, options: o.CallOptions = {}): Promise<TransferView> {
    const { head, user, until } = this.#session;
    const id = transferNumber(transfer);
    await head.cancelTransfer({ transfer: id, user }, until(options));
    for await (const event of followTransfer(head, id, this.#ports(options))) {
      if (event.kind === "state" && isEnded(event.view.status)) return event.view;
    }
    return head.getTransfer(id, until(options));
  }

  /**
   * Measures the links between this machine and the nodes of clusters, without names of all that
   * are up, and remembers them for plans. Each link comes as soon as it is known.
   *
   * @example for await (const link of sky.profile(["demo"])) console.log(link.to, link.gbps);
   * @throws SkyError `cluster/not-found`, `cluster/not-up`.
   */
  profile(
    clusters: readonly string[] = [],
    options: o.ProfileOptions = {},
  ): AsyncIterable<ProfiledLink> {
    demandKnown("profile", options);
    const { seconds } = options;
    const { head, until } = this.#session;
    const wanted = { clusters, ...(seconds === undefined ? {} : { seconds }) };
    return head.profileLinks(wanted, until(options));
  }

  #begun(
    verb: "copy" | "sync",
    places: { readonly source: string; readonly destinations: Places },
    options: o.SyncOptions,
  ): TransferStream {
    const { head, until } = this.#session;
    const begin = async (): Promise<number> => {
      demandKnown(verb, options);
      const order = this.#order(verb, places, options);
      return head.startTransfer({ order, environment: storeCredentials() }, until(options));
    };
    return transferStream(head, begin, this.#ports(options));
  }

  #order(
    verb: "copy" | "sync",
    { source, destinations }: { readonly source: string; readonly destinations: Places },
    options: o.SyncOptions,
  ): TransferOrder {
    const { cwd, home, kindOf } = world();
    const all = [destinations].flat().map((text) => placeText("destination", text));
    return transferOrder(
      { verb, source: placeText("source", source), destinations: all },
      options,
      {
        ...{ cwd, home, user: this.#session.user },
        idempotencyKey: options.idempotencyKey ?? randomUUID(),
        command: `${verb} ${source} ${all.join(" ")} (SDK)`,
        isFolder: (path) => kindOf(path) === "directory",
      },
    );
  }

  #ports(options: o.CallOptions) {
    return portsOf(this.#session, options);
  }
}
