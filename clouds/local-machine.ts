// What a local node is on disk, and what it declares to have. Pure.
//
// A node's folder holds `state/machine.json` from before its agent first starts until the folder
// goes: it is the local cloud's own list of machines, and survives the head.

import type { Accelerators, Capacity } from "../model/resources.ts";
import type { AskedShape } from "./cluster-record.ts";

export interface LocalMachine {
  readonly token: string;
  readonly index: number;
  readonly ip: string;
  readonly capacity: Capacity;
}

export function encodeMachine(machine: LocalMachine): string {
  return `${JSON.stringify(machine)}\n`;
}

/** `undefined` for a file that was cut off: the machine was never started. */
export function decodeMachine(text: string): LocalMachine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMachine(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const cpusMin = 0.5;

/**
 * What each of `numNodes` local nodes declares: what was asked, at face value, else its share of
 * the machine. Never less than half a CPU, so that one job fits on any node.
 */
export function declaredCapacity(
  machine: { readonly cpus: number; readonly memoryBytes: number },
  asked: AskedShape,
  numNodes: number,
): Capacity {
  const share = Math.floor((machine.cpus / numNodes) * 100) / 100;
  return {
    cpus: asked.cpus ?? Math.max(cpusMin, share),
    memoryBytes: asked.memoryBytes ?? Math.floor(machine.memoryBytes / numNodes),
    accelerators: (asked.accelerators === undefined ? [] : [asked.accelerators]).map(wholeDevices),
  };
}

/** A job may ask for half a device; a node has whole ones. */
function wholeDevices({ name, count }: Accelerators): Accelerators {
  return { name, count: Math.ceil(count) };
}

function isMachine(value: unknown): value is LocalMachine {
  if (typeof value !== "object" || value === null) return false;
  const { token, index, ip, capacity } = value as Partial<LocalMachine>;
  return (
    typeof token === "string" &&
    typeof index === "number" &&
    typeof ip === "string" &&
    typeof capacity === "object"
  );
}
