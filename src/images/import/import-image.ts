// Imports whatever an administrator named, from its detection to its tags.

import { DockershError } from '../../lib/errors.ts';
import type { Descriptor } from '../oci.ts';
import { writableKey } from '../reference.ts';
import type { StoreContext } from '../store/context.ts';
import { readStoredImage } from '../store/stored-image.ts';
import { StoreTransaction } from '../store/transaction.ts';
import { localOrigin, type Origin } from '../trust/record.ts';
import type { Signature } from '../trust/signature.ts';
import type { Bundle } from './bundle.ts';
import type { BundleKind } from './bundle-kind.ts';
import { detect, statOrRefuse } from './detect.ts';
import { importDir } from './dir.ts';
import { importDocker, type Parts } from './docker-archive.ts';
import { importLegacy } from './docker-legacy.ts';
import type { NamedImage } from './names.ts';
import { importOci } from './oci-layout.ts';
import type { ImportOptions, ImportResult } from './options.ts';
import { describeRootfs, importFolder, importTar } from './rootfs.ts';
import { layoutSignatures } from './signatures.ts';

/** A folder or a tar of a root filesystem, whatever else it might be taken for. */
export async function importRootfs(
  context: StoreContext,
  key: string,
  path: string,
  options: ImportOptions,
): Promise<ImportResult> {
  await using transaction = new StoreTransaction(context);
  const stats = await statOrRefuse(path);
  const layer = stats.isDirectory()
    ? await importFolder(context, transaction.pins, path, options)
    : await importTar(context, transaction.pins, path, stats.size, options);
  options.signal?.throwIfAborted();
  const manifest = await describeRootfs(context, transaction.pins, layer);
  await transaction.tag(key, manifest, localOrigin);
  const { size: sizeBytes, entries: files } = layer.info;
  return { name: key, digest: manifest.digest, sizeBytes, files };
}

export async function importImage(
  context: StoreContext,
  key: string | undefined,
  path: string,
  options: ImportOptions,
): Promise<ImportResult[]> {
  const found = await detect(context, path, options);
  if (found.kind === 'rootfs') {
    if (key === undefined) {
      throw new DockershError('E_USAGE', {
        what: path,
        why: 'it is a root filesystem, which has no name of its own',
        hint: 'Say what to call it: dockershctl image import NAME PATH.',
      });
    }
    return [await importRootfs(context, key, path, options)];
  }
  await using bundle = found;
  await using transaction = new StoreTransaction(context);
  const parts = { context, transaction, pins: transaction.pins, bundle: bundle.bundle };
  const images = await importBundle(found.kind, parts, key, options);
  options.signal?.throwIfAborted();
  const results: ImportResult[] = [];
  const signatures = context.trust.isOn ? await signaturesOf(found.kind, bundle.bundle) : [];
  for (const { image, names, listed } of images) {
    const origin: Origin = {
      local: true,
      indexes: listed === undefined ? [] : [listed],
      signatures: [...signatures],
    };
    for (const name of names)
      results.push(await tagged(context, transaction, writableKey(name), image, origin));
  }
  return results;
}

/** Only a layout has a place for them. */
async function signaturesOf(kind: BundleKind, bundle: Bundle): Promise<readonly Signature[]> {
  return kind === 'oci' ? await layoutSignatures(bundle) : [];
}

function importBundle(
  kind: BundleKind,
  parts: Parts,
  key: string | undefined,
  options: ImportOptions,
): Promise<NamedImage<Descriptor>[]> {
  switch (kind) {
    case 'oci':
      return importOci(parts.transaction, parts.bundle, key, options);
    case 'docker':
      return importDocker(parts, key, options);
    case 'legacy':
      return importLegacy(parts, key, options);
    case 'dir':
      return importDir(parts.transaction, parts.bundle, key, options);
  }
}

async function tagged(
  { layout }: StoreContext,
  transaction: StoreTransaction,
  name: string,
  image: Descriptor,
  origin: Origin,
): Promise<ImportResult> {
  await transaction.tag(name, image, origin);
  const { layers } = await readStoredImage(layout, image.digest);
  return {
    name,
    digest: image.digest,
    sizeBytes: layers.reduce((sum, { size }) => sum + size, 0),
    files: layers.reduce((sum, { entries }) => sum + entries, 0),
  };
}
