// Remembers of one sandbox why it ends, who wanted it, and what goes with it.

import type { EndCause } from '../../lib/values/causes.ts';
import type { ByWhom, SandboxEnd } from '../engine.ts';

export class Ending {
  #cause: EndCause | undefined;
  #stop: { readonly by: ByWhom; readonly said: string } | undefined;
  #work: SandboxEnd['work'];

  /** Somebody has it stopped; those inside are told `said`. */
  asked(by: ByWhom, said: string): void {
    this.#stop = { by, said };
  }

  /** The supervisor says that it is about to end. */
  announced(cause: EndCause | undefined, work: SandboxEnd['work']): void {
    this.#cause ??= cause;
    this.#work = work;
  }

  /** It is gone, which nobody may have announced. */
  over(cause: EndCause): EndCause {
    this.#cause ??= cause;
    return this.#cause;
  }

  whoStopped(cause: EndCause): ByWhom {
    return cause === 'stopped' ? (this.#stop?.by ?? {}) : {};
  }

  /** Once it has ended. */
  get end(): ByWhom & Pick<SandboxEnd, 'cause' | 'work' | 'said'> {
    const cause = this.#cause ?? 'unseen';
    return { cause, ...this.whoStopped(cause), work: this.#work, said: this.#stop?.said };
  }
}
