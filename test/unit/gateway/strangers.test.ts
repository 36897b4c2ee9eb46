// Tries what a client may not do: each ends the connection it came by, and nothing else; no request of an unauthenticated one
// but those for authentication gets as far as the monitor.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Writer } from '../../../src/gateway/ssh/writer.ts';
import { ed25519Key } from '../../fixtures/gateway/host-keys.ts';
import { MonitorDouble } from '../../fixtures/gateway/monitor-double.ts';
import { connectTo, openDoor } from '../../fixtures/gateway/open-door.ts';

let double: MonitorDouble;

beforeEach(async () => {
  double = await openDoor();
});

afterEach(async () => {
  await double[Symbol.asyncDispose]();
});

async function closed(socket: Socket): Promise<void> {
  socket.resume();
  socket.on('error', () => {});
  if (!socket.closed) await once(socket, 'close');
}

interface Inner {
  readonly _sock: Socket;
  readonly _protocol: {
    readonly _packetRW: {
      readonly write: { allocStart: number; alloc(n: number): Buffer; finalize(p: Buffer): Buffer };
    };
    readonly _cipher: { encrypt(packet: Buffer): void };
    readonly _decipher: { _onPayload: (payload: Buffer) => unknown };
  };
}

/** Sends a packet that ssh2's client would not. */
function sendRaw(client: unknown, ...payloads: readonly Buffer[]): Socket {
  const { _protocol: protocol, _sock: socket } = client as Inner;
  for (const payload of payloads) {
    const { write } = protocol._packetRW;
    const at = write.allocStart;
    const packet = write.alloc(payload.length);
    packet.set(payload, at);
    protocol._cipher.encrypt(write.finalize(packet));
  }
  return socket;
}

const session = (): Buffer => new Writer(90).string('session').u32(0).u32(1000).u32(1000).finish();

describe('a question whether we are there', () => {
  it('is answered with what it says', async () => {
    const client = await connectTo(double);
    const { _decipher: decipher } = (client as unknown as Inner)._protocol;
    const own = decipher._onPayload;
    const heard = new Promise<Buffer>((resolve) => {
      decipher._onPayload = (payload) => {
        if (payload[0] !== 193) return own(payload);
        resolve(Buffer.from(payload));
        return undefined;
      };
    });
    sendRaw(client, new Writer(192).string('some words').finish());
    expect((await heard).equals(new Writer(193).string('some words').finish())).toBe(true);
    client.end();
  });
});

describe('before keys', () => {
  it.each([
    ['no version', Buffer.from('GET / HTTP/1.0\r\n\r\n')],
    ['a version that never ends', Buffer.alloc(100_000, 'S')],
    ['a packet of no length', Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(64)])],
    ['a packet without end', Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(64, 0xff)])],
  ])('takes %s for the end', async (_what, bytes) => {
    const socket = connect(double.port, '127.0.0.1');
    socket.write(bytes);
    await closed(socket);
    expect(double.asked).toEqual([]);
  });
});

describe('before authentication', () => {
  it.each([
    ['a channel', session()],
    ['a forward', new Writer(80).string('tcpip-forward').boolean(true).string('').u32(0).finish()],
    ['an answer to no prompt', new Writer(61).u32(0).finish()],
    ['a success of its own', new Writer(52).finish()],
    ['new keys', new Writer(21).finish()],
  ])('takes %s for the end', async (_what, payload) => {
    const refusing = await MonitorDouble.start({ keys: [ed25519Key()], decide: () => ({ code: 2 }) });
    const client = new ssh2.Client();
    client.on('error', () => {});
    client.connect({ host: '127.0.0.1', port: refusing.port, username: 'ada', tryKeyboard: false });
    await once(client, 'handshake');
    await closed(sendRaw(client, payload));
    expect(refusing.asked.filter(({ type }) => type !== 'gwAuth')).toEqual([]);
    await refusing[Symbol.asyncDispose]();
  });
});

describe('after authentication', () => {
  it.each([
    ['data for no channel', [new Writer(94).u32(77).string('x').finish()]],
    [
      'more data than there is room for',
      [
        session(),
        ...Array.from({ length: 70 }, () => new Writer(94).u32(0).string(Buffer.alloc(32_000)).finish()),
      ],
    ],
    ['a window beyond all bounds', [session(), new Writer(93).u32(0).u32(0xffffffff).finish()]],
    ['an answer to no question', [new Writer(91).u32(5).u32(0).u32(0).u32(0).finish()]],
    [
      'a request that is cut',
      [session(), new Writer(98).u32(0).string('exec').boolean(true).u32(99).finish()],
    ],
  ])('takes %s for the end', async (_what, payloads) => {
    const client = await connectTo(double);
    client.on('error', () => {});
    await closed(sendRaw(client, ...payloads));
  });

  it('costs others nothing', async () => {
    const [hostile, other] = [await connectTo(double), await connectTo(double)];
    hostile.on('error', () => {});
    await closed(sendRaw(hostile, new Writer(94).u32(77).string('x').finish()));
    const channel = await new Promise((resolve, reject) => {
      other.exec('true', (error, opened) => (error ? reject(error) : resolve(opened)));
    });
    expect(channel).toBeDefined();
    other.end();
  });

  it('counts packets that nobody knows as nothing', async () => {
    const client = await connectTo(double);
    sendRaw(client, Buffer.of(150, 1, 2, 3), new Writer(2).string('ignored').finish());
    await new Promise((resolve, reject) => {
      client.exec('true', (error, opened) => (error ? reject(error) : resolve(opened)));
    });
    client.end();
  });
});
