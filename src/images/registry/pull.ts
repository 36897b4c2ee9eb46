// Pulls an image from a registry into the store: manifest, configuration, then layers, several at once. The
// name changes its meaning when everything is there and verified, not before. What has arrived of a pull that
// failed stays for the next one; two pulls of one layer share the work (content.ts).

import { inParallel } from '../../lib/async/parallel.ts';
import { DockershError } from '../../lib/errors.ts';
import { dockerHub } from '../../lib/text/image-name.ts';
import { shellWord } from '../../lib/text/shell-word.ts';
import type { ContentStore, Transaction } from '../content.ts';
import type { Digest } from '../digest.ts';
import { type Descriptor, type ImageConfig, imageConfig, mayNotBeDistributed } from '../oci.ts';
import { describePlatform, fitsPlatform, type Platform, thisPlatform } from '../platform.ts';
import { withIndexDigests } from '../store/index-file.ts';
import { type Origin, unknownOrigin } from '../trust/record.ts';
import { pullScope } from './api.ts';
import { blobSource, hasBlob } from './blobs.ts';
import { RegistryClient } from './client.ts';
import { type Place, placesOf, type RegistryRule, readRegistries, ruleFor } from './conf/registries.ts';
import { wholeName } from './conf/short-names.ts';
import { RegistryError } from './failure.ts';
import { fetchImage, type RemoteImage } from './manifests.ts';
import { type PartialRegistryOptions, type RegistryOptions, registryOptions } from './options.ts';
import { ProgressMeter, type TransferProgress } from './progress.ts';
import { describeRemoteName, parseRemoteName, type RemoteName, wanted } from './remote-name.ts';
import { fetchSignatures } from './signatures.ts';

export type { TransferProgress } from './progress.ts';

export interface PullOptions {
  readonly registry?: PartialRegistryOptions | undefined;
  /** The name that the image gets here; by default the one it was asked for by. NAME or NAME:TAG. */
  readonly as?: string | undefined;
  /** By default this machine's. */
  readonly platform?: Platform | undefined;
  /** Layers at once. */
  readonly parallel?: number | undefined;
  /** Called a few times a second. */
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PullResult {
  /** The name that it has here. */
  readonly name: string;
  /** Of the manifest for this machine. */
  readonly digest: Digest;
  /** What the registry calls by the name: the index where there is one, or else `digest`. */
  readonly remoteDigest: Digest;
  /** "docker.io/library/debian:trixie". */
  readonly source: string;
  /** Where it came from in place of that. */
  readonly mirror?: string;
  /** "linux/arm64". */
  readonly platform: string;
  /** False for another kind of machine than this one. */
  readonly native: boolean;
  readonly layers: number;
  /** Layers that were here before. */
  readonly layersShared: number;
  /** Came over the network for layers. */
  readonly bytesReceived: number;
  /** True when the name meant this image before. */
  readonly unchanged: boolean;
}

const defaultParallel = 4;

/**
 * `asked` is what an administrator types: NAME[:TAG][@DIGEST]. Throws RegistryError (unreachable, denied,
 * missing, answer, broken, refused, limit) and what the store throws; the signal's reason when it is aborted.
 */
export async function pullImage(
  store: ContentStore,
  asked: string,
  options: PullOptions = {},
): Promise<PullResult> {
  const registry = registryOptions(options.registry);
  const { rules, shortNames } = await readRegistries(registry);
  const { defaultRegistry } = registry;
  // Where the policy names a registry for short names, that is what they mean.
  const name = defaultRegistry === dockerHub ? wholeName(asked, shortNames, defaultRegistry) : asked;
  const remote = parseRemoteName(name, defaultRegistry);
  const job = { store, name, remote, options };
  const rule = ruleFor(rules, remote);
  if (rule?.blocked === true) throw blocked(remote, rule);
  const places = rule === undefined ? [{ name: remote, insecure: false }] : placesOf(rule, remote);
  const mirror = mirrorOf(remote, registry);
  const mirrors = [
    ...(mirror === undefined ? [] : [{ name: mirror, insecure: false }]),
    ...places.slice(0, -1),
  ];
  for (const place of mirrors) {
    const limits = { ...registry.limits, attempts: Math.min(registry.limits.attempts, mirrorAttempts) };
    try {
      const pulled = await pullFrom(job, place.name, { ...reaching(place, registry), limits });
      return { ...pulled, mirror: place.name.registry };
    } catch (error) {
      if (options.signal?.aborted === true || !isOfMirror(error)) throw error;
      registry.warn(error);
    }
  }
  const own = places.at(-1) ?? { name: remote, insecure: false };
  return await pullFrom(job, own.name, reaching(own, registry));
}

/** TLS is tried first, and a certificate that nobody vouches for is not believed, whatever the file says. */
function reaching({ name, insecure }: Place, registry: RegistryOptions): RegistryOptions {
  if (!insecure) return registry;
  return { ...registry, plainHttpHosts: [...registry.plainHttpHosts, name.registry] };
}

function blocked(remote: RemoteName, { file }: RegistryRule): RegistryError {
  return new RegistryError('refused', {
    what: describeRemoteName(remote),
    why: `pulls from there are blocked in ${file}`,
    hint: 'Take "blocked" out of the file where that is no longer wanted.',
  });
}

/** A mirror that is down must not cost what a registry that is down may. */
const mirrorAttempts = 2;

/** The same image with the mirror, where its registry has one. */
function mirrorOf(remote: RemoteName, { mirror, defaultRegistry }: RegistryOptions): RemoteName | undefined {
  const { registry } = parseRemoteName('x', defaultRegistry);
  if (mirror === undefined || remote.registry !== registry || mirror === registry) return undefined;
  return { ...remote, registry: mirror };
}

/** What the registry itself may do better. */
function isOfMirror(error: unknown): error is DockershError {
  if (error instanceof RegistryError) return true;
  return error instanceof DockershError && ['E_IMAGE_BROKEN', 'E_ARCHIVE_REFUSED'].includes(error.code);
}

interface PullJob {
  readonly store: ContentStore;
  readonly name: string;
  /** As it is called, wherever it comes from. */
  readonly remote: RemoteName;
  readonly options: PullOptions;
}

async function pullFrom(job: PullJob, source: RemoteName, registry: RegistryOptions): Promise<PullResult> {
  const { store, name, remote, options } = job;
  const key = options.as ?? localName(name, remote);
  const platform = options.platform ?? thisPlatform();
  const meter = new ProgressMeter(options.onProgress);
  meter.begin('resolving');
  using client = await RegistryClient.connect(source, registry, options.signal);
  await using transaction = await store.begin();
  const before = await transaction.find(key);
  const image = await fetchImage(client, source.repository, wanted(source), platform);
  const origin = await originOf(job, client, source, image);
  await transaction.admit(key, image.descriptor.digest, origin); // before anything large has come
  const transfer = { client, transaction, meter, repository: source.repository, options };
  const { shared, bytes } = await fetchContent(transfer, image);
  const manifest = await transaction.putBlob(image.bytes, image.descriptor.mediaType);
  options.signal?.throwIfAborted();
  const indexes = image.indexes.map(({ descriptor }) => descriptor.digest);
  const native = fitsPlatform({ os: 'linux', ...platform });
  // What an index is called by means the image for this machine, whatever else of it is here.
  const known = native ? indexes : [];
  await transaction.tag(key, withIndexDigests(manifest, known), origin);
  return {
    name: key,
    digest: manifest.digest,
    remoteDigest: indexes[0] ?? manifest.digest,
    source: describeRemoteName(remote),
    platform: describePlatform(platform),
    native,
    layers: image.manifest.layers.length,
    layersShared: shared,
    bytesReceived: bytes,
    unchanged: before?.digest === manifest.digest,
  };
}

/** With the signatures of the image, and of the index that the name means. */
async function originOf(
  { store }: PullJob,
  client: RegistryClient,
  source: RemoteName,
  image: RemoteImage,
): Promise<Origin> {
  if (!store.wantsSignatures) return unknownOrigin;
  const indexes = image.indexes.slice(0, 1).map(({ descriptor }) => descriptor.digest);
  const digests = [...indexes, image.descriptor.digest];
  return { local: false, indexes, signatures: await fetchSignatures(client, source.repository, digests) };
}

/** A digest alone is no name that can be moved; it gets a tag that says it, as in OCI's referrers. */
function localName(name: string, remote: RemoteName): string {
  if (remote.digest === undefined) return name;
  const plain = name.slice(0, name.indexOf('@'));
  return remote.tag === undefined ? `${plain}:${remote.digest.replace(':', '-')}` : plain;
}

interface Transfer {
  readonly client: RegistryClient;
  readonly transaction: Transaction;
  readonly meter: ProgressMeter;
  readonly repository: string;
  readonly options: PullOptions;
}

interface Layer {
  readonly blob: Descriptor;
  readonly diffId: Digest;
}

async function fetchContent(transfer: Transfer, image: RemoteImage) {
  const { client, transaction, meter, repository, options } = transfer;
  const { config: blob, layers: blobs } = image.manifest;
  const { signal } = options;
  await transaction.addBlob(blob, blobSource(client, repository, blob), { signal });
  const config = await transaction.readJson(blob, imageConfig);
  requireFitting(config, image, options.platform ?? thisPlatform());
  const layers = pairs(image, config);
  meter.begin(
    'downloading',
    layers.map((layer) => layer.blob),
  );
  let shared = blobs.length - layers.length;
  let bytes = 0;
  await inParallel(layers, options.parallel ?? defaultParallel, signal, async (layer, stop) => {
    if (await transaction.hasLayer(layer.blob.digest, layer.diffId)) shared += 1;
    else {
      await requireServed(transfer, layer.blob, stop);
      await fetchLayer(transfer, layer, stop, (length) => {
        bytes += length;
      });
    }
    meter.done(layer.blob.digest);
  });
  return { shared, bytes };
}

/** Such layers name other places to get them from, which are not gone to: the manifest's author chose them. */
async function requireServed({ client, repository }: Transfer, blob: Descriptor, signal: AbortSignal) {
  if (!mayNotBeDistributed(blob)) return;
  if (await hasBlob(client, repository, blob.digest, [pullScope(repository)], signal)) return;
  throw new RegistryError('refused', {
    what: `layer ${blob.digest}`,
    why: 'it is one that registries may not distribute, and this one does not have it',
    hint: 'Get the image as an archive from whoever makes it, and import that.',
  });
}

/** `received` hears of every piece that comes over the network. */
async function fetchLayer(
  { client, transaction, meter, repository }: Transfer,
  { blob, diffId }: Layer,
  signal: AbortSignal,
  received: (bytes: number) => void,
): Promise<void> {
  const source = blobSource(client, repository, blob);
  const counted = async function* (offset: number, stop: AbortSignal) {
    for await (const chunk of await source(offset, stop)) {
      received(chunk.length);
      yield chunk;
    }
  };
  await transaction.addLayer(blob, diffId, (offset, stop) => Promise.resolve(counted(offset, stop)), {
    signal,
    onProgress: ({ bytes, totalBytes }) => meter.update(blob.digest, bytes, totalBytes),
  });
}

/** Each blob once: images have been seen that repeat an empty layer. */
function pairs({ manifest }: RemoteImage, { rootfs }: ImageConfig): Layer[] {
  const layers = new Map<Digest, Layer>();
  for (const [index, blob] of manifest.layers.entries()) {
    const diffId = rootfs.diff_ids[index];
    if (diffId !== undefined) layers.set(blob.digest, { blob, diffId });
  }
  return [...layers.values()];
}

function requireFitting(
  config: ImageConfig,
  { manifest, descriptor }: RemoteImage,
  wantedPlatform: Platform,
): void {
  const what = `image ${descriptor.digest}`;
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    const why = `it has ${manifest.layers.length} layers, its configuration ${config.rootfs.diff_ids.length}`;
    throw new RegistryError('broken', { what, why });
  }
  if (!fitsPlatform(config, wantedPlatform)) {
    const why = `it is for ${config.os}/${config.architecture}, not for ${describePlatform(wantedPlatform)}`;
    const hint = `To have it nevertheless: --platform ${shellWord(`${config.os}/${config.architecture}`)}`;
    throw new RegistryError('missing', { what, why, hint });
  }
}
