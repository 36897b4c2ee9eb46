// Pushes an image of the store to a registry: layers, several at once, then the configuration, then the
// manifest, so that whoever sees the manifest finds all of it. What the registry has is not sent again. An
// image that was pulled goes out byte for byte as it came in, under the same digest.

import { inParallel } from '../../lib/async/parallel.ts';
import type { ContentStore, Transaction } from '../content.ts';
import type { Digest } from '../digest.ts';
import { type Descriptor, imageManifest, mayNotBeDistributed } from '../oci.ts';
import { pushScope } from './api.ts';
import { hasBlob } from './blobs.ts';
import { RegistryClient } from './client.ts';
import { RegistryError } from './failure.ts';
import { collectBody } from './http/body.ts';
import { putManifest } from './manifests.ts';
import { type PartialRegistryOptions, registryOptions } from './options.ts';
import { ProgressMeter, type TransferProgress } from './progress.ts';
import { addReferrer } from './referrers.ts';
import { describeRemoteName, parseRemoteName, type RemoteName, wanted } from './remote-name.ts';
import { uploadBlob } from './upload/uploads.ts';

export interface PushOptions {
  readonly registry?: PartialRegistryOptions | undefined;
  /** Where it goes; by default where its name says. NAME[:TAG]. */
  readonly to?: string | undefined;
  /**
   * Names of images that may share layers with this one. Those of the same registry are asked for the layers
   * before they are sent.
   */
  readonly related?: readonly string[] | undefined;
  /** Layers at once. */
  readonly parallel?: number | undefined;
  /** Called a few times a second. */
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PushResult {
  /** "registry.example/lab/base:2". */
  readonly target: string;
  /** What the target means now. */
  readonly digest: Digest;
  readonly layers: number;
  readonly layersSent: number;
  /** Taken over from another repository of the registry. */
  readonly layersMounted: number;
  /** The registry had them. */
  readonly layersThere: number;
  readonly bytesSent: number;
}

const defaultParallel = 4;

/** `name` is an image of the store. Throws E_NOT_FOUND where it is none, RegistryError, what the store throws. */
export async function pushImage(
  store: ContentStore,
  name: string,
  options: PushOptions = {},
): Promise<PushResult> {
  const registry = registryOptions(options.registry);
  const remote = parseRemoteName(options.to ?? name, registry.defaultRegistry);
  const { signal } = options;
  await using transaction = await store.begin();
  const found = await transaction.find(name);
  if (found === undefined) {
    const hint = 'See "dockershctl image ls".';
    throw new RegistryError('missing', { what: `image '${name}'`, why: 'there is none of this name', hint });
  }
  const meter = new ProgressMeter(options.onProgress);
  meter.begin('resolving');
  // Connected first: a wrong name or password is to be told before minutes of compressing.
  using client = await RegistryClient.connect(remote, registry, signal);
  meter.begin('compressing');
  const descriptor = await transaction.withBlobs(found, 'keep', {
    signal,
    onProgress: ({ digest, bytes, totalBytes }) => meter.update(digest, bytes, totalBytes),
  });
  const mountFrom = repositoriesOf(options.related ?? [], remote, registry.defaultRegistry);
  const counts = await sendContent({ client, transaction, meter, remote, mountFrom, options }, descriptor);
  const bytes = await collectBody(
    await transaction.readBlob(descriptor.digest, signal),
    descriptor.size,
    'manifest',
  );
  const understood = await putManifest(client, remote.repository, wanted(remote), { descriptor, bytes });
  const manifest = await transaction.readJson(descriptor, imageManifest);
  if (manifest.subject !== undefined && understood === undefined) {
    await addReferrer(client, remote.repository, manifest.subject, descriptor, manifest);
  }
  return { target: describeRemoteName(remote), digest: descriptor.digest, ...counts };
}

/** The repositories of other images in the same registry. */
function repositoriesOf(
  names: readonly string[],
  { registry }: RemoteName,
  defaultRegistry: string,
): string[] {
  const others = names.map((name) => parseRemoteName(name, defaultRegistry));
  const same = others.filter((other) => other.registry === registry);
  return [...new Set(same.map(({ repository }) => repository))];
}

interface Transfer {
  readonly client: RegistryClient;
  readonly transaction: Transaction;
  readonly meter: ProgressMeter;
  readonly remote: RemoteName;
  readonly mountFrom: readonly string[];
  readonly options: PushOptions;
}

async function sendContent(transfer: Transfer, descriptor: Descriptor) {
  const { transaction, meter, options } = transfer;
  const { config, layers } = await transaction.readJson(descriptor, imageManifest);
  const distinct = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  meter.begin('uploading', distinct);
  const results = { there: 0, mounted: 0, sent: 0 };
  let bytesSent = 0;
  await inParallel(distinct, options.parallel ?? defaultParallel, options.signal, async (layer, signal) => {
    await requireDistributable(transfer, layer, signal);
    const result = await send(transfer, layer, signal);
    results[result] += 1;
    if (result === 'sent') bytesSent += layer.size;
    meter.done(layer.digest);
  });
  await send(transfer, config, options.signal);
  return {
    layers: layers.length,
    layersSent: results.sent,
    layersMounted: results.mounted,
    layersThere: results.there + layers.length - distinct.length,
    bytesSent,
  };
}

/** What is there already is nobody's to upload. */
async function requireDistributable(
  { client, remote: { repository } }: Transfer,
  layer: Descriptor,
  signal: AbortSignal,
): Promise<void> {
  if (!mayNotBeDistributed(layer)) return;
  if (await hasBlob(client, repository, layer.digest, [pushScope(repository)], signal)) return;
  throw new RegistryError('refused', {
    what: `layer ${layer.digest}`,
    why: `it is one that may not be uploaded (${layer.mediaType})`,
    hint: 'Whoever makes the image can say where it may go.',
  });
}

function send(
  { client, transaction, meter, remote, mountFrom }: Transfer,
  blob: Descriptor,
  signal: AbortSignal | undefined,
): ReturnType<typeof uploadBlob> {
  return uploadBlob(client, {
    repository: remote.repository,
    blob,
    mountFrom,
    open: () => transaction.readBlob(blob.digest, signal),
    onBytes: (bytes) => meter.update(blob.digest, bytes, blob.size),
    signal,
  });
}
