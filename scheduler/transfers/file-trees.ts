// Files at a gateway, as the head sees them: what is at a path, listed and removed.
//
// This machine is a gateway like any other. A listing that breaks off never looks like one that is
// whole: only the word `end` ends it.

import { SkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { GatewayDoors } from "../../transfer/gateway/doors.ts";
import {
  type ListWord,
  listHeader,
  removeHeader,
  type WordedError,
} from "../../transfer/gateway/orders.ts";
import {
  encodeLine,
  listWordParser,
  removeWordParser,
} from "../../transfer/gateway/orders-codec.ts";
import type { GatewayId } from "../../transfer/gateway/program.ts";

export interface FilesAt {
  readonly doors: GatewayDoors;
  readonly gateway: GatewayId;
  readonly path: string;
}

export type FilePage = Pick<Extract<ListWord, { readonly kind: "page" }>, "objects" | "notes">;

export interface FileListing {
  readonly what: "file" | "folder" | "nothing";
  /** Absolute; keys are below it. */
  readonly root: string;
  /** Once. */
  readonly pages: AsyncIterable<FilePage>;
  /** For who does not want them (to the end). */
  close(): void;
}

/** @throws SkyError what the gateway says, `stream/closed`, `cluster/not-up`. */
export async function listFiles(
  { doors, gateway, path }: FilesAt,
  recursive: boolean,
  signal: AbortSignal,
): Promise<FileListing> {
  const channel = await doors.open(gateway, listHeader, signal);
  const words = wordsOf(channel, signal);
  await channel.write(encodeLine({ path, recursive }));
  const first = await words.next();
  if (first.done === true || first.value.kind === "end") throw brokenOff(gateway, path);
  if (first.value.kind === "failed") throw worded(first.value.error, { gateway, path });
  if (first.value.kind !== "begin") throw brokenOff(gateway, path);
  const { what, root } = first.value;
  const close = (): void => channel.abort("no more is wanted");
  return { what, root, pages: pagesOf(words, { gateway, path, close }), close };
}

/** Whether something is at a path, and what. */
export async function kindAt(at: FilesAt, signal: AbortSignal): Promise<FileListing["what"]> {
  const listing = await listFiles(at, false, signal);
  listing.close();
  return listing.what;
}

/** Those that are not there are no error. @throws SkyError what the gateway says. */
export async function removeFiles(
  { doors, gateway, path }: FilesAt,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const channel = await doors.open(gateway, removeHeader, signal);
  const parser = removeWordParser();
  const stop = (): void => channel.abort("cancelled");
  signal.addEventListener("abort", stop, { once: true });
  try {
    await channel.write(encodeLine({ path, keys }));
    for await (const part of channel) {
      const [word] = parser.push(part);
      if (word?.kind === "removed") return word.count;
      if (word !== undefined) throw worded(word.error, { gateway, path });
    }
    throw brokenOff(gateway, path);
  } finally {
    signal.removeEventListener("abort", stop);
    channel.abort("it is done");
  }
}

async function* pagesOf(
  words: AsyncGenerator<ListWord>,
  at: { readonly gateway: GatewayId; readonly path: string; readonly close: () => void },
): AsyncGenerator<FilePage> {
  try {
    for await (const word of words) {
      if (word.kind === "end") return;
      if (word.kind === "failed") throw worded(word.error, at);
      if (word.kind === "page") yield word;
    }
    throw brokenOff(at.gateway, at.path);
  } finally {
    at.close();
  }
}

async function* wordsOf(channel: StreamChannel, signal: AbortSignal): AsyncGenerator<ListWord> {
  const parser = listWordParser();
  const stop = (): void => channel.abort("cancelled");
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const part of channel) yield* parser.push(part);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function brokenOff(gateway: GatewayId, path: string): SkyError {
  return new SkyError("stream/closed", { why: `${gateway} broke off the listing of ${path}` });
}

/** What a gateway told of a path, as an error of ours. */
function worded({ text, retry }: WordedError, { gateway, path }: Omit<FilesAt, "doors">): SkyError {
  if (retry) return new SkyError("objects/failed", { object: path, why: text });
  return new SkyError("source/unreadable", { field: gateway, path, why: text });
}
