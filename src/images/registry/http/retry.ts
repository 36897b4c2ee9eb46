// Tries again: exponential back-off with jitter, unless the registry says itself when to come back. Only failures
// that are marked as transient are tried again; every wait ends at once when the signal says so.

import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '../failure.ts';
import type { RegistryLimits } from '../limits.ts';

/** Runs `work` until it succeeds, fails for good, or has failed `limits.attempts` times. */
export async function withRetries<T>(
  limits: RegistryLimits,
  signal: AbortSignal | undefined,
  work: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= limits.attempts) throw asFinal(error);
      await pauseAfter(error, attempt, limits, signal);
    }
  }
}

/** The same failure, not to be tried again further up: attempts would multiply. */
export function asFinal(error: unknown): unknown {
  if (!(error instanceof RegistryError) || !error.transient) return error;
  const { fault, what, why = '', hint, cause } = error;
  return new RegistryError(fault, { what, why, hint, cause });
}

/** Waits as long as this failure asks for. Throws it again where another attempt would be no use. */
export async function pauseAfter(
  error: unknown,
  attempt: number,
  limits: RegistryLimits,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal?.aborted === true || !(error instanceof RegistryError) || !error.transient) throw error;
  const asked = error.retryAfterMs ?? 0;
  if (asked > limits.maxRetryAfterMs) throw tooLong(error, asked);
  const pauseMs = Math.max(asked, backoffMs(attempt, limits, Math.random()));
  await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
}

/** Half of the doubled wait is certain, the other half is chance: clients that failed together spread out. */
export function backoffMs(attempt: number, limits: RegistryLimits, chance: number): number {
  const full = Math.min(limits.maxBackoffMs, limits.backoffMs * 2 ** (attempt - 1));
  return full / 2 + (full / 2) * chance;
}

function tooLong(error: RegistryError, askedMs: number): RegistryError {
  return new RegistryError(error.fault, {
    what: error.what,
    why: `${error.why ?? 'the registry is busy'}; it asks to come back in ${Math.ceil(askedMs / 1000)} s`,
    hint: 'Try again later.',
    cause: error,
  });
}

/** Milliseconds of a Retry-After header: seconds or a date (RFC 9110, section 10.2.3). */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
