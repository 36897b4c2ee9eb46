// Names the algorithms that the gateway offers, most wanted first; docs/gateway.md says the same of each. Nothing that rests on
// SHA-1, on finite fields below 3,072 bits or on CBC.

import type { Offer } from 'ssh2/lib/protocol/kex.js';
import { hybridKex, hybridSupported } from './hybrid-kex.ts';

const kex: readonly string[] = [
  ...(hybridSupported ? [hybridKex] : []),
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group18-sha512',
];

const ciphers: readonly string[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
];

/**
 * Only for the ciphers in counter mode; the others are authenticated by themselves. The last two, which are of the plain text, are
 * for libssh2 before 1.11 (Debian 12's curl), which has nothing better.
 */
const macs: readonly string[] = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
];

/** Signatures of users' keys that the monitor takes, as clients are told (RFC 8308, section 3.1). */
export const userSignatures: readonly string[] = [
  'ssh-ed25519',
  'sk-ssh-ed25519@openssh.com',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ecdsa-sha2-nistp256@openssh.com',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** Marks strict key exchange, which closes the hole that CVE-2023-48795 ("Terrapin") is about. */
const strict = 'kex-strict-s-v00@openssh.com';

export function offerOf(hostKeyAlgorithms: readonly string[]): Offer {
  const directed = { cipher: ciphers, mac: macs, compress: ['none'], lang: [] };
  return { kex: [...kex, strict], serverHostKey: hostKeyAlgorithms, cs: directed, sc: directed };
}
