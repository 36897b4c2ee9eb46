// Logs in at the gateway by security keys, with OpenSSH's client and a stand-in for the device.

import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attemptLogin, inThere } from '../../fixtures/gateway/attempt.ts';
import { Gateway } from '../../fixtures/gateway/gateway.ts';
import { folderPrefixOutsideTmp } from '../../fixtures/leftovers.ts';
import { control } from '../../fixtures/machine.ts';
import { checkout } from '../../fixtures/paths.ts';
import { runOk } from '../../fixtures/process.ts';
import { TestUser } from '../../fixtures/users.ts';

const failed = /Permission denied/;

describe.skipIf(control)('security keys', () => {
  const parts = new AsyncDisposableStack();
  let folder: string;
  let user: TestUser;
  let gateway: Gateway;

  const inFolder = (name: string): string => join(folder, name);

  async function makeKey(name: string, type: string, ...options: string[]): Promise<void> {
    const device = ['-w', inFolder('device.so'), ...options.flatMap((option) => ['-O', option])];
    await runOk('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', name, '-f', inFolder(name), ...device]);
  }

  /** What the client says, with a line of the account's that has these options. */
  async function attempt(key: string, lineOptions = ''): Promise<string> {
    const file = join(user.home, '.ssh/authorized_keys');
    await writeFile(file, `${lineOptions} ${await readFile(`${inFolder(key)}.pub`, 'utf8')}`, {
      mode: 0o600,
    });
    await chown(file, user.uid, user.gid);
    const asked = { SSH_ASKPASS: inFolder('askpass'), SSH_ASKPASS_REQUIRE: 'force' };
    return await attemptLogin({
      port: gateway.port,
      user: user.name,
      keys: [inFolder(key)],
      options: [`SecurityKeyProvider=${inFolder('device.so')}`],
      env: { PATH: '/usr/bin:/bin', HOME: folder, ...asked },
    });
  }

  beforeAll(async () => {
    folder = await mkdtemp(folderPrefixOutsideTmp);
    parts.defer(() => rm(folder, { recursive: true }));
    await chmod(folder, 0o755);
    const source = join(checkout, 'test/fixtures/ssh/security-key.c');
    await runOk('gcc', ['-O1', '-shared', '-fPIC', '-o', inFolder('device.so'), source, '-lcrypto']);
    await writeFile(inFolder('askpass'), '#!/bin/sh\necho 1234\n', { mode: 0o755 });
    user = parts.use(await TestUser.create({ shell: '/bin/bash' }));
    await mkdir(join(user.home, '.ssh'), { mode: 0o700 });
    await chown(join(user.home, '.ssh'), user.uid, user.gid);
    gateway = parts.use(
      await Gateway.start({
        folder: await mkdtemp(inFolder('gw-')),
        runFolder: folder,
        client: '/usr/bin/true',
        settings: ['authorized_keys_files=.ssh/authorized_keys', 'methods=publickey', 'pam_service'],
      }),
    );
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  describe.each(['ed25519-sk', 'ecdsa-sk'])('%s', (type) => {
    const [plain, untouched, verified] = [`${type}-plain`, `${type}-untouched`, `${type}-verified`];
    beforeAll(async () => {
      await makeKey(plain, type);
      await makeKey(untouched, type, 'no-touch-required');
      await makeKey(verified, type, 'verify-required');
    });

    it('lets in who has touched it', async () => {
      expect(await attempt(plain)).toMatch(inThere);
    });

    it('wants it touched, unless the line says otherwise', async () => {
      expect(await attempt(untouched)).toMatch(failed);
      expect(await attempt(untouched, 'no-touch-required')).toMatch(inThere);
    });

    it('wants its owner verified where the line says so', async () => {
      expect(await attempt(plain, 'verify-required')).toMatch(failed);
      expect(await attempt(verified, 'verify-required')).toMatch(inThere);
    });
  });
});
