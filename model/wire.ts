// The version of the wire: what head and agents say to each other on the bus and the bulk wire.
//
// It rises when an older peer would misunderstand a newer one; what an older peer can simply
// ignore is a capability instead. Two peers speak the older of their newest versions, or refuse
// each other with a reason.

/** The newest version that this program speaks, and the oldest that it still understands. */
export const wireVersion = 1;
export const wireVersionOldest = 1;

/** What this program can do beyond its version. */
export const wireCapabilities: readonly string[] = [];

export type Agreement =
  | { readonly agreed: true; readonly version: number; readonly capabilities: readonly string[] }
  | { readonly agreed: false; readonly why: string };

/** What we and a peer with this newest version and these capabilities speak. */
export function agreeOnWire(peer: {
  readonly version: number;
  readonly capabilities: readonly string[];
}): Agreement {
  const version = Math.min(wireVersion, peer.version);
  if (!Number.isInteger(version) || version < wireVersionOldest) {
    const ours =
      wireVersionOldest === wireVersion
        ? `${wireVersion}`
        : `${wireVersionOldest} to ${wireVersion}`;
    return { agreed: false, why: `it speaks wire version ${peer.version}, we speak ${ours}` };
  }
  return { agreed: true, version, capabilities: sharedCapabilities(peer.capabilities) };
}

/** What both we and a peer that says this can do; in our order, each once. */
export function sharedCapabilities(said: readonly string[]): readonly string[] {
  return wireCapabilities.filter((name) => said.includes(name));
}
