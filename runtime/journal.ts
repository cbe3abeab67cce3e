// How a durable actor writes to the journal: keys, records, events, and the outbox.
//
// Every key starts with the address of its owner, so an actor reads all that is its own by one
// prefix and cannot touch what is another's. Numbers in keys are padded: keys sort as text.
//
// The outbox holds effects that a crash must not forget. A turn that names them in `outbox` has
// them stored as records in the same commit as the state that asked for them. One leaves with a
// later commit, once it was carried out; until then every start of the actor performs it again,
// with the token that it had the first time. So it happens at least once, and, because ports accept
// a token twice, at most once in effect.

import type { Address } from "../model/address.ts";
import { addressText } from "../model/address.ts";
import { errorText, SkyError } from "../model/errors.ts";
import type { Batch, StoreEventDraft, StoreRecord } from "./store.ts";

/** The prefix of all keys of an actor. */
export function journalPrefix(address: Address): string {
  return `${addressText(address)}/`;
}

/** The key of one record of an actor: `demo/skyhead/scheduler/main/job/0000000000000007`. */
export function recordKey(address: Address, ...parts: readonly (string | number)[]): string {
  return journalPrefix(address) + parts.map(keyPart).join("/");
}

/** A record whose value is JSON. */
export function jsonRecord(key: string, value: unknown): StoreRecord {
  return { key, value: JSON.stringify(value) };
}

/** What a record says, as plain data. @throws SkyError `codec/invalid` if it is not JSON. */
export function recordValue(record: StoreRecord): unknown {
  try {
    return JSON.parse(record.value);
  } catch (error) {
    const params = { what: `record ${record.key}`, why: errorText(error) };
    throw new SkyError("codec/invalid", params, { cause: error });
  }
}

/** An event for the history of `subject`. */
export function eventDraft(subject: string, wallMs: number, body: unknown): StoreEventDraft {
  return { subject, wallMs, body: JSON.stringify(body) };
}

/** A batch of what is given; the rest is empty. */
export function batchOf(parts: Partial<Batch>): Batch {
  return { puts: [], deletes: [], events: [], ...parts };
}

/** A turn's batch with the records that its outbox adds and those that are done. */
export function withOutbox(
  batch: Batch | undefined,
  outbox: { readonly added: readonly OutboxEntry[]; readonly done: readonly string[] },
): Batch {
  const base = batch ?? batchOf({});
  return {
    ...base,
    puts: [...base.puts, ...outbox.added.map(outboxRecord)],
    deletes: [...base.deletes, ...outbox.done],
  };
}

/** Which turn of which life of an actor: the middle part of a token. Later ones are greater. */
export interface TurnId {
  /** Of the system: rises with every start of its process. */
  readonly system: number;
  /** Of the actor within its system: rises with every spawn. */
  readonly actor: number;
  readonly turn: number;
}

/** The token of an effect. No two effects of an address ever have the same. */
export function effectToken(address: Address, id: TurnId, index: number): string {
  return `${addressText(address)}/${id.system}.${id.actor}.${id.turn}/${index}`;
}

/** An effect that waits in the outbox until it was carried out. */
export interface OutboxEntry {
  readonly key: string;
  readonly token: string;
  readonly effect: { readonly kind: string };
}

/** The entries for the durable effects of one turn. Their indexes follow the turn's others. */
export function outboxEntries(
  address: Address,
  id: TurnId,
  effects: { readonly first: number; readonly outbox: readonly { readonly kind: string }[] },
): readonly OutboxEntry[] {
  return effects.outbox.map((effect, offset) => {
    const index = effects.first + offset;
    return {
      key: recordKey(address, outboxFolder, id.system, id.actor, id.turn, index),
      token: effectToken(address, id, index),
      effect,
    };
  });
}

export function outboxRecord(entry: OutboxEntry): StoreRecord {
  return jsonRecord(entry.key, { token: entry.token, effect: entry.effect });
}

/**
 * What an actor left in the journal, as it is spawned again: its own records, and the outbox in the
 * order in which the effects were asked for. Give the latter to `spawn` as it is.
 */
export function splitJournal(
  address: Address,
  records: readonly StoreRecord[],
): { readonly records: readonly StoreRecord[]; readonly outbox: readonly OutboxEntry[] } {
  const prefix = `${journalPrefix(address)}${outboxFolder}/`;
  const isOutbox = (record: StoreRecord): boolean => record.key.startsWith(prefix);
  return {
    records: records.filter((record) => !isOutbox(record)),
    outbox: records.filter(isOutbox).map(outboxEntryOf),
  };
}

const outboxFolder = "outbox";
/** Enough for any safe integer, which has at most 16 digits. */
const numberDigits = 16;

function keyPart(part: string | number): string {
  return typeof part === "number" ? String(part).padStart(numberDigits, "0") : part;
}

function outboxEntryOf(record: StoreRecord): OutboxEntry {
  const value = recordValue(record);
  if (isOutboxValue(value)) return { key: record.key, token: value.token, effect: value.effect };
  throw new SkyError("codec/invalid", { what: `record ${record.key}`, why: "no outbox entry" });
}

function isOutboxValue(
  value: unknown,
): value is { readonly token: string; readonly effect: { readonly kind: string } } {
  if (typeof value !== "object" || value === null) return false;
  const { token, effect } = value as { readonly token?: unknown; readonly effect?: unknown };
  return typeof token === "string" && typeof effect === "object" && effect !== null;
}
