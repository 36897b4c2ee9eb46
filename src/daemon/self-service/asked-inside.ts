// Keeps what sandboxes ask for until there is somebody who answers: a daemon that starts hears of it before it can.

import type { Asked } from '../../isolation/engine.ts';
import type { Logger } from '../../lib/log.ts';

type Answering = (asked: Asked) => Promise<void>;

export class AskedInside {
  readonly #log: Logger;
  #early: Asked[] = [];
  #answering: Answering | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  take(asked: Asked): void {
    if (this.#answering === undefined) this.#early.push(asked);
    else this.#answer(this.#answering, asked);
  }

  /** From now on; what has been asked before comes first. */
  serve(answering: Answering): void {
    this.#answering = answering;
    const early = this.#early;
    this.#early = [];
    for (const asked of early) this.#answer(answering, asked);
  }

  #answer(answering: Answering, asked: Asked): void {
    answering(asked).catch((error: unknown) =>
      this.#log.warn({ err: error, uid: asked.uid }, 'nobody was there for an answer'),
    );
  }
}
