// The lines of another program's log file, as they are written.
//
// The program appends; we read on from where we were and cut the file when it has grown too long
// (it must have been opened for appending). A pipe would end the program together with us.

import {
  closeSync,
  type FSWatcher,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  watch,
} from "node:fs";

export interface LogLines {
  /** The last lines, oldest first. */
  tail(): readonly string[];
  /** Reads what is there now; `onLine` has heard of it when this returns. */
  read(): void;
  close(): void;
}

const tailLinesMax = 200;
const lineBytesMax = 4_096;
const fileBytesMax = 8 * 1024 * 1024;

/** Follows the file from its present end. The file must exist. */
export function followLines(path: string, onLine: (line: string) => void): LogLines {
  const file = openSync(path, "r+");
  const follower = new Follower(file, onLine);
  const watcher: FSWatcher = watch(path, { persistent: false }, () => follower.read());
  // A watch that fails leaves `read`, which whoever waits for a line calls too.
  watcher.on("error", () => watcher.close());
  return {
    tail: () => follower.lines,
    read: () => follower.read(),
    close: () => {
      watcher.close();
      follower.close();
    },
  };
}

class Follower {
  readonly lines: string[] = [];
  readonly #file: number;
  readonly #onLine: (line: string) => void;
  readonly #buffer = Buffer.alloc(64 * 1024);
  #offset: number;
  #rest = "";
  #closed = false;

  constructor(file: number, onLine: (line: string) => void) {
    this.#file = file;
    this.#onLine = onLine;
    this.#offset = fstatSync(file).size;
  }

  read(): void {
    if (this.#closed) return;
    for (;;) {
      const count = readSync(this.#file, this.#buffer, 0, this.#buffer.length, this.#offset);
      if (count === 0) break;
      this.#offset += count;
      this.#take(this.#buffer.toString("utf8", 0, count));
    }
    if (this.#offset < fileBytesMax) return;
    ftruncateSync(this.#file, 0);
    this.#offset = 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#file);
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, lineBytesMax);
    for (const line of lines) {
      this.lines.push(line.slice(0, lineBytesMax));
      if (this.lines.length > tailLinesMax) this.lines.shift();
      this.#onLine(line);
    }
  }
}
