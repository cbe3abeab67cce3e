// Whether anything still comes in over a connection. Pure.
//
// A connection may be dead without saying so. Nodes hear their head every second, so looking now
// and then whether something came costs next to nothing; only when nothing did, the server is
// asked. The library's own pings would ask all the time: they cost an idle skylet 10 MB, as code
// that runs so often is worth being compiled (measured 2026-11, Node 24).

/** How often to look. */
export const pulseMs = 1_500;
/**
 * So many looks in a row that found nothing give it up: 4.5 to 6 s, of which 3 s after it was
 * asked. Each time it doubles: a server that is busy with letting everybody in again must not get
 * more of them for it.
 */
export const silentLooksFirst = 3;
export const silentLooksMax = 12;
/** So many looks in a row that found something make it what it was. */
const calmLooks = 40;

export class Pulse {
  #heard = true;
  #silentLooks = 0;
  #aliveLooks = 0;
  #patience = silentLooksFirst;

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
    const heard = this.#heard;
    this.#heard = false;
    this.#aliveLooks = heard ? this.#aliveLooks + 1 : 0;
    this.#silentLooks = heard ? 0 : this.#silentLooks + 1;
    if (this.#aliveLooks >= calmLooks) this.#patience = silentLooksFirst;
    if (heard) return "alive";
    if (this.#silentLooks < this.#patience) return "ask";
    this.#patience = Math.min(silentLooksMax, this.#patience * 2);
    return "dead";
  }
}
