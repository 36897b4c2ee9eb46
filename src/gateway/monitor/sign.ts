// Asks the monitor for a signature and waits for it, on a socket that is for nothing else: ssh2 has no other way in a key
// exchange. Host keys are never in this process.

import { readSync, writeSync } from 'node:fs';
import { fieldOf, parseWire, WireWriter } from '../../lib/wire.ts';
import type { Sign } from '../transport/host-keys.ts';

/** Of an RSA key of 16,384 bits, with room for the message around it. */
const mostSignature = 8192;

export function signer(fd: number): Sign {
  return (index, algorithm, hash) => {
    writeSync(
      fd,
      new WireWriter('gwSign').u32('slot', index).text('name', algorithm).bytes('gwData', hash).finish(),
    );
    const received = Buffer.allocUnsafe(mostSignature);
    const length = readSync(fd, received);
    const message = parseWire(received.subarray(0, length));
    const signature = message?.type === 'gwSigned' ? fieldOf(message, 'gwData') : undefined;
    if (signature === undefined) throw new Error('the monitor gives no signature');
    return signature;
  };
}
