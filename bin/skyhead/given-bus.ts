// Somebody else's NATS: the head signs in with what it was given, and hands nodes what it was given
// for them. Who may say what there is the business of whoever runs it.
//
// What must always hold: credentials are read when they are needed and are in no setting, log or
// table; a nats-server of our own that an earlier head left is not left running.

import { readFile } from "node:fs/promises";
import type { GivenBus } from "../../model/config.ts";
import { errorText, SkyError } from "../../model/errors.ts";
import { connectNats, identityIn } from "../../runtime/bus-nats.ts";
import { headPeer, peerText } from "../../runtime/certificates.ts";
import { endOrphans } from "../../runtime/nats-orphan-os.ts";
import type { HeadBus } from "./head-bus.ts";
import { headConnectMs } from "./head-bus.ts";
import type { LanesOptions } from "./lane.ts";

export async function openGivenBus(options: LanesOptions, given: GivenBus): Promise<HeadBus> {
  const { home, clock, random } = options;
  await endOrphans(home.bus);
  const authorityText = async (): Promise<string> =>
    given.authority === undefined ? "" : await read(given.authority);
  return {
    users: { add: async () => {}, remove: async () => {} },
    // A node takes all of them.
    url: () => given.urls.join(","),
    access: async ({ cluster, node }) => ({
      busCredentials: await read(
        given.nodeCredentials.replaceAll("{cluster}", cluster).replaceAll("{node}", node),
      ),
      busAuthority: await authorityText(),
    }),
    connect: async (cluster) => {
      const authority = await authorityText();
      return connectNats({
        ...{ servers: given.urls, name: `${peerText(headPeer)} ${cluster}` },
        identity: identityIn(await read(given.credentials)),
        ...(authority === "" ? {} : { authority }),
        ...{ clock, random, connectMs: headConnectMs },
      });
    },
    inspect: () => ({ bus: { given: given.urls } }),
    close: async () => {},
  };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new SkyError("config/invalid", { file: path, why: errorText(cause) }, { cause });
  }
}
