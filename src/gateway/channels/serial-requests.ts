// Answers requests in the order in which they came (RFC 4254, section 4), although each may take its time; whoever asks faster
// than he is answered is not read from meanwhile.

import type { Transport } from '../transport/transport.ts';

const mostWaiting = 64;

export class SerialRequests {
  readonly #transport: Transport;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `act` does not throw. */
  add(act: () => Promise<void>): void {
    this.#waiting += 1;
    if (this.#waiting > mostWaiting) this.#transport.hold(this);
    this.#last = this.#last.then(act).finally(() => {
      this.#waiting -= 1;
      if (this.#waiting <= mostWaiting / 2) this.#transport.letGo(this);
    });
  }
}
