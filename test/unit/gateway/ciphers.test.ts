// Holds our ciphers to Node's and to ssh2's own: what one encrypts the other decrypts, in any direction, and nothing that was changed is taken.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import crypto from 'ssh2/lib/protocol/crypto.js';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  AESGCMCipher,
  AESGCMDecipher,
  ChaChaPolyCipher,
  ChaChaPolyDecipher,
} from '../../../src/gateway/transport/ciphers.ts';
import { loadAddon } from '../../../src/isolation/addon.ts';
import { buildFolder } from '../../fixtures/paths.ts';

const sizes = [8, 16, 1024, 32_768, 131_072];

/** A packet as it is before it is encrypted: length, body, room for a tag. */
function packetOf(size: number): Buffer {
  const packet = Buffer.alloc(4 + size + 16);
  packet.writeUInt32BE(size, 0);
  randomBytes(size).copy(packet, 4);
  packet[4] = 4; // padding
  return packet;
}

const bodyOf = (packet: Buffer): Buffer => packet.subarray(4, -16);

beforeAll(async () => {
  loadAddon(join(buildFolder, 'addon.node'));
  await crypto.init;
});

describe.each([16, 32])('AES in Galois/Counter Mode with a key of %i bytes', (keyBytes) => {
  const name = keyBytes === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
  const key = randomBytes(keyBytes);

  it('encrypts and decrypts as Node does, with a counter that goes on for each packet', () => {
    // The counter's last byte comes round.
    const iv = Buffer.concat([randomBytes(4), Buffer.from('00000000000000fe', 'hex')]);
    const cipher = new AESGCMCipher(name, key, iv);
    const decipher = new AESGCMDecipher(name, key, iv);
    for (const [index, size] of sizes.entries()) {
      const packet = packetOf(size);
      const body = Buffer.from(bodyOf(packet));
      cipher.encrypt(packet);
      const nth = Buffer.from(iv);
      nth.writeBigUInt64BE(nth.readBigUInt64BE(4) + BigInt(index), 4);
      const other = createCipheriv(name, key, nth);
      other.setAAD(packet.subarray(0, 4));
      const sealed = Buffer.concat([other.update(body), other.final(), other.getAuthTag()]);
      expect(packet.subarray(4).equals(sealed)).toBe(true);
      decipher.decrypt(bodyOf(packet), size, packet.subarray(-16));
      expect(bodyOf(packet).equals(body)).toBe(true);
    }
  });

  it.each([0, 3, 4, 20, -1])('takes nothing whose byte %i was changed', (at) => {
    const iv = randomBytes(12);
    const packet = packetOf(64);
    new AESGCMCipher(name, key, iv).encrypt(packet);
    const place = at < 0 ? packet.length + at : at;
    packet[place] = (packet[place] ?? 0) ^ 1;
    const decipher = new AESGCMDecipher(name, key, iv);
    const length = packet.readUInt32BE(0);
    expect(() => decipher.decrypt(bodyOf(packet), length, packet.subarray(-16))).toThrow('Invalid MAC');
  });
});

describe('chacha20-poly1305', () => {
  const key = randomBytes(64);

  it('encrypts as ssh2 does by itself, and decrypts that', () => {
    for (const [index, size] of sizes.entries()) {
      const number = index === 0 ? 0xffffffff : index;
      const packet = packetOf(size);
      const plain = Buffer.from(packet.subarray(0, -16));
      const parts: Buffer[] = [];
      const theirs = crypto.createCipher({
        outbound: {
          cipherInfo: crypto.CIPHER_INFO['chacha20-poly1305@openssh.com'],
          cipherKey: key,
          seqno: number,
          onWrite: (bytes) => parts.push(Buffer.from(bytes)),
        },
      });
      theirs.encrypt(Buffer.from(plain));
      new ChaChaPolyCipher(key).encrypt(packet, number);
      expect(packet.equals(Buffer.concat(parts))).toBe(true);
      const decipher = new ChaChaPolyDecipher(key);
      expect(decipher.decryptLen(packet.subarray(0, 4), number)).toBe(size);
      decipher.decrypt(bodyOf(packet), packet.subarray(-16), number);
      expect(bodyOf(packet).equals(plain.subarray(4))).toBe(true);
    }
  });

  it.each([4, 20, -1])('takes nothing whose byte %i was changed, nor as another packet', (at) => {
    const packet = packetOf(64);
    new ChaChaPolyCipher(key).encrypt(packet, 7);
    const changed = Buffer.from(packet);
    const place = at < 0 ? packet.length + at : at;
    changed[place] = (changed[place] ?? 0) ^ 1;
    const open = (bytes: Buffer, number: number): void => {
      const decipher = new ChaChaPolyDecipher(key);
      decipher.decryptLen(bytes.subarray(0, 4), number);
      decipher.decrypt(bodyOf(bytes), bytes.subarray(-16), number);
    };
    expect(() => open(changed, 7)).toThrow('Invalid MAC');
    expect(() => open(Buffer.from(packet), 8)).toThrow('Invalid MAC');
    expect(() => open(packet, 7)).not.toThrow();
  });

  it('keeps the length from whoever has not the key', () => {
    const packet = packetOf(64);
    new ChaChaPolyCipher(key).encrypt(packet, 1);
    expect(packet.readUInt32BE(0)).not.toBe(64);
    const stream = createDecipheriv(
      'chacha20',
      key.subarray(32),
      Buffer.from('00000000000000000000000000000001', 'hex'),
    );
    expect(stream.update(packet.subarray(0, 4)).readUInt32BE(0)).toBe(64);
  });
});
