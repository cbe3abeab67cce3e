// CRC-32C, in pieces: what Google says of every object. Source: RFC 3720, 12.1 and B.4.

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

export class Crc32c {
  #value = 0xffffffff;

  add(bytes: Uint8Array): void {
    let value = this.#value;
    for (let at = 0; at < bytes.length; at += 1) {
      value = (table[(value ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (value >>> 8);
    }
    this.#value = value;
  }

  /** Eight lower-case digits. */
  hex(): string {
    return ((this.#value ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
  }
}
