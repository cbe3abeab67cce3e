// The version of the wire: what head and agents say to each other on the bus and the bulk wire.
//
// It rises when an older peer would misunderstand a newer one; what an older peer can simply
// ignore is a capability instead. Two peers speak the older of their newest versions, or refuse
// each other with a reason.

/** The newest version that this program speaks, and the oldest that it still understands. */
export const wireVersion = 1;
export const wireVersionOldest = 1;

/**
 * What this program can do beyond its version. `lease`: a node that ends ranks by itself. `chunks`:
 * a node that fetches what it lacks of a workdir; others get a folder's path. `mounts`: a node that
 * lays out file mounts; jobs that have some wait for such nodes. `leave`: a node that can be told
 * to leave its host. `gateways`: a node that takes part in transfers.
 */
export const wireCapabilities: readonly string[] = [
  "lease",
  "chunks",
  "mounts",
  "leave",
  "gateways",
];

export type Agreement =
  | { readonly agreed: true; readonly version: number; readonly capabilities: readonly string[] }
  /** `worker1 speaks wire version 3, this head 1 to 2: upgrade this head`. */
  | { readonly agreed: false; readonly why: string };

export interface WirePeer {
  /** Its newest version. */
  readonly version: number;
  /** The oldest that it understands; absent = it did not say, and is for us to judge. */
  readonly oldest?: number;
  readonly capabilities: readonly string[];
}

/** What we and a peer speak; or why not, with both called as the reader knows them. */
export function agreeOnWire(
  peer: WirePeer,
  { us, them }: { readonly us: string; readonly them: string },
): Agreement {
  const version = Math.min(wireVersion, peer.version);
  const isBehind = !Number.isInteger(version) || version < wireVersionOldest;
  const areWeBehind = (peer.oldest ?? 0) > wireVersion;
  if (isBehind || areWeBehind) {
    const theirs = rangeText(peer.oldest || peer.version, peer.version);
    const ours = rangeText(wireVersionOldest, wireVersion);
    const behind = areWeBehind ? us : them;
    const why = `${them} speaks wire version ${theirs}, ${us} ${ours}: upgrade ${behind}`;
    return { agreed: false, why };
  }
  return { agreed: true, version, capabilities: sharedCapabilities(peer.capabilities) };
}

function rangeText(oldest: number, newest: number): string {
  return Object.is(oldest, newest) ? `${newest}` : `${oldest} to ${newest}`;
}

/** What both we and a peer that says this can do; in our order, each once. */
export function sharedCapabilities(said: readonly string[]): readonly string[] {
  return wireCapabilities.filter((name) => said.includes(name));
}
