// Programs that people run, from a private network: git and apt over HTTP, by IPv4 and IPv6.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { addresses, Internet } from '../../fixtures/network/internet.ts';
import { describeFinished, runOk } from '../../fixtures/process.ts';

const port = 8080;
const servers = { v4: `http://${addresses.far.v4}:${port}`, v6: `http://[${addresses.far.v6}]:${port}` };

const repositories = `set -e
git init -q --bare -b main git
git clone -q git work 2>/dev/null
cd work
git -c user.name=a -c user.email=a@b.c commit -q --allow-empty -m first
git push -q origin HEAD:main
cd ../git && git update-server-info && cd ..
dpkg-deb --build package apt/package_1_all.deb >/dev/null
cd apt && dpkg-scanpackages -m . >Packages 2>/dev/null
printf 'Date: %s\\nSHA256:\\n %s %s Packages\\n' "$(date -uR)" "$(sha256sum <Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" >Release`;

const control1 = `Package: dsh-package
Version: 1
Architecture: all
Maintainer: nobody <a@b.c>
Description: something to fetch
`;

/** Fetches the package with settings and folders of the user's own. */
const apt = (server: string) => `set -e
mkdir -p apt/lists/partial apt/cache/archives/partial
echo 'deb [trusted=yes] ${server}/apt ./' >apt/sources.list
touch apt/status
set -- -o Dir::Etc::SourceList="$PWD/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \\
    -o Dir::State::Lists="$PWD/apt/lists" -o Dir::State::Status="$PWD/apt/status" -o Dir::Cache="$PWD/apt/cache"
apt-get "$@" -q update
apt-get "$@" -q download dsh-package
dpkg-deb -f dsh-package_1_all.deb Version
rm -r apt dsh-package_1_all.deb`;

describe.skipIf(control || lacks('git', 'dpkg-scanpackages', 'curl'))('from a private network', () => {
  const stack = new AsyncDisposableStack();
  let login: Login;
  const inside = async (command: string): Promise<string> => {
    const result = await login.ssh(command);
    expect(result.code, describeFinished(result)).toBe(0);
    return result.stdout.toString();
  };

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dockersh-test-programs-'));
    stack.defer(async () => await rm(folder, { recursive: true, force: true }));
    await mkdir(join(folder, 'package/DEBIAN'), { recursive: true });
    await mkdir(join(folder, 'apt'));
    await writeFile(join(folder, 'package/DEBIAN/control'), control1);
    await runOk('bash', ['-c', repositories], { cwd: folder });
    const internet = stack.use(await Internet.create());
    const args = ['-u', '-m', 'http.server', String(port), '--bind', '::', '--directory', folder];
    const server = stack.use(internet.internet.start('python3', args));
    await server.waitForOutput('Serving');
    const world = stack.use(
      await internet.world({ policy: { defaults: { image: 'host', network: 'private' } } }),
    );
    login = world.login('shell');
  });
  afterAll(async () => {
    await stack.disposeAsync();
  });

  describe.each(Object.entries(servers))('by IP%s', (version, server) => {
    it('git clones and fetches', async () => {
      const clone = `${version}-clone`;
      expect(await inside(`git clone -q ${server}/git ${clone} && git -C ${clone} log --format=%s`)).toBe(
        'first\n',
      );
      await inside(`git -C ${clone} fetch -q`);
    });

    it('apt fetches a package', async () => {
      expect(await inside(apt(server))).toMatch(/\n1\n$/);
    });

    it('curl is refused by a port where nobody is, at once', async () => {
      const { stderr } = await login.ssh(`curl -sS --max-time 20 ${server.replace(/\d+$/, '9')}`);
      expect(stderr.toString()).toMatch(/refused|Couldn't connect/);
    });
  });
});
