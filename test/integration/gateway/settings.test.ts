// Has the real daemon tell the real listener what [gateway] says, and says something else.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../fixtures/free-port.ts';
import { Host } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { buildFolder, gatewayBundle, nodeProgram } from '../../fixtures/paths.ts';
import { Running } from '../../fixtures/process.ts';

describe.skipIf(control)('the settings of the gateway', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let listener: Running;

  const policy = (text: string): Promise<void> =>
    host.setPolicy(`[defaults]\nimage = host\n[gateway]\nspare_processes = 0\n${text}`);

  /** Whether somebody answers there. */
  const answers = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const client = connect(port, '127.0.0.1');
      client.on('error', () => resolve(false));
      client.on('close', () => resolve(false));
      client.on('data', () => {
        resolve(true);
        client.destroy();
      });
    });

  beforeAll(async () => {
    host = parts.use(await Host.start());
    const folder = join(host.runFolder, 'host-keys');
    await mkdir(folder, { mode: 0o700 });
    parts.defer(() => rm(folder, { recursive: true, force: true }));
    listener = parts.use(
      new Running(
        join(buildFolder, 'dockersh-gateway'),
        [
          ...['--run', host.runFolder, '--libexec', buildFolder, '--host-keys', folder],
          ...['--node', nodeProgram, '--script', gatewayBundle],
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      ),
    );
  });

  afterAll(async () => {
    listener.kill('SIGTERM');
    await listener.finished();
    await parts.disposeAsync();
  });

  it('come from the policy, and follow it', async () => {
    const [first, second] = [await freePort(), await freePort()];
    await policy(`listen = 127.0.0.1:${first}`);
    await expect.poll(() => answers(first), { timeout: 15_000 }).toBe(true);
    await policy(`listen = 127.0.0.1:${second}`);
    await expect.poll(() => answers(second), { timeout: 15_000 }).toBe(true);
    expect(await answers(first)).toBe(false);
    // What is wrong changes nothing.
    await policy(`listen = 127.0.0.1:${first}\nmethods = telepathy`);
    expect(await answers(second)).toBe(true);
    await writeFile(join(host.runFolder, 'gateway.settings'), 'nonsense');
    expect(await answers(second)).toBe(true);
    await policy('listen = none');
    await expect.poll(() => answers(second), { timeout: 15_000 }).toBe(false);
  });
});
