// Whether a gateway can run a program: every operator is looked at before anything is started.
//
// A shape that has no single meaning is refused, with the name of the operator that makes it so:
// nothing is guessed from the order of children, and nothing is accepted that cannot be run. What
// several programs must be to each other is in `validate-round.ts`.
//
// What must always hold: what passes here, `outlets.ts` can take apart.

import { SkyError } from "../../model/errors.ts";
import type { Operator, Program, Receive, Root, Send } from "./program.ts";

/** In depth, from a root to a leaf. */
export const operatorsDeepMax = 16;
export const operatorsMax = 4_096;
export const stripesMax = 64;
export const storeConnectionsMax = 256;
export const sendConnectionsMax = 64;

const handlePattern = /^[A-Za-z0-9_-]{1,64}$/;

/** What came with a program, and what its operators may name. */
export interface ProgramGround {
  readonly stores: number;
  readonly destinations: number;
}

/** @throws SkyError `program/invalid`. */
export function validateProgram(program: Program, ground: ProgramGround): void {
  const check = new ProgramCheck(program, ground);
  check.run();
}

/** All operators below, itself first. */
export function* operatorsOf(operator: Operator): Generator<Operator> {
  yield operator;
  if ("children" in operator) for (const child of operator.children) yield* operatorsOf(child);
}

export function isReading(root: Root): boolean {
  return root.op !== "receive";
}

class ProgramCheck {
  readonly #program: Program;
  readonly #ground: ProgramGround;
  readonly #handles = new Set<string>();

  constructor(program: Program, ground: ProgramGround) {
    this.#program = program;
    this.#ground = ground;
  }

  run(): void {
    const { partitions, stripes } = this.#program;
    if (!isCountTo(stripes, stripesMax)) this.#refuse(`${stripes} stripes`);
    if (partitions.length === 0) this.#refuse("it has no partitions");
    const roots = new Set<string>();
    for (const { stripe, root } of partitions) {
      if (!(Number.isInteger(stripe) && stripe >= 0 && stripe < stripes)) {
        this.#refuseAt(root, `stripe ${stripe} of ${stripes}`);
      }
      this.#root(root);
      const kind = `${stripe} ${isReading(root) ? "read" : "receive"}`;
      if (roots.has(kind)) this.#refuseAt(root, `stripe ${stripe} comes in here twice`);
      roots.add(kind);
    }
    this.#sameSource();
    this.#sameWriters();
    this.#sameCompression();
  }

  // ---- one tree

  #root(root: Root): void {
    if (["mux_and", "mux_or"].includes(root.op)) {
      this.#refuseAt(root, "a mux brings no data: it cannot be a root");
    }
    if (!("children" in root)) this.#refuseAt(root, "it brings no data: it cannot be a root");
    this.#operator(root, 1);
    this.#noDoubles(root);
  }

  #operator(operator: Operator, depth: number): void {
    const { handle } = operator;
    if (!handlePattern.test(handle)) this.#refuse(`${JSON.stringify(handle)} is no handle`);
    if (this.#handles.has(handle)) this.#refuseAt(operator, "another operator has that handle");
    this.#handles.add(handle);
    if (this.#handles.size > operatorsMax) this.#refuse(`more than ${operatorsMax} operators`);
    if (depth > operatorsDeepMax) this.#refuseAt(operator, `deeper than ${operatorsDeepMax}`);
    this.#fields(operator);
    if (!("children" in operator)) return;
    this.#children(operator);
    for (const child of operator.children) this.#operator(child, depth + 1);
  }

  #children(operator: Extract<Operator, { readonly children: unknown }>): void {
    const { children, op } = operator;
    if (children.length === 0) this.#refuseAt(operator, "nothing is under it to take its data");
    const isMux = op === "mux_and" || op === "mux_or";
    if (!isMux && children.length > 1) {
      const why = `${children.length} operators are under it: put a mux_and or a mux_or between`;
      this.#refuseAt(operator, why);
    }
    for (const child of children) {
      if (rootNames.includes(child.op)) this.#refuseAt(child, "a root cannot be under another");
      if (op !== "mux_or" || children.length === 1) continue;
      if (child.op === "send" || child.op === "mux_or") continue;
      const why = `under ${operator.handle}, a mux_or, each chunk would go to some of its children`;
      this.#refuseAt(child, `${why}: only send can be there`);
    }
  }

  #fields(operator: Operator): void {
    const { stores, destinations } = this.#ground;
    if ("store" in operator && !isIndexOf(operator.store, stores)) {
      this.#refuseAt(operator, `there is no store ${operator.store}`);
    }
    if ("destination" in operator && !isIndexOf(operator.destination, destinations)) {
      this.#refuseAt(operator, `there is no destination ${operator.destination}`);
    }
    if ("connections" in operator) {
      const max = operator.op === "send" ? sendConnectionsMax : storeConnectionsMax;
      const isFitting = isCountTo(operator.connections, max);
      if (!isFitting)
        this.#refuseAt(operator, `${operator.connections} connections of 1 to ${max}`);
    }
    if (operator.op === "send") this.#send(operator);
    if (operator.op === "receive") this.#receive(operator);
  }

  #send(send: Send): void {
    if (send.to === this.#program.gateway) this.#refuseAt(send, "it sends to its own gateway");
  }

  #receive(receive: Receive): void {
    const { from } = receive;
    if (from.length === 0) this.#refuseAt(receive, "nobody sends to it");
    if (new Set(from).size < from.length) this.#refuseAt(receive, "a sender is named twice");
    if (from.includes(this.#program.gateway)) this.#refuseAt(receive, "it receives from itself");
    for (const operator of operatorsOf(receive)) {
      const isBack = operator.op === "send" && from.includes(operator.to);
      if (isBack) this.#refuseAt(operator, `it sends back to ${operator.to}, where it came from`);
    }
  }

  /** Whoever is named twice in a tree would get what it has already, or gets no more by it. */
  #noDoubles(root: Root): void {
    const seen = new Map<string, Operator>();
    for (const operator of operatorsOf(root)) {
      const goal = goalOf(operator);
      if (goal === undefined) continue;
      const other = seen.get(goal);
      if (other !== undefined) this.#refuseAt(operator, `${other.handle} goes to ${goal} already`);
      seen.set(goal, operator);
    }
  }

  // ---- trees among each other

  /** An object is read whole by one gateway, so it has all the ways that its chunks may go. */
  #sameSource(): void {
    const { partitions, stripes } = this.#program;
    const reading = partitions.filter(({ root }) => isReading(root));
    const [first, ...others] = reading;
    if (first === undefined) return;
    for (const { root } of others) {
      if (sourceOf(root) === sourceOf(first.root)) continue;
      this.#refuseAt(root, `it reads something else than ${first.root.handle}`);
    }
    if (reading.length === stripes) return;
    const why = `it reads ${reading.length} of ${stripes} stripes: who reads, reads all of them`;
    this.#refuseAt(first.root, why);
  }

  #sameWriters(): void {
    const seen = new Map<number, Operator>();
    for (const { root } of this.#program.partitions) {
      for (const operator of operatorsOf(root)) {
        if (!("destination" in operator)) continue;
        const other = seen.get(operator.destination) ?? operator;
        seen.set(operator.destination, other);
        if (writingOf(other) === writingOf(operator)) continue;
        const why = `destination ${operator.destination} is written otherwise by ${other.handle}`;
        this.#refuseAt(operator, why);
      }
    }
  }

  /** A chunk is compressed once, wherever it goes. */
  #sameCompression(): void {
    const operators = this.#program.partitions.flatMap(({ root }) => [...operatorsOf(root)]);
    const sends = operators.filter((operator): operator is Send => operator.op === "send");
    const other = sends.find(({ compress }) => compress !== sends[0]?.compress);
    if (other === undefined) return;
    this.#refuseAt(other, `${sends[0]?.handle} says otherwise whether to compress`);
  }

  #refuseAt({ handle }: Operator, why: string): never {
    this.#refuse(`${handle}: ${why}`);
  }

  #refuse(why: string): never {
    throw new SkyError("program/invalid", { gateway: this.#program.gateway, why });
  }
}

const rootNames: readonly string[] = ["read_object_store", "read_local", "gen_data", "receive"];

function goalOf(operator: Operator): string | undefined {
  if (operator.op === "send") return operator.to;
  return "destination" in operator ? `destination ${operator.destination}` : undefined;
}

function sourceOf(root: Root): string {
  if (root.op === "read_object_store") return `${root.op} ${root.store}`;
  return root.op === "gen_data" ? `${root.op} ${root.compressible}` : root.op;
}

function writingOf(leaf: Operator): string {
  return leaf.op === "write_object_store" ? `${leaf.op} ${leaf.store}` : leaf.op;
}

function isIndexOf(value: number, count: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < count;
}

function isCountTo(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= max;
}
