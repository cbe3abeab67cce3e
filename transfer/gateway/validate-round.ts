// Whether the programs of a round fit each other: who sends is awaited, nothing goes in a circle,
// and each destination gets every chunk once, whichever way a mux_or sends it. Pure: the head asks
// before it starts anything.

import { SkyError } from "../../model/errors.ts";
import type { Branch, GatewayId, Program, Receive, Root, Send } from "./program.ts";
import { isReading, operatorsOf, type ProgramGround, validateProgram } from "./validate.ts";

/**
 * Each program by itself, then all of them together.
 * @throws SkyError `program/invalid`.
 */
export function validateRound(programs: readonly Program[], ground: ProgramGround): void {
  for (const program of programs) validateProgram(program, ground);
  const round = new RoundCheck(programs, ground);
  round.run();
}

/** How often each destination gets a chunk that comes in somewhere. */
type Arrivals = readonly number[];

class RoundCheck {
  readonly #programs: readonly Program[];
  readonly #destinations: number;
  readonly #byGateway = new Map<GatewayId, Program>();
  /** By gateway and stripe; `undefined` while it is being found out. */
  readonly #arrivals = new Map<string, Arrivals | undefined>();

  constructor(programs: readonly Program[], { destinations }: ProgramGround) {
    this.#programs = programs;
    this.#destinations = destinations;
  }

  run(): void {
    for (const program of this.#programs) {
      const { gateway, stripes } = program;
      if (this.#byGateway.has(gateway)) refuse(gateway, "it has two programs");
      this.#byGateway.set(gateway, program);
      const expected = this.#programs[0]?.stripes;
      if (stripes !== expected) refuse(gateway, `${stripes} stripes, and ${expected} elsewhere`);
    }
    for (const program of this.#programs) this.#demandSenders(program);
    this.#oneWriter();
    for (const program of this.#programs) {
      for (const { stripe, root } of program.partitions) {
        const arrivals = this.#below(program, stripe, root);
        if (isReading(root)) this.#demandOnce(program, root, arrivals);
      }
    }
  }

  /** Every sender that is awaited sends. */
  #demandSenders({ gateway, partitions }: Program): void {
    for (const { stripe, root } of partitions) {
      if (root.op !== "receive") continue;
      for (const from of root.from) {
        const sends = this.#partitionsOf(from, stripe).flatMap((other) => [...operatorsOf(other)]);
        if (sends.some((operator) => operator.op === "send" && operator.to === gateway)) continue;
        refuse(gateway, `${root.handle}: ${from} sends nothing of stripe ${stripe} to it`);
      }
    }
  }

  #oneWriter(): void {
    const writers = new Map<number, GatewayId>();
    for (const { gateway, partitions } of this.#programs) {
      for (const operator of partitions.flatMap(({ root }) => [...operatorsOf(root)])) {
        if (!("destination" in operator)) continue;
        const { destination, handle } = operator;
        const writer = writers.get(destination) ?? gateway;
        writers.set(destination, writer);
        if (writer === gateway) continue;
        refuse(gateway, `${handle}: destination ${destination} is written by ${writer} already`);
      }
    }
  }

  #demandOnce({ gateway }: Program, root: Root, arrivals: Arrivals): void {
    for (const [destination, times] of arrivals.entries()) {
      if (times === 1) continue;
      const how = times === 0 ? "no chunk" : `each chunk ${times} times`;
      refuse(gateway, `${root.handle}: destination ${destination} would get ${how}`);
    }
  }

  #below(program: Program, stripe: number, root: Root): Arrivals {
    const [child] = root.children;
    return child === undefined ? this.#none() : this.#branch(program, stripe, child);
  }

  #branch(program: Program, stripe: number, branch: Branch): Arrivals {
    if (branch.op === "send") return this.#sent(program, stripe, branch);
    if (branch.op === "mux_and") {
      const all = branch.children.map((child) => this.#branch(program, stripe, child));
      return this.#none().map((_, at) => all.reduce((sum, one) => sum + (one[at] ?? 0), 0));
    }
    if (branch.op !== "mux_or") {
      return this.#none().map((_, at) => (at === branch.destination ? 1 : 0));
    }
    const ways = branch.children.map((child) => this.#branch(program, stripe, child));
    const [first = this.#none()] = ways;
    const isSame = ways.every((way) => way.every((times, at) => times === first[at]));
    if (isSame) return first;
    const why = `${branch.handle}: its ways do not reach the same destinations`;
    return refuse(program.gateway, why);
  }

  #sent({ gateway }: Program, stripe: number, send: Send): Arrivals {
    const receive = this.#receiveOf(send.to, stripe);
    const other = this.#byGateway.get(send.to);
    if (other === undefined || receive === undefined || !receive.from.includes(gateway)) {
      const why = `${send.handle}: ${send.to} does not receive stripe ${stripe} from it`;
      return refuse(gateway, why);
    }
    const key = `${send.to} ${stripe}`;
    if (this.#arrivals.has(key)) {
      const known = this.#arrivals.get(key);
      return known ?? refuse(gateway, `${send.handle}: what it sends comes back to it`);
    }
    this.#arrivals.set(key, undefined);
    const arrivals = this.#below(other, stripe, receive);
    this.#arrivals.set(key, arrivals);
    return arrivals;
  }

  #receiveOf(gateway: GatewayId, stripe: number): Receive | undefined {
    const roots = this.#partitionsOf(gateway, stripe);
    return roots.find((root): root is Receive => root.op === "receive");
  }

  #partitionsOf(gateway: GatewayId, stripe: number): readonly Root[] {
    const partitions = this.#byGateway.get(gateway)?.partitions ?? [];
    return partitions.filter((one) => one.stripe === stripe).map(({ root }) => root);
  }

  #none(): number[] {
    return new Array<number>(this.#destinations).fill(0);
  }
}

function refuse(gateway: GatewayId, why: string): never {
  throw new SkyError("program/invalid", { gateway, why });
}
