// Adds the post-quantum key exchange mlkem768x25519-sha256 (draft-ietf-sshm-mlkem-hybrid-kex) to ssh2, which does not know
// it. A client that would agree on it is shown to ssh2 as one that wants curve25519-sha256 at the same place of its list; of
// the exchange that ssh2 makes then, what the two differ in is replaced: the keys, the secret, and the client's list as it
// goes into the exchange hash.

import crypto, {
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import type { KeyExchange } from 'ssh2/lib/protocol/kex.js';

export const hybridKex = 'mlkem768x25519-sha256';
const standIn = 'curve25519-sha256';

/** OpenSSL 3.5 brings ML-KEM; a Node that is linked with an older one has no such function. */
export const hybridSupported: boolean = typeof crypto.encapsulate === 'function';

/** Of an ML-KEM-768 encapsulation key, and of an X25519 key (FIPS 203, table 3; RFC 7748). */
const mlkemBytes = 1184;
const x25519Bytes = 32;

/** SubjectPublicKeyInfo in front of the raw key (RFC 9935; RFC 8410). */
const mlkemPrefix = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex');
const x25519Prefix = Buffer.from('302a300506032b656e032100', 'hex');

const publicKeyOf = (prefix: Buffer, raw: Buffer): KeyObject =>
  createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' });

/** Offset of the first name list: behind the message's number and the cookie (RFC 4253, section 7.1). */
const listAt = 17;

/** The client's KEXINIT with the stand-in for the hybrid, or undefined where it would not agree on the hybrid. */
export function withStandIn(kexInit: Buffer, offered: readonly string[]): Buffer | undefined {
  if (kexInit.length < listAt + 4) return undefined;
  const end = listAt + 4 + kexInit.readUInt32BE(listAt);
  if (end > kexInit.length) return undefined;
  const names = kexInit.toString('latin1', listAt + 4, end).split(',');
  if (names.find((name) => offered.includes(name)) !== hybridKex) return undefined;
  const list = Buffer.from(names.map((name) => (name === hybridKex ? standIn : name)).join(','), 'latin1');
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(list.length);
  return Buffer.concat([kexInit.subarray(0, listAt), length, list, kexInit.subarray(end)]);
}

/** The server's half: the answer to the client's keys, and the secret that both then share. */
export function answerHybrid(theirs: Buffer): { readonly answer: Buffer; readonly secret: Buffer } {
  if (theirs.length !== mlkemBytes + x25519Bytes) throw new Error('hybrid key of a wrong length');
  const kem = crypto.encapsulate(publicKeyOf(mlkemPrefix, theirs.subarray(0, mlkemBytes)));
  const own = generateKeyPairSync('x25519');
  const shared = diffieHellman({
    privateKey: own.privateKey,
    publicKey: publicKeyOf(x25519Prefix, theirs.subarray(mlkemBytes)),
  });
  const ownPublic = own.publicKey.export({ format: 'der', type: 'spki' }).subarray(-x25519Bytes);
  return {
    answer: Buffer.concat([kem.ciphertext, ownPublic]),
    secret: createHash('sha256').update(kem.sharedKey).update(shared).digest(),
  };
}

/** Turns the stand-in's exchange into the hybrid's; `kexInit` is what the client has really sent. */
export function becomeHybrid(exchange: KeyExchange, kexInit: Buffer): void {
  let answer: Buffer | undefined;
  exchange.hashName = 'sha256';
  exchange._remoteKexinit = kexInit;
  exchange.generateKeys = () => {};
  exchange.convertPublicKey = (key) => key;
  exchange.computeSecret = (theirs) => {
    try {
      const made = answerHybrid(theirs);
      answer = made.answer;
      return made.secret;
    } catch (error) {
      return error instanceof Error ? error : new Error('the key exchange failed');
    }
  };
  // Asked for after computeSecret().
  exchange.getPublicKey = () => answer ?? Buffer.alloc(0);
}
