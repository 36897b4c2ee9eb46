// Sends blobs (distribution specification, "push"): not at all where the registry has them, by mounting from
// another repository of the same registry where that works, or else in one request. Where one request is too
// much for what stands in between, in pieces, each of which can be sent again.

import { pullScope, pushScope, uploadPath } from '../api.ts';
import { hasBlob } from '../blobs.ts';
import type { RegistryClient } from '../client.ts';
import { RegistryError } from '../failure.ts';
import { withRetries } from '../http/retry.ts';
import type { RequestBody } from '../http/send-body.ts';
import { sendInChunks } from './chunks.ts';
import { type BlobUpload, requireStored, withDigest } from './session.ts';

export type UploadResult = 'there' | 'mounted' | 'sent';

const mostMounts = 3;

export async function uploadBlob(client: RegistryClient, upload: BlobUpload): Promise<UploadResult> {
  const { repository, blob, signal } = upload;
  if (await hasBlob(client, repository, blob.digest, [pushScope(repository)], signal)) return 'there';
  const mounted = await mount(client, upload);
  if (mounted === 'mounted') return mounted;
  let session: URL | undefined = mounted;
  let tooLarge = false;
  await withRetries(client.limits, signal, async (attempt) => {
    // An upload that broke is begun anew: what the registry kept of it is its own business.
    const location = session ?? (await begin(client, upload));
    session = undefined;
    const inPieces = tooLarge || (attempt > 1 && blob.size > client.limits.chunkBytes);
    if (!inPieces && (await sendWhole(client, upload, location)) === 'sent') return;
    tooLarge = true;
    await sendInChunks(client, upload, inPieces ? location : await begin(client, upload));
  });
  return 'sent';
}

/** "mounted", or the session that the registry opened instead, or nothing. */
async function mount(client: RegistryClient, upload: BlobUpload): Promise<'mounted' | URL | undefined> {
  const { repository, blob, signal, mountFrom = [] } = upload;
  let session: URL | undefined;
  for (const from of mountFrom.filter((other) => other !== repository).slice(0, mostMounts)) {
    try {
      const answer = await client.call({
        method: 'POST',
        target: uploadPath(repository, { mount: blob.digest, from }),
        scopes: [pushScope(repository), pullScope(from)],
        headers: { 'content-length': '0' },
        accept: [201, 202],
        signal,
      });
      answer.discard();
      if (answer.status === 201) return 'mounted';
      session = client.follow(answer);
    } catch (error) {
      // A registry may not let us read the other repository: then the blob is sent.
      if (!(error instanceof RegistryError) || !['denied', 'missing', 'answer'].includes(error.fault))
        throw error;
    }
  }
  return session;
}

async function begin(client: RegistryClient, { repository, signal }: BlobUpload): Promise<URL> {
  const answer = await client.once({
    method: 'POST',
    target: uploadPath(repository),
    scopes: [pushScope(repository)],
    headers: { 'content-length': '0' },
    accept: [202],
    signal,
  });
  answer.discard();
  return client.follow(answer);
}

async function sendWhole(
  client: RegistryClient,
  upload: BlobUpload,
  location: URL,
): Promise<'sent' | 'too large'> {
  const { repository, blob, signal } = upload;
  const answer = await client.once({
    method: 'PUT',
    target: withDigest(location, blob.digest),
    scopes: [pushScope(repository)],
    headers: { 'content-type': 'application/octet-stream' },
    body: countedBody(upload),
    // 413 comes from proxies that limit the size of a request.
    accept: [201, 204, 413],
    signal,
  });
  answer.discard();
  if (answer.status === 413) return 'too large';
  requireStored(answer, blob.digest);
  return 'sent';
}

function countedBody({ blob, open, onBytes }: BlobUpload): RequestBody {
  return {
    length: blob.size,
    open: async function* () {
      let sent = 0;
      for await (const chunk of await open()) {
        yield chunk;
        sent += chunk.length;
        onBytes?.(sent);
      }
    },
  };
}
