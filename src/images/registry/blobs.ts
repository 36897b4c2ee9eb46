// Downloads blobs from a registry. A stream that breaks goes on where it broke (RFC 9110, section 14: ranges), with
// another request to the registry itself, because the address it redirected to may have expired. What comes is not
// believed here but by the store, which knows the digest; only its length is watched.

import type { OpenBlob } from '../content.ts';
import type { Digest } from '../digest.ts';
import type { Descriptor } from '../oci.ts';
import { blobPath, pullScope } from './api.ts';
import type { RegistryClient } from './client.ts';
import { RegistryError } from './failure.ts';
import type { Answer } from './http/exchange.ts';
import { pauseAfter } from './http/retry.ts';

export async function hasBlob(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  scopes: readonly string[],
  signal?: AbortSignal,
): Promise<boolean> {
  const target = blobPath(repository, 'blobs', digest);
  const answer = await client.call({ method: 'HEAD', target, scopes, accept: [200, 404], signal });
  answer.discard();
  return answer.status === 200;
}

/** For the store: opens the blob at a byte; breaks are mended within, so whatever it throws is final. */
export function blobSource(client: RegistryClient, repository: string, blob: Descriptor): OpenBlob {
  return (offset, signal) => Promise.resolve(readBlob(client, repository, blob, { offset, signal }));
}

interface ReadOptions {
  readonly offset: number;
  readonly signal: AbortSignal;
}

async function* readBlob(
  client: RegistryClient,
  repository: string,
  blob: Descriptor,
  { offset, signal }: ReadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { limits } = client;
  let at = offset;
  let mark = offset;
  let failures = 0;
  while (at < blob.size) {
    try {
      for await (const chunk of readFrom(client, repository, blob, at, signal)) {
        at += chunk.length;
        yield chunk;
      }
    } catch (error) {
      // Progress earns patience; a byte for each connection would earn it for ever.
      failures = at - mark >= limits.slowBytes ? 1 : failures + 1;
      mark = at;
      if (failures >= limits.attempts) throw error;
      await pauseAfter(error, failures, limits, signal);
    }
  }
}

/** One request's worth: ends when the blob does, and throws where the body ends before it. */
async function* readFrom(
  client: RegistryClient,
  repository: string,
  blob: Descriptor,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const answer = await client.once({
    method: 'GET',
    target: blobPath(repository, 'blobs', blob.digest),
    scopes: [pullScope(repository)],
    headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
    accept: [200, 206],
    signal,
  });
  const start = startOf(answer, blob, offset);
  let at = start;
  for await (const chunk of answer.body()) {
    const end = at + chunk.length;
    if (end > blob.size) throw wrongLength(answer, `it is longer than its ${blob.size} bytes`);
    // A registry that knows no ranges sends everything again.
    if (end > offset) yield chunk.subarray(Math.max(0, offset - at));
    at = end;
  }
  if (at === blob.size) return;
  const why = `it ended after ${at} of ${blob.size} bytes`;
  throw new RegistryError('unreachable', { what: answer.what, why, transient: true });
}

/** The first byte of the answer. Throws where its head already says that it is not the blob. */
function startOf(answer: Answer, blob: Descriptor, offset: number): number {
  const { headers, status, what } = answer;
  const fail = (error: RegistryError): never => {
    answer.discard();
    throw error;
  };
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity') {
    fail(new RegistryError('answer', { what, why: `it is encoded with ${coding}, which was not asked for` }));
  }
  const start = status === 206 ? rangeStart(headers['content-range'], blob) : 0;
  if (start === undefined || start > offset) {
    const why = `it sends the range "${headers['content-range'] ?? ''}", asked for was ${offset}-`;
    return fail(new RegistryError('answer', { what, why }));
  }
  const length = headers['content-length'];
  if (length !== undefined && Number(length) !== blob.size - start) {
    fail(wrongLength(answer, `it has ${Number(length) + start} bytes, its descriptor says ${blob.size}`));
  }
  return start;
}

function rangeStart(header: string | undefined, blob: Descriptor): number | undefined {
  const match = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15}|\*)$/.exec(header ?? '');
  if (match === null) return undefined;
  const total = match[3] === '*' ? blob.size : Number(match[3]);
  return total === blob.size && Number(match[2]) === blob.size - 1 ? Number(match[1]) : undefined;
}

function wrongLength(answer: Answer, why: string): RegistryError {
  return new RegistryError('broken', { what: answer.what, why });
}
