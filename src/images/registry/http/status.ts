// Turns the status of an answer, and what the registry says about it (distribution specification, "error codes"),
// into an error.

import * as z from 'zod';
import { parseBoundedJson } from '../../../lib/bounded-json.ts';
import { RegistryError, type RegistryFault } from '../failure.ts';
import type { RegistryLimits } from '../limits.ts';
import type { Answer } from './exchange.ts';
import { parseRetryAfter } from './retry.ts';

const errorAnswer = z.looseObject({
  errors: z.array(z.looseObject({ code: z.string().optional(), message: z.string().optional() })).optional(),
  details: z.string().optional(),
});

const transientStatus = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Lets an answer pass that has one of these statuses; throws what any other one means. */
export async function failUnless(
  answer: Answer,
  statuses: readonly number[],
  limits: RegistryLimits,
): Promise<void> {
  if (!statuses.includes(answer.status)) throw await failureOf(answer, limits);
}

/** The answer as an error, with the registry's own words. Reads and ends its body. */
export async function failureOf(answer: Answer, limits: RegistryLimits): Promise<RegistryError> {
  const { status, headers, what } = answer;
  const words = await wordsOf(answer, limits);
  const why = words === '' ? `the registry answers ${status}` : `the registry answers ${status}: ${words}`;
  return new RegistryError(faultOf(status), {
    what,
    why,
    transient: transientStatus.has(status),
    retryAfterMs: parseRetryAfter(headers['retry-after'], Date.now()),
  });
}

function faultOf(status: number): RegistryFault {
  if (status === 401 || status === 403 || status === 407) return 'denied';
  if (status === 404 || status === 410) return 'missing';
  if (status === 429 || status >= 500) return 'unreachable';
  return 'answer';
}

async function wordsOf(answer: Answer, limits: RegistryLimits): Promise<string> {
  if (!(answer.headers['content-type'] ?? '').includes('json')) {
    answer.discard();
    return '';
  }
  try {
    const bytes = await answer.bytes(limits.answerBytes);
    const { errors = [], details = '' } = errorAnswer.parse(parseBoundedJson(bytes));
    const [first] = errors;
    return first === undefined ? details : (first.message ?? first.code ?? '');
  } catch (error) {
    // The words are an extra: without them the status says enough.
    if (error instanceof RegistryError || error instanceof SyntaxError || error instanceof z.ZodError)
      return '';
    throw error;
  }
}
