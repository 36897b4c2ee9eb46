// containers' registries.conf: files of any content, and which of its rules is for a name.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  placesOf,
  type Registries,
  type RegistryRule,
  readRegistries,
  ruleFor,
} from '../../../src/images/registry/conf/registries.ts';
import { wholeName } from '../../../src/images/registry/conf/short-names.ts';
import { parseRemoteName } from '../../../src/images/registry/remote-name.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'dockersh-test-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const trustedUids = [process.getuid?.() ?? 0, 0];
const read = async (text: string): Promise<Registries> => {
  const registriesFile = path.join(folder, 'registries.conf');
  writeFileSync(registriesFile, text);
  return await readRegistries({ registriesFile, trustedUids });
};

describe('a file', () => {
  it.each([
    ['a = 1\na = 2', 'line 2: '],
    ['[[registry]]\nlocation = "x', 'line 2: '],
    ['\n[a', 'line 2: '],
    ['a = [1 2]', 'line 1: '],
    ['[[registry]]\nlocation = 1', 'registry.0.location: '],
    ['[registries.block]\nregistries = ["docker.io"]', 'version 1'],
    [`a = ${'['.repeat(50_000)}`, 'line 1: '],
  ])('%#: that is not understood is refused, and where', async (text, where) => {
    const why = expect.stringMatching(new RegExp(`^[^\\n]*${where}[^\\n]*$`)) as string;
    await expect(read(text)).rejects.toMatchObject({ code: 'E_USAGE', message: why });
  });

  it('changes no prototype', async () => {
    await read('[__proto__]\na = 1\n[constructor.prototype]\nb = 1').catch(() => {});
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as { a?: unknown }).a).toBeUndefined();
  });

  it('as distributions ship it is understood', async () => {
    const registriesFile = '/etc/containers/registries.conf';
    const shipped = existsSync(registriesFile)
      ? await readRegistries({ registriesFile, trustedUids })
      : await read(
          'unqualified-search-registries = ["docker.io"]\n[aliases]\n  "debian" = "docker.io/library/debian"\n',
        );
    expect(shipped.rules).toEqual([]);
    expect(wholeName('debian:trixie', shipped.shortNames, 'docker.io')).toBe('debian:trixie');
  });
});

describe('a short name', () => {
  const text = [
    'unqualified-search-registries = ["registry.lab:5000"]',
    '[aliases]',
    '"fedora" = "registry.example/fedora"',
    '"debian" = "docker.io/library/debian"',
    '"lab/tool" = "quay.example/lab/tool"',
  ].join('\n');
  const meaning = async (name: string, file = text): Promise<string> =>
    wholeName(name, (await read(file)).shortNames, 'docker.io');

  it.each([
    ['fedora', 'registry.example/fedora'],
    ['fedora:41', 'registry.example/fedora:41'],
    [`fedora@sha256:${'0'.repeat(64)}`, `registry.example/fedora@sha256:${'0'.repeat(64)}`],
    ['lab/tool:2', 'quay.example/lab/tool:2'],
    ['debian:trixie', 'debian:trixie'],
    ['base:1', 'registry.lab:5000/base:1'],
    ['lab/base', 'registry.lab:5000/lab/base'],
    ['docker.io/library/fedora', 'docker.io/library/fedora'],
    ['localhost/base', 'localhost/base'],
    ['other.example:5000/fedora', 'other.example:5000/fedora'],
  ])('%s is %s', async (name, whole) => {
    expect(await meaning(name)).toBe(whole);
  });

  it('is what it was where the file says nothing of short names, or takes an alias away', async () => {
    expect(await meaning('base:1', '')).toBe('base:1');
    expect(await meaning('fedora', '[aliases]\n"fedora" = ""')).toBe('fedora');
    expect(await meaning('base', 'unqualified-search-registries = ["docker.io"]')).toBe('base');
  });

  it('that may mean several images means none', async () => {
    const two = 'unqualified-search-registries = ["a.example", "b.example"]';
    const message = expect.stringMatching(/several .*: a\.example\/base:1, b\.example\/base:1/) as string;
    await expect(meaning('base:1', two)).rejects.toMatchObject({ code: 'E_USAGE', message });
    expect(await meaning('c.example/base:1', two)).toBe('c.example/base:1');
  });
});

describe('the rule for a name', () => {
  const rule = (more: object): RegistryRule =>
    ({
      insecure: false,
      blocked: false,
      'mirror-by-digest-only': false,
      mirror: [],
      file: 'f',
      ...more,
    }) as never;
  const shown = (found: RegistryRule, name: string): string[] =>
    placesOf(found, parseRemoteName(name)).map(
      ({ name: { registry, repository } }) => `${registry}/${repository}`,
    );

  it('is the one with the longest prefix', () => {
    const rules = [
      'docker.io',
      'docker.io/library',
      'docker.io/library/debian',
      '*.example',
      'a.example/x:2',
    ].map((prefix) => rule({ prefix }));
    const found = (name: string) => ruleFor(rules, parseRemoteName(name))?.prefix;
    expect(found('debian')).toBe('docker.io/library/debian');
    expect(found('debian-slim')).toBe('docker.io/library');
    expect(found('lab/x')).toBe('docker.io');
    expect(found('sub.example:5000/x')).toBe('*.example');
    expect(found('a.example/x:2')).toBe('a.example/x:2');
    expect(found('quay.io/x')).toBeUndefined();
    expect(found('docker.io.evil/library/debian')).toBeUndefined();
  });

  it('names the places in order', () => {
    const mirror = [
      { location: 'm1/cache', insecure: false, 'pull-from-mirror': 'all' },
      { location: 'm2', insecure: false, 'pull-from-mirror': 'digest-only' },
    ];
    const found = rule({ prefix: 'docker.io/library', location: 'hub.example/lib', mirror });
    expect(shown(found, 'debian')).toEqual(['m1/cache/debian', 'hub.example/lib/debian']);
    expect(shown(found, `debian@sha256:${'a'.repeat(64)}`)).toEqual([
      'm1/cache/debian',
      'm2/debian',
      'hub.example/lib/debian',
    ]);
    expect(shown(rule({ prefix: 'docker.io' }), 'debian')).toEqual(['docker.io/library/debian']);
    const all = rule({ prefix: '*.example', mirror: [{ ...mirror[0] }] });
    expect(shown(all, 'a.example/x/y')).toEqual(['m1/cache/x/y', 'a.example/x/y']);
  });
});
