// Asks a supervisor to change its sandbox's network, or what has passed it, and finds the answer to each question.

import type { DockershError } from '../../lib/errors.ts';
import { nativeError } from '../../lib/failures.ts';
import { textOf, u32Of, u64sOf, type WireMessage, WireWriter } from '../../lib/wire.ts';
import { type NetworkPlan, type Traffic, writeNetwork } from '../network/plan.ts';
import { failureIn } from './answers.ts';

export class NetworkChanges {
  readonly #waiting = new Map<number, (failure: DockershError | undefined) => void>();
  readonly #counting = new Map<number, (traffic: Traffic | undefined) => void>();
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

  /** The answer is undefined where there is nobody any more. */
  count(): { readonly message: Buffer; readonly answer: Promise<Traffic | undefined> } {
    this.#slots += 1;
    const message = new WireWriter('countTraffic').u32('slot', this.#slots).finish();
    const { promise, resolve } = Promise.withResolvers<Traffic | undefined>();
    this.#counting.set(this.#slots, resolve);
    return { message, answer: promise };
  }

  counted(message: WireMessage): void {
    const slot = u32Of(message, 'slot') ?? 0;
    const [bytesIn = 0, packetsIn = 0, bytesOut = 0, packetsOut = 0] = u64sOf(message, 'netTraffic').map(
      Number,
    );
    this.#counting.get(slot)?.({ bytesIn, packetsIn, bytesOut, packetsOut });
    this.#counting.delete(slot);
  }

  end(): void {
    for (const counted of this.#counting.values()) counted(undefined);
    this.#counting.clear();
    for (const answered of this.#waiting.values()) answered(undefined);
    this.#waiting.clear();
  }
}
