// What a gateway lists and removes of its node's files, for the head: one order, and its answer.
//
// What must always hold: a listing that is not whole never ends as one that is; nothing is removed
// outside the folder that was named.

import { unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { noRoom } from "../../runtime/room-os.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import { fileError, fileFault } from "../stores/file-errors.ts";
import { pathWithin } from "../stores/file-keys.ts";
import { listLocal } from "../stores/folder-list-os.ts";
import { demandWithin, removeWay } from "../stores/folder-way-os.ts";
import type { ListOrder, RemoveOrder } from "./orders.ts";
import {
  encodeLine,
  type Line,
  type LineParser,
  listOrderParser,
  removeOrderParser,
  wordedError,
} from "./orders-codec.ts";
import { nodePath } from "./sources-os.ts";

export interface ListingPorts {
  /** HOME of the node. */
  readonly home: string;
  readonly signal: AbortSignal;
}

export async function serveList(channel: StreamChannel, ports: ListingPorts): Promise<void> {
  const say = (word: Line): Promise<void> => channel.write(encodeLine(word));
  const order = await only<ListOrder>(channel, listOrderParser());
  try {
    const path = nodePath(ports.home, order.path);
    const listing = await listLocal(path, { recursive: order.recursive }, ports.signal);
    if (listing === undefined) await say({ kind: "begin", what: "nothing", root: path });
    else {
      await say({ kind: "begin", what: listing.kind, root: listing.root });
      for await (const { objects, notes } of listing.pages) {
        await say({ kind: "page", objects, notes });
      }
    }
    await say({ kind: "end" });
  } catch (error) {
    await say({ kind: "failed", error: wordedError(error) });
  }
  channel.end();
}

export async function serveRemove(channel: StreamChannel, ports: ListingPorts): Promise<void> {
  const say = (word: Line): Promise<void> => channel.write(encodeLine(word));
  const order = await only<RemoveOrder>(channel, removeOrderParser());
  try {
    const root = nodePath(ports.home, order.path);
    let count = 0;
    for (const key of order.keys) {
      ports.signal.throwIfAborted();
      if (await removeFile(root, key)) count += 1;
    }
    await say({ kind: "removed", count });
  } catch (error) {
    await say({ kind: "failed", error: wordedError(error) });
  }
  channel.end();
}

/** Whether it was there. Folders that become empty with it go too, up to the root. */
async function removeFile(root: string, key: string): Promise<boolean> {
  const path = pathWithin(root, key);
  try {
    await demandWithin(root, path);
    await unlink(path);
    await removeWay(foldersBetween(root, path));
    return true;
  } catch (error) {
    if (fileFault(error) === "none") return false;
    throw fileError(error, path, (cause) => noRoom(path, cause));
  }
}

/** The outermost first. */
function foldersBetween(root: string, path: string): readonly string[] {
  const folders: string[] = [];
  for (let at = dirname(path); at.length > root.length; at = dirname(at)) folders.unshift(at);
  return folders;
}

/** The one order of a channel. @throws SkyError `stream/protocol`, `stream/closed`. */
async function only<M>(channel: StreamChannel, parser: LineParser<M>): Promise<M> {
  for await (const part of channel) {
    const [order] = parser.push(part);
    if (order !== undefined) return order;
  }
  throw new SkyError("stream/closed", { why: "it ended before it said anything" });
}
