// Asks a supervisor for changes of its sandbox's network, and finds the answer to each.

import type { DockershError } from '../../lib/errors.ts';
import { nativeError } from '../../lib/failures.ts';
import { textOf, u32Of, type WireMessage, WireWriter } from '../../lib/wire.ts';
import { type NetworkPlan, writeNetwork } from '../network/plan.ts';
import { failureIn } from './answers.ts';

export class NetworkChanges {
  readonly #waiting = new Map<number, (failure: DockershError | undefined) => void>();
  #slots = 0;

  /** The answer is undefined where it has been done, or where there is nobody any more. */
  ask(plan: NetworkPlan): { readonly message: Buffer; readonly answer: Promise<DockershError | undefined> } {
    this.#slots += 1;
    const slot = this.#slots;
    const message = writeNetwork(new WireWriter('network').u32('slot', slot), plan).finish();
    const { promise, resolve } = Promise.withResolvers<DockershError | undefined>();
    this.#waiting.set(slot, resolve);
    return { message, answer: promise };
  }

  answered(message: WireMessage): void {
    const slot = u32Of(message, 'slot') ?? 0;
    const isDone = (u32Of(message, 'failure') ?? 0) === 0;
    const why = { why: textOf(message, 'text') ?? '' };
    this.#waiting.get(slot)?.(
      isDone ? undefined : nativeError(failureIn(message, 'system'), 'E_NETWORK', why),
    );
    this.#waiting.delete(slot);
  }

  end(): void {
    for (const answered of this.#waiting.values()) answered(undefined);
    this.#waiting.clear();
  }
}
