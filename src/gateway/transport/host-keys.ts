// Makes host keys for ssh2 of the public ones that the monitor has told us: whatever is to be signed is asked of the monitor,
// over a socket of its own, while the key exchange waits.

import type { HostKey } from 'ssh2/lib/protocol/kex.js';
import { Reader } from '../ssh/reader.ts';

/** Has the monitor sign a hash with the key at this place of its list; the signature as ssh sends it, algorithm in front. */
export type Sign = (index: number, algorithm: string, hash: Buffer) => Buffer;

const algorithmsOf = (type: string): readonly string[] => {
  if (type === 'ssh-rsa') return ['rsa-sha2-512', 'rsa-sha2-256'];
  const known = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'];
  return known.includes(type) ? [type] : [];
};

function signatureOf(signed: Buffer, algorithm: string): Buffer {
  const reader = new Reader(signed);
  if (reader.name() !== algorithm) throw new Error('the signature is of another algorithm');
  return reader.string();
}

/** By algorithm, in the order of the monitor's list; of two keys for one algorithm the first. */
export function hostKeysOf(publicKeys: readonly Buffer[], sign: Sign): Readonly<Record<string, HostKey>> {
  const keys: Record<string, HostKey> = {};
  for (const [index, blob] of publicKeys.entries()) {
    for (const algorithm of algorithmsOf(new Reader(blob).name())) {
      keys[algorithm] ??= {
        // Of no type that ssh2 would convert a signature of: it is in ssh's form.
        type: 'monitor',
        getPublicSSH: () => blob,
        sign: (hash) => {
          try {
            return signatureOf(sign(index, algorithm, hash), algorithm);
          } catch (error) {
            return error instanceof Error ? error : new Error('no signature');
          }
        },
      };
    }
  }
  return keys;
}
