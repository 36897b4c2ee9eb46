// Serialises asynchronous work: one at a time, in order of asking.

export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when everything asked for before has ended, whether well or not. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    // Whoever asked hears of the failure; the next in line only waits for the end.
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
