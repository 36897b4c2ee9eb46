// Tries the hybrid key exchange against a client's half made of node:crypto alone, and the client's list that ssh2 is shown.

import {
  createHash,
  createPublicKey,
  decapsulate,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  answerHybrid,
  hybridKex,
  hybridSupported,
  withStandIn,
} from '../../../src/gateway/transport/hybrid-kex.ts';

const raw = (key: KeyObject, bytes: number): Buffer =>
  key.export({ format: 'der', type: 'spki' }).subarray(-bytes);

describe.runIf(hybridSupported)('mlkem768x25519-sha256', () => {
  it('gives client and server the same secret', () => {
    const kem = generateKeyPairSync('ml-kem-768');
    const own = generateKeyPairSync('x25519');
    const sent = Buffer.concat([raw(kem.publicKey, 1184), raw(own.publicKey, 32)]);
    const { answer, secret } = answerHybrid(sent);
    expect(answer).toHaveLength(1088 + 32);
    const theirs = createPublicKey({
      key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), answer.subarray(1088)]),
      format: 'der',
      type: 'spki',
    });
    const shared = createHash('sha256')
      .update(decapsulate(kem.privateKey, answer.subarray(0, 1088)))
      .update(diffieHellman({ privateKey: own.privateKey, publicKey: theirs }))
      .digest();
    expect(secret.equals(shared)).toBe(true);
  });

  it('takes no key of another length, and none that gives a secret of zeros', () => {
    const kem = raw(generateKeyPairSync('ml-kem-768').publicKey, 1184);
    expect(() => answerHybrid(kem)).toThrow();
    expect(() => answerHybrid(Buffer.concat([kem, Buffer.alloc(31)]))).toThrow();
    expect(() => answerHybrid(Buffer.concat([kem, Buffer.alloc(32)]))).toThrow();
  });
});

describe("a client's list", () => {
  const kexInit = (names: string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(names.length);
    return Buffer.concat([Buffer.alloc(17, 20), length, Buffer.from(names), Buffer.from('the rest')]);
  };
  const offered = [hybridKex, 'curve25519-sha256'];

  it('gets the stand-in where the hybrid would be agreed on', () => {
    expect(withStandIn(kexInit(`sntrup,${hybridKex},curve25519-sha256,ext-info-c`), offered)).toEqual(
      kexInit('sntrup,curve25519-sha256,curve25519-sha256,ext-info-c'),
    );
  });

  it('is left alone else', () => {
    expect(withStandIn(kexInit(`curve25519-sha256,${hybridKex}`), offered)).toBeUndefined();
    expect(withStandIn(kexInit('none'), offered)).toBeUndefined();
    expect(withStandIn(kexInit(hybridKex), ['curve25519-sha256'])).toBeUndefined();
    expect(withStandIn(kexInit(hybridKex).subarray(0, 25), offered)).toBeUndefined();
    expect(withStandIn(Buffer.alloc(3), offered)).toBeUndefined();
  });
});
