// DebugService: what this process is, and what its actors are doing.

import { errorText } from "../model/errors.ts";
import type { Inspection } from "../proto/messages.ts";
import type { debugService, HandlersOf } from "../proto/services.ts";
import type { ApiOptions } from "./api-options.ts";
import type { Head } from "./head.ts";
import { recordOf } from "./lookup.ts";
import { inspectRemote } from "./remote/forwarding-grpc.ts";

const inspectMs = 1_000;

export function debugHandlers(options: ApiOptions): HandlersOf<typeof debugService> {
  return {
    version: async () => ({ ...options.about }),
    inspect: async ({ cluster }, { signal }) => {
      const names =
        cluster === ""
          ? options.fleets.records().map(({ name }) => name)
          : [recordOf(options, cluster).name];
      const clusters = await Promise.all(
        names.map(async (name) => [name, await inspectCluster(options, name, signal)] as const),
      );
      const report = { process: options.inspect(), clusters: Object.fromEntries(clusters) };
      return { json: JSON.stringify(report) };
    },
  };
}

async function inspectCluster(
  options: ApiOptions,
  name: string,
  signal: AbortSignal,
): Promise<object> {
  const record = options.fleets.record(name);
  const remote = options.remote?.get(name);
  if (remote !== undefined) return await inspectRemote(remote, record, signal);
  const head = options.heads.get(name);
  if (head === undefined) return { record, head: "closed" };
  const nodes = await Promise.all(
    (record?.nodes ?? []).map(async ({ id }) => [id, await inspectNode(head, id)] as const),
  );
  return {
    record,
    actors: head.system.inspect(),
    logs: head.logs.counts(),
    nodes: Object.fromEntries(nodes),
  };
}

/** What a node says of itself; of a silent one, that it is silent. */
async function inspectNode(head: Head, node: string): Promise<unknown> {
  const agent = { cluster: head.cluster, node, kind: "agent", id: "main" };
  try {
    const reply = await head.system.ask<{ kind: "inspect"; replyTo: object }, Inspection>(
      agent,
      (replyTo) => ({ kind: "inspect", replyTo }),
      { timeoutMs: inspectMs },
    );
    return JSON.parse(reply.json);
  } catch (error) {
    return { unreachable: errorText(error) };
  }
}
