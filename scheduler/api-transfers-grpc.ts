// TransferService: previews, orders, what becomes of them, and measured links.
//
// An order is judged by its form here, before anything is looked for or written down. Variables
// that a caller passes for its credentials go to the transfers as they came, and nowhere else.

import { SkyError } from "../model/errors.ts";
import { isEnded, type TransferOrder, type TransferView } from "../model/transfer.ts";
import { orderFromProto, previewToProto } from "../proto/converters-transfer.ts";
import { transferEventToProto, transferToProto } from "../proto/converters-transfer-view.ts";
import { recordFrom } from "../proto/fields.ts";
import type { sky } from "../proto/gen/sky.js";
import type { HandlersOf, transferService } from "../proto/services.ts";
import { demandRoom, unlessFull } from "../runtime/store-room.ts";
import type { ApiOptions } from "./api-options.ts";
import { demandValid } from "./lookup.ts";
import { keptCommand, userProblem } from "./submission.ts";
import { environmentProblem, orderProblem, profileProblem } from "./transfer-request.ts";
import type { TransferCall } from "./transfers/transfers.ts";

/** Of a page, whatever is asked for. */
const failuresPageMax = 1_000;

/** What of the transfers is served. */
type ServedTransfers = NonNullable<ApiOptions["transfers"]>;

type Options = Pick<ApiOptions, "store"> & { readonly transfers: ServedTransfers };

export function transferHandlers({
  transfers,
  store,
}: Options): HandlersOf<typeof transferService> {
  return {
    preview: async (request, { signal }) =>
      previewToProto(await transfers.preview(orderOf(request), callOf(request, signal))),
    start: async (request, { signal }) => {
      demandRoom(store, "begin");
      const started = transfers.start(orderOf(request), callOf(request, signal));
      return { transfer: await unlessFull(store, started) };
    },
    list: async (request) => ({ transfers: listed(transfers.list(), request) }),
    get: async ({ transfer }) => ({ transfer: transferToProto(transferOf(transfers, transfer)) }),
    failures: async ({ transfer, after, limit }) => {
      const { id } = transferOf(transfers, transfer);
      const countMax = limit > 0 ? Math.min(limit, failuresPageMax) : failuresPageMax;
      return { failures: [...(await transfers.failures(id, { after, countMax }))] };
    },
    follow: async function* ({ transfer }, { signal }) {
      const { id } = transferOf(transfers, transfer);
      for await (const event of transfers.watch(id, signal)) yield transferEventToProto(event);
    },
    cancel: async ({ transfer, user }) => {
      demandRoom(store, "change");
      demandValid(userProblem(user));
      await unlessFull(store, transfers.cancel(transferOf(transfers, transfer).id, user));
      return {};
    },
    resume: async (request, { signal }) => {
      demandRoom(store, "begin");
      const { user } = request;
      demandValid(userProblem(user));
      const { id } = transferOf(transfers, request.transfer);
      const resumed = transfers.resume(id, user, callOf(request, signal));
      return { transfer: await unlessFull(store, resumed) };
    },
    profile: async function* ({ clusters, seconds }, { signal }) {
      demandValid(profileProblem(seconds ?? undefined));
      const request = {
        ...(clusters.length === 0 ? {} : { clusters }),
        ...(seconds === null ? {} : { seconds }),
      };
      for await (const link of transfers.profile(request, signal)) yield { link };
    },
  };
}

function orderOf(request: { readonly order: sky.v1.TransferOrder | null }): TransferOrder {
  const order = orderFromProto(request.order);
  demandValid(orderProblem(order));
  return { ...order, command: keptCommand(order.command) };
}

function callOf(
  request: { readonly environment: Readonly<Record<string, string>> },
  signal: AbortSignal,
): TransferCall {
  demandValid(environmentProblem(request.environment));
  return { signal, env: recordFrom(request.environment) };
}

/** 0 is the latest. @throws SkyError `transfer/not-found`. */
function transferOf(transfers: ServedTransfers, id: number): TransferView {
  const found = id === 0 ? transfers.list()[0] : transfers.get(id);
  if (found === undefined) throw new SkyError("transfer/not-found", { id });
  return found;
}

/** Without what makes a long list heavy. */
function listed(
  all: readonly TransferView[],
  { user, skipFinished, limit }: sky.v1.ListTransfersRequest,
): sky.v1.Transfer.$Properties[] {
  const own = all.filter((one) => user === "" || one.user === "" || one.user === user);
  const wanted = skipFinished ? own.filter(({ status }) => !isEnded(status)) : own;
  const shown = limit > 0 ? wanted.slice(0, limit) : wanted;
  return shown.map(({ plan: _, ...one }) => transferToProto({ ...one, failures: [] }));
}
