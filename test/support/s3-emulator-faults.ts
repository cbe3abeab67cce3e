// Faults that the S3 emulator makes when it is asked to: each so often, at calls that it fits.

export type S3FaultKind =
  /** 503 SlowDown, 500 InternalError, 403 AccessDenied, 507 XMinioStorageFull. */
  | "slow-down"
  | "internal"
  | "deny"
  | "full"
  /** The connection ends before anything is done; in the middle of an answer; after it is done. */
  | "reset"
  | "reset-mid-body"
  | "lose-answer"
  /** A byte of what is sent or received is another. */
  | "corrupt-body"
  /** What is put is kept with another byte, though the answer says otherwise. */
  | "corrupt-stored"
  /** The answer waits for `ms`. */
  | "delay"
  /** The upload is gone. */
  | "lose-upload"
  /** A page has one name and more to come; a page's XML is cut. */
  | "short-page"
  | "cut-page";

export interface S3Fault {
  readonly kind: S3FaultKind;
  /** The name of a call, as in `S3Request.call`; absent = each. */
  readonly call?: string;
  /** What the key begins with. */
  readonly key?: string;
  /** How often; absent = once. */
  readonly times?: number;
  /** So many that it fits go by before. */
  readonly skip?: number;
  readonly ms?: number;
}

interface Armed {
  readonly fault: S3Fault;
  left: number;
  skip: number;
}

export class S3Faults {
  #armed: Armed[] = [];
  /** How many of each kind were made. */
  readonly made = new Map<S3FaultKind, number>();

  add(fault: S3Fault): void {
    this.#armed.push({ fault, left: fault.times ?? 1, skip: fault.skip ?? 0 });
  }

  clear(): void {
    this.#armed = [];
  }

  /** The faults of this call; each counts as made. */
  take(call: string, key: string): readonly S3Fault[] {
    const taken: S3Fault[] = [];
    for (const armed of this.#armed) {
      const { fault } = armed;
      const fits = (fault.call ?? call) === call && key.startsWith(fault.key ?? "");
      if (!fits || armed.left <= 0) continue;
      if (armed.skip > 0) {
        armed.skip -= 1;
        continue;
      }
      armed.left -= 1;
      this.made.set(fault.kind, (this.made.get(fault.kind) ?? 0) + 1);
      taken.push(fault);
    }
    return taken;
  }
}
