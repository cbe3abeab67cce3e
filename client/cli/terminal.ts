// What `sky` writes: results on stdout, talk on stderr, and on a terminal lines of progress (mostly
// one) that are gone when it is over.

import { truncated } from "./table.ts";

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(bytes: string | Uint8Array): boolean;
  once(event: "drain", listener: () => void): unknown;
}

/** To the line's beginning, and nothing to the right of it. Source: ECMA-48, EL. */
const eraseLine = "\r\u001b[K";

/** The same for lines above: up, and nothing from there on. Source: ECMA-48, CUU, ED. */
function eraseLines(text: string): string {
  const above = text.split("\n").length - 1;
  return above === 0 ? eraseLine : `\r\u001b[${above}A\u001b[J`;
}

/** What is taken for the width of a terminal that does not tell it. */
const widthUnknown = 80;

export class Terminal {
  readonly #out: Output;
  readonly #err: Output;
  #progress = "";
  /** The last line of progress that was said where it cannot be erased. */
  #said = "";

  constructor(out: Output, err: Output) {
    this.#out = out;
    this.#err = err;
  }

  /** Of stdout; `undefined` where it is no terminal, or one that does not know. */
  get columns(): number | undefined {
    const { isTTY, columns } = this.#out;
    return isTTY === true && columns !== undefined && columns > 0 ? columns : undefined;
  }

  /** Source: no-color.org: NO_COLOR, when it is not empty, whatever its value. */
  colours(environment: Readonly<Record<string, string | undefined>>): boolean {
    const { NO_COLOR: none = "", TERM: kind = "" } = environment;
    return this.#out.isTTY === true && none === "" && kind !== "dumb";
  }

  print(line: string): void {
    this.#between(() => this.#out.write(`${line}\n`));
  }

  say(line: string): void {
    this.#between(() => this.#err.write(`${line}\n`));
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.progress(undefined);
    if (this.#out.write(bytes)) return;
    await new Promise<void>((resolve) => this.#out.once("drain", () => resolve()));
  }

  /** Whether progress is seen as it changes. */
  get showsProgress(): boolean {
    return this.#err.isTTY === true;
  }

  /** Lines; `undefined` ends it. */
  progress(text: string | undefined): void {
    if (this.#err.isTTY !== true) {
      if (text !== undefined && text !== this.#said) this.say(text);
      this.#said = text ?? this.#said;
      return;
    }
    const width = Math.max(4, this.#width() - 1);
    const lines = (text ?? "").split("\n").map((line) => truncated(line, width));
    const shown = lines.join("\n");
    if (shown === this.#progress) return;
    const erase = eraseLines(this.#progress);
    this.#progress = shown;
    this.#err.write(`${erase}${shown}`);
  }

  /** Of stderr. A terminal that does not know says 0, or nothing. */
  #width(): number {
    const { columns = 0 } = this.#err;
    return columns > 0 ? columns : widthUnknown;
  }

  /** Lines come above the line of progress. */
  #between(write: () => void): void {
    if (this.#progress !== "") this.#err.write(eraseLines(this.#progress));
    write();
    if (this.#progress !== "") this.#err.write(this.#progress);
  }
}
