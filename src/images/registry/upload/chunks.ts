// Uploads a blob in pieces (distribution specification, "pushing a blob in chunks"). A piece that broke is sent again
// from where the registry says it is; if that lies outside the piece, the whole upload is begun anew.

import { pushScope } from '../api.ts';
import type { RegistryClient } from '../client.ts';
import { RegistryError } from '../failure.ts';
import { asFinal, pauseAfter } from '../http/retry.ts';
import { bodyFromBytes } from '../http/send-body.ts';
import { type BlobUpload, requireStored, withDigest } from './session.ts';

/** Largest piece that a registry may insist on: a piece is held in memory. */
const mostChunkBytes = 64 * 1024 * 1024;

export async function sendInChunks(client: RegistryClient, upload: BlobUpload, session: URL): Promise<void> {
  let location = session;
  let sent = 0;
  for await (const chunk of pieces(await upload.open(), client.limits.chunkBytes)) {
    location = await sendChunk(client, upload, location, chunk, sent);
    sent += chunk.length;
    upload.onBytes?.(sent);
  }
  if (sent !== upload.blob.size) {
    const why = `the source has ${sent} bytes, not ${upload.blob.size}`;
    throw new RegistryError('broken', { what: `blob ${upload.blob.digest}`, why });
  }
  const answer = await client.once({
    method: 'PUT',
    target: withDigest(location, upload.blob.digest),
    scopes: [pushScope(upload.repository)],
    headers: { 'content-length': '0' },
    accept: [201, 204],
    signal: upload.signal,
  });
  answer.discard();
  requireStored(answer, upload.blob.digest);
}

/** Returns where the next piece goes. */
async function sendChunk(
  client: RegistryClient,
  upload: BlobUpload,
  session: URL,
  chunk: Uint8Array,
  offset: number,
): Promise<URL> {
  let location = session;
  let done = 0;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await patch(client, upload, location, chunk.subarray(done), offset + done);
    } catch (error) {
      if (attempt >= client.limits.attempts) throw asFinal(error);
      await pauseAfter(error, attempt, client.limits, upload.signal);
      const state = await ask(client, upload, location);
      location = state.location;
      done = state.bytes - offset;
      if (done < 0 || done > chunk.length) throw error;
      if (done === chunk.length) return location;
    }
  }
}

async function patch(
  client: RegistryClient,
  { repository, signal }: BlobUpload,
  target: URL,
  chunk: Uint8Array,
  offset: number,
): Promise<URL> {
  const answer = await client.once({
    method: 'PATCH',
    target,
    scopes: [pushScope(repository)],
    headers: {
      'content-type': 'application/octet-stream',
      'content-range': `${offset}-${offset + chunk.length - 1}`,
    },
    body: bodyFromBytes(chunk),
    accept: [202],
    signal,
  });
  answer.discard();
  return client.follow(answer);
}

/** How far an upload has come. */
async function ask(
  client: RegistryClient,
  { repository, signal }: BlobUpload,
  target: URL,
): Promise<{ readonly location: URL; readonly bytes: number }> {
  const scopes = [pushScope(repository)];
  const answer = await client.call({ method: 'GET', target, scopes, accept: [204], signal });
  answer.discard();
  const range = /^(?:bytes=)?0-([0-9]{1,15})$/.exec(String(answer.headers['range'] ?? ''));
  const location = answer.headers.location === undefined ? target : client.follow(answer);
  return { location, bytes: range?.[1] === undefined ? 0 : Number(range[1]) + 1 };
}

/** The source in pieces of `size` bytes, the last one shorter. */
async function* pieces(
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const piece = Buffer.allocUnsafe(Math.min(size, mostChunkBytes));
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + piece.length - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < piece.length) continue;
      yield piece;
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
