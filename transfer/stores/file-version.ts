// The version of a file: what tells that it was written to since it was listed. Pure.
//
// A file system keeps no versions. Size, time of the last change to the nanosecond, and inode
// change together or one by one whenever a program writes to a file or puts another in its place.
// A program that keeps the size, writes in place and sets the old time back is not seen; a digest
// at both ends of a copy sees that bytes differ, whatever the version says.

export interface VersionFacts {
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ino: bigint;
}

export function fileVersion({ size, mtimeNs, ino }: VersionFacts): string {
  return `${size}-${mtimeNs}-${ino}`;
}

/** What a list says of the time: milliseconds with a fraction, to the microsecond. */
export function modifiedMsOf({ mtimeNs }: Pick<VersionFacts, "mtimeNs">): number {
  return Number(mtimeNs / 1_000n) / 1_000;
}
