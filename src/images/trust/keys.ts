// Reads public keys: PEM files in a folder that only root can change.

import { createPublicKey, type KeyObject } from 'node:crypto';
import path from 'node:path';
import { readTrustedFile } from '../../lib/trusted-path.ts';
import type { LoadedKey } from './rules.ts';

const mostKeyBytes = 16 * 1024;

/** By name. Read anew each time, so that a key that was replaced counts at once; one that can't be used says why. */
export async function loadKeys(
  folder: string,
  names: Iterable<string>,
): Promise<ReadonlyMap<string, LoadedKey>> {
  const keys = new Map<string, LoadedKey>();
  for (const name of new Set(names)) keys.set(name, await loadKey(path.join(folder, name)));
  return keys;
}

async function loadKey(file: string): Promise<LoadedKey> {
  const read = await readTrustedFile(file, mostKeyBytes);
  if (!read.ok) return { problem: `the key ${read.path} ${read.reason}` };
  const key = publicKey(read.text);
  if (key?.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1')
    return { key };
  return { problem: `the key ${file} is no public key for ECDSA with P-256, in PEM` };
}

function publicKey(text: string): KeyObject | undefined {
  try {
    return createPublicKey(text);
  } catch {
    return undefined; // damaged
  }
}
