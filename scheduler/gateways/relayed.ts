// How the home of a cluster opens a channel to one of its nodes through the cluster's head on a
// host: its channel there has the header `to worker1 gateway 1`, and the head joins it to one of
// its own to that node.
//
// Only the home's session is served so (`heads-os.ts`): who it is, its certificate says.

import { errorText, SkyError } from "../../model/errors.ts";
import { tokenPattern } from "../../model/ids.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import { join } from "./channels.ts";
import type { NodeChannels } from "./node-channels.ts";

export interface Relayed {
  readonly node: string;
  /** For the node. */
  readonly header: string;
}

export function relayedHeader({ node, header }: Relayed): Uint8Array {
  return Buffer.from(`to ${node} ${header}`);
}

/** @throws SkyError `stream/protocol` if it is a header of something else. */
export function parseRelayed(bytes: Uint8Array): Relayed {
  const text = Buffer.from(bytes).toString();
  const [, node = "", header = ""] = /^to (\S+) (.+)$/.exec(text) ?? [];
  if (header !== "" && tokenPattern.test(node)) return { node, header };
  throw new SkyError("stream/protocol", { why: `header ${text}` });
}

/** Never throws: whoever opened the channel hears of what is wrong. */
export async function relayToNode(
  nodes: Pick<NodeChannels, "open">,
  cluster: string,
  channel: StreamChannel,
): Promise<void> {
  try {
    const { node, header } = parseRelayed(channel.header);
    const { signal } = new AbortController();
    await join(channel, await nodes.open({ cluster, node }, header, signal));
  } catch (error) {
    channel.abort(errorText(error));
  }
}
