// Tries what the attack called Terrapin (CVE-2023-48795) does first: to bring a packet into a key exchange that a client has
// asked to be strict. Where the client does not know strict exchanges, such a packet is allowed, and the exchange goes on.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Writer } from '../../../src/gateway/ssh/writer.ts';
import type { MonitorDouble } from '../../fixtures/gateway/monitor-double.ts';
import { openDoor } from '../../fixtures/gateway/open-door.ts';

let double: MonitorDouble;

beforeAll(async () => {
  double = await openDoor();
});

afterAll(async () => {
  await double[Symbol.asyncDispose]();
});

/** As it is before there are keys. */
function packetOf(payload: Buffer): Buffer {
  const short = 8 - ((5 + payload.length) % 8);
  const padding = short < 4 ? short + 8 : short;
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + payload.length + padding);
  head.writeUInt8(padding, 4);
  return Buffer.concat([head, payload, randomBytes(padding)]);
}

function kexInit(kex: string): Buffer {
  const packet = new Writer(20);
  for (const byte of randomBytes(16)) packet.byte(byte);
  for (const list of [kex, 'ssh-ed25519', ...Array<string>(2).fill('aes128-gcm@openssh.com')])
    packet.string(list);
  for (const list of ['', '', 'none', 'none', '', '']) packet.string(list);
  return packet.boolean(false).u32(0).finish();
}

const ignored = new Writer(2).string('nothing').finish();

function exchangeInit(): Buffer {
  const { publicKey } = generateKeyPairSync('x25519');
  return new Writer(30).string(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)).finish();
}

/** Types of the packets that come back, until the connection ends or keys are about to count. */
async function answersTo(payloads: readonly Buffer[]): Promise<number[]> {
  const socket = connect(double.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(Buffer.concat([Buffer.from('SSH-2.0-test\r\n'), ...payloads.map(packetOf)]));
  const types: number[] = [];
  let bytes = Buffer.alloc(0);
  let started = false;
  socket.on('data', (more: Buffer) => {
    bytes = Buffer.concat([bytes, more]);
    if (!started && bytes.includes('\n')) {
      bytes = bytes.subarray(bytes.indexOf('\n') + 1);
      started = true;
    }
    while (started && bytes.length >= 6 && bytes.length >= 4 + bytes.readUInt32BE()) {
      types.push(bytes[5] ?? 0);
      bytes = bytes.subarray(4 + bytes.readUInt32BE());
    }
    if (types.includes(21)) socket.end();
  });
  await once(socket, 'close');
  return types;
}

describe('a key exchange', () => {
  const strict = 'curve25519-sha256,kex-strict-c-v00@openssh.com';

  it('that is strict begins with the first packet, or not at all', async () => {
    expect(await answersTo([kexInit(strict), exchangeInit()])).toEqual([20, 31, 21]);
    expect(await answersTo([ignored, kexInit(strict), exchangeInit()])).toEqual([20, 1]);
  });

  it('that is strict has nothing in its midst', async () => {
    expect(await answersTo([kexInit(strict), ignored, exchangeInit()])).toEqual([20, 1]);
  });

  it('of a client that knows no strict one goes on', async () => {
    const types = await answersTo([ignored, kexInit('curve25519-sha256'), ignored, exchangeInit()]);
    expect(types).toEqual([20, 31, 21]);
  });
});
