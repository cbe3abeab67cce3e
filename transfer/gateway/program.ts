// What a gateway does with the objects of a transfer: operators in a tree, for each of its stripes.
//
// Objects enter at a root (a read, `gen_data`, `receive`) and leave at leaves (writes, `send`,
// `discard`). What an operator has under it gets what it gives: under `mux_and` every child gets
// everything; under `mux_or` each chunk goes to one of the children, whichever has room. An
// operator with several children that is no mux is refused: say which you mean.
//
// `docs/decisions/gateways.md` has the shapes that are valid; `validate.ts` refuses all others, and
// names the operator.

/** Names an operator within its program, for metrics and errors: `write-2`. */
export type Handle = string;

/** Who takes part: `<cluster>/<node>`, as certificates name them. */
export type GatewayId = string;

/** The user's own machine: its head is a gateway, too. No cluster has such a node. */
export const homeGateway: GatewayId = "home/this-machine";

export type Operator = Root | Mux | Leaf;
export type Root = ReadObjectStore | ReadLocal | GenData | Receive;
export type Mux = MuxAnd | MuxOr;
export type Leaf = Send | WriteObjectStore | WriteLocal | Discard;
/** What may be under a root or a mux. */
export type Branch = Mux | Leaf;

export interface ReadObjectStore {
  readonly op: "read_object_store";
  readonly handle: Handle;
  /** Which of the stores that came with the program. */
  readonly store: number;
  /** Requests at a time, 1 to 256. */
  readonly connections: number;
  readonly children: readonly Branch[];
}
export interface ReadLocal {
  readonly op: "read_local";
  readonly handle: Handle;
  readonly children: readonly Branch[];
}
/** Bytes that nothing was read for: to measure. */
export interface GenData {
  readonly op: "gen_data";
  readonly handle: Handle;
  readonly compressible: boolean;
  readonly children: readonly Branch[];
}
export interface Receive {
  readonly op: "receive";
  readonly handle: Handle;
  /** Who sends; nobody else may. */
  readonly from: readonly GatewayId[];
  readonly children: readonly Branch[];
}
export interface MuxAnd {
  readonly op: "mux_and";
  readonly handle: Handle;
  readonly children: readonly Branch[];
}
export interface MuxOr {
  readonly op: "mux_or";
  readonly handle: Handle;
  readonly children: readonly Branch[];
}
export interface Send {
  readonly op: "send";
  readonly handle: Handle;
  readonly to: GatewayId;
  /** Connections to it, 1 to 64. */
  readonly connections: number;
  readonly compress: boolean;
}
export interface WriteObjectStore {
  readonly op: "write_object_store";
  readonly handle: Handle;
  readonly store: number;
  /** Which of the transfer's destinations, from 0. */
  readonly destination: number;
  readonly connections: number;
}
export interface WriteLocal {
  readonly op: "write_local";
  readonly handle: Handle;
  readonly destination: number;
}
export interface Discard {
  readonly op: "discard";
  readonly handle: Handle;
  readonly destination: number;
}

/** What goes along one way: all of the data, or stripe `stripe` of `stripes`. */
export interface Partition {
  readonly stripe: number;
  readonly root: Root;
}

export interface Program {
  readonly gateway: GatewayId;
  readonly stripes: number;
  readonly partitions: readonly Partition[];
}
