// A program without what it does not need to run: its symbols and the table of its sections.
//
// Node's are a seventh of its file. The loader knows segments only, and compilers put everything
// that belongs to none behind the last of them. Pure. Source: elf(5).

const headerBytes = 64;
const loadable = 1;

/**
 * The same program, shorter; or `undefined` where it is not laid out like that. For 64-bit
 * little-endian programs, as Node's are.
 */
export function trimmedProgram(program: Buffer): Buffer | undefined {
  const isElf64 =
    program.length > headerBytes && program.toString("latin1", 1, 6) === "ELF\x02\x01";
  if (!isElf64) return undefined;
  const tableAt = Number(program.readBigUInt64LE(32));
  const entryBytes = program.readUInt16LE(54);
  const count = program.readUInt16LE(56);
  let end = tableAt + entryBytes * count;
  if (end > program.length) return undefined;
  for (let at = tableAt; at < tableAt + entryBytes * count; at += entryBytes) {
    const from = Number(program.readBigUInt64LE(at + 8));
    const bytes = Number(program.readBigUInt64LE(at + 32));
    end = Math.max(end, from + bytes);
  }
  const hasCode = isLoaded(program, { tableAt, entryBytes, count });
  if (!hasCode || end > program.length) return undefined;
  const trimmed = Buffer.from(program.subarray(0, end));
  trimmed.writeBigUInt64LE(0n, 40);
  // The number of sections and the one with their names.
  trimmed.writeUInt16LE(0, 60);
  trimmed.writeUInt16LE(0, 62);
  return trimmed;
}

function isLoaded(
  program: Buffer,
  table: { readonly tableAt: number; readonly entryBytes: number; readonly count: number },
): boolean {
  const { tableAt, entryBytes, count } = table;
  for (let index = 0; index < count; index += 1) {
    if (program.readUInt32LE(tableAt + index * entryBytes) === loadable) return true;
  }
  return false;
}
