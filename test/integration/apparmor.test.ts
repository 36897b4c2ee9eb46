// The AppArmor profiles that the package brings are some, as far as the parser here can tell: rules about user
// namespaces are of version 4. What they do is tried in a kernel that has AppArmor (test/vm/kernel/apparmor.ts).

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkout } from '../fixtures/paths.ts';
import { run, runOk } from '../fixtures/process.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function parse(text: string): Promise<{ code: number | null; said: string }> {
  const file = join(folder, 'profile');
  await writeFile(file, text);
  const { code, stdout, stderr } = await run('apparmor_parser', [
    ...['--skip-kernel-load', '--skip-cache', '--names', file],
  ]);
  return { code, said: `${stdout.toString()}${stderr.toString()}` };
}

describe('the AppArmor profile for nesting', () => {
  it('is read by the parser, and names the supervisor where the package puts it', async () => {
    const profile = await readFile(join(checkout, 'packaging/apparmor/dockersh'), 'utf8');
    const version = /version (\d+)/.exec(await runOk('apparmor_parser', ['--version']))?.[1];
    const knowsNamespaces = Number(version) >= 4;
    const ofVersion4 = /^abi <abi\/4\.0>,$|^ {2}userns,$/gm;
    expect(profile.match(ofVersion4)).toHaveLength(2);
    const readable = knowsNamespaces ? profile : profile.replaceAll(ofVersion4, '');
    expect(await parse(readable)).toMatchObject({ code: 0, said: expect.stringMatching(/^dockersh$/m) });
    expect(profile).toContain('profile dockersh /usr/lib/dockersh/dockersh-supervisor flags=(unconfined) {');
    expect((await parse(`${readable}\nprofile x {`)).code).not.toBe(0);
  });
});

describe('the AppArmor profiles of what reads archives and layers', () => {
  it('are read by the parser, one for each job that enters one', async () => {
    const { code, said } = await parse(
      await readFile(join(checkout, 'packaging/apparmor/dockersh-layer'), 'utf8'),
    );
    expect(code, said).toBe(0);
    const jobs = [
      ...(await readFile(join(checkout, 'native/layer/main.c'), 'utf8')).matchAll(/wall_around\("(\w+)"/g),
      ...(await readFile(join(checkout, 'native/layer/unpack/job.c'), 'utf8')).matchAll(
        /profile_enter\(&\w+, "dockersh-layer-(\w+)"\)/g,
      ),
    ].map(([, job]) => `dockersh-layer-${job}`);
    const names = said.split('\n').filter((line) => line.startsWith('dockersh-layer-'));
    expect(said).toMatch(/^dockersh-relay$/m);
    expect(names.sort()).toEqual(jobs.sort());
    expect(jobs).toHaveLength(4);
  });
});
