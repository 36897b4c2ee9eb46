// Answers requests in the order in which they came (RFC 4254, section 4), although each may take its time; whoever asks faster
// than he is answered is not read from meanwhile.

import type { Transport } from '../transport/transport.ts';

const mostWaiting = 64;

export class SerialRequests {
  readonly #transport: Transport;
  readonly #answered: () => void;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** `answered`: none waits any more. */
  constructor(transport: Transport, answered: () => void = () => {}) {
    this.#transport = transport;
    this.#answered = answered;
  }

  /** Whether one waits for its answer. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** `act` does not throw. It begins at once where none waits. */
  add(act: () => Promise<void>): void {
    this.#waiting += 1;
    if (this.#waiting > mostWaiting) this.#transport.hold(this);
    this.#last = (this.#waiting === 1 ? act() : this.#last.then(act)).finally(() => {
      this.#waiting -= 1;
      if (this.#waiting <= mostWaiting / 2) this.#transport.letGo(this);
      if (this.#waiting === 0) this.#answered();
    });
  }
}
