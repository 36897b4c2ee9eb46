// Tells clients all host keys, and proves those that they ask about, so that they learn new ones before old ones go (OpenSSH's PROTOCOL,
// section 2.5; UpdateHostKeys of its client).

import { message } from '../ssh/numbers.ts';
import type { Reader } from '../ssh/reader.ts';
import { Writer, withLength } from '../ssh/writer.ts';
import type { Sign } from './host-keys.ts';
import type { Transport } from './transport.ts';

const provesName = 'hostkeys-prove-00@openssh.com';
/** As many as the monitor signs for one connection. */
const mostProofs = 64;

export class Proofs {
  readonly #keys: readonly Buffer[];
  readonly #sign: Sign;
  #given = 0;

  /** Public keys, as the monitor has told us. */
  constructor(keys: readonly Buffer[], sign: Sign) {
    this.#keys = keys;
    this.#sign = sign;
  }

  announcement(): Buffer {
    const packet = new Writer(message.globalRequest).string('hostkeys-00@openssh.com').boolean(false);
    for (const key of this.#keys) packet.string(key);
    return packet.finish();
  }

  /** Answers a client that has asked about keys; undefined where one is none of ours, or too many were. */
  give(asked: Reader, transport: Transport, granted: Writer): Writer | undefined {
    while (asked.left > 0) {
      const key = asked.string();
      const index = this.#keys.findIndex((own) => own.equals(key));
      this.#given += 1;
      if (index < 0 || this.#given > mostProofs) return undefined;
      const data = Buffer.concat([provesName, transport.sessionId, key].map(withLength));
      granted.string(this.#sign(index, algorithmOf(key, transport.hostKeyAlgorithm), data));
    }
    return granted;
  }
}

/** By what a key of this type signs; `negotiated`: in the key exchange, which clients hold an RSA key to. */
function algorithmOf(key: Buffer, negotiated: string): string {
  const type = key.toString('latin1', 4, 4 + key.readUInt32BE(0));
  if (type !== 'ssh-rsa') return type;
  return negotiated.startsWith('rsa-') ? negotiated : 'rsa-sha2-512';
}
