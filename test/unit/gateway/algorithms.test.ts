// Tries each algorithm that the gateway offers with ssh2's client, and that it offers none of the old ones.

import type { Algorithms } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ecdsaKey, ed25519Key, rsaKey } from '../../fixtures/gateway/host-keys.ts';
import { MonitorDouble } from '../../fixtures/gateway/monitor-double.ts';
import { connectTo, execute } from '../../fixtures/gateway/open-door.ts';

let double: MonitorDouble;

beforeAll(async () => {
  double = await MonitorDouble.start({
    keys: [ed25519Key(), ecdsaKey(), rsaKey()],
    decide: () => ({ code: 0 }),
  });
});

afterAll(async () => {
  await double[Symbol.asyncDispose]();
});

async function outputWith(algorithms: Algorithms): Promise<string> {
  const client = await connectTo(double, { algorithms });
  const { outcome } = await execute(client, 'echo hello');
  const { out } = await outcome;
  client.end();
  return out.toString();
}

describe('the gateway', () => {
  it.each<Algorithms>([
    { kex: ['curve25519-sha256'], serverHostKey: ['ssh-ed25519'] },
    { kex: ['ecdh-sha2-nistp256'], serverHostKey: ['ecdsa-sha2-nistp256'] },
    { kex: ['ecdh-sha2-nistp521'], serverHostKey: ['rsa-sha2-256'] },
    { kex: ['diffie-hellman-group16-sha512'], serverHostKey: ['rsa-sha2-512'] },
    { cipher: ['aes256-gcm@openssh.com'] },
    { cipher: ['chacha20-poly1305@openssh.com'] },
    { cipher: ['aes128-ctr'], hmac: ['hmac-sha2-512-etm@openssh.com'] },
  ])('agrees on %j', async (algorithms) => {
    expect(await outputWith(algorithms)).toBe('hello\n');
  });

  it.each<Algorithms>([
    { kex: ['diffie-hellman-group14-sha1'] },
    { kex: ['diffie-hellman-group14-sha256'] },
    { kex: ['diffie-hellman-group-exchange-sha256'] },
    { serverHostKey: ['ssh-rsa'] },
    { cipher: ['aes128-cbc'] },
    { cipher: ['aes128-ctr'], hmac: ['hmac-sha1'] },
    { cipher: ['aes128-ctr'], hmac: ['hmac-sha1-etm@openssh.com'] },
  ])('does not agree on %j', async (algorithms) => {
    await expect(outputWith(algorithms)).rejects.toThrow();
  });

  it('compresses nothing, whatever a client would like', async () => {
    expect(await outputWith({ compress: ['zlib@openssh.com', 'none'] })).toBe('hello\n');
    await expect(outputWith({ compress: ['zlib@openssh.com'] })).rejects.toThrow();
  });
});
