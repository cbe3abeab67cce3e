// The addresses of local nodes: each its own in 127.0.0.0/8, so that programs of a gang may all
// listen on one port number, as they would on machines of their own.
//
// Source: Linux answers on every address of 127.0.0.0/8 without set-up; others only on 127.0.0.1.
//
// The second byte comes from the home and the other two from the cluster, so two homes seldom meet
// and two clusters of a home never do: an address that is taken is passed over.

const hostsPerHome = 64_516; // 254 × 254: no byte is 0 or 255
const secondBytes = 254;

/** The address of the `index`-th node of a cluster; none of `taken`. */
export function loopbackAddress(options: {
  readonly home: string;
  readonly cluster: string;
  readonly index: number;
  readonly taken: ReadonlySet<string>;
}): string {
  const second = 1 + (hash(options.home) % secondBytes);
  const start = hash(`${options.home}\n${options.cluster}`) + options.index;
  for (let step = 0; step < hostsPerHome; step += 1) {
    const host = (start + step) % hostsPerHome;
    const address = `127.${second}.${1 + Math.floor(host / 254)}.${1 + (host % 254)}`;
    if (!options.taken.has(address)) return address;
  }
  throw new RangeError(`all ${hostsPerHome} addresses of this home are taken`);
}

/** FNV-1a, 32 bits. Source: isthe.com/chongo/tech/comp/fnv, for the constants. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}
