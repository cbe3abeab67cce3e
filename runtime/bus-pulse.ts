// Whether anything still comes in over a connection. Pure.
//
// A connection may be dead without saying so. Nodes hear their head every second, so looking now
// and then whether something came costs next to nothing; only when nothing did, the server is
// asked. The library's own pings would ask all the time: they cost an idle skylet 10 MB, as code
// that runs so often is worth being compiled (measured 2026-11, Node 24).

/** How often to look. */
export const pulseMs = 1_500;
/** So many looks in a row that found nothing: 4.5 to 6 s, of which 3 s after it was asked. */
export const silentLooksMax = 3;

export class Pulse {
  #heard = true;
  #silentLooks = 0;

  /** Something came in. */
  heard(): void {
    this.#heard = true;
  }

  /** The connection is another one, or none. */
  reset(): void {
    this.#heard = true;
    this.#silentLooks = 0;
  }

  look(): "alive" | "ask" | "dead" {
    this.#silentLooks = this.#heard ? 0 : this.#silentLooks + 1;
    this.#heard = false;
    if (this.#silentLooks === 0) return "alive";
    return this.#silentLooks < silentLooksMax ? "ask" : "dead";
  }
}
