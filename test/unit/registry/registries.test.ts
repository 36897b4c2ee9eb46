// containers' registries.conf: its syntax, and which of its rules is for a name.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placesOf, type RegistryRule, ruleFor } from '../../../src/images/registry/conf/registries.ts';
import { parseToml, TomlError } from '../../../src/images/registry/conf/toml.ts';
import { parseRemoteName } from '../../../src/images/registry/remote-name.ts';

describe('TOML', () => {
  it('is read as far as the file is written in it', () => {
    const text = `# comment
      key = "a \\"quoted\\" \\u00e9" # another
      list = [ 'literal\\n', # within
        "two", ]
      [short.'quoted.name']
      a.b = true
      [[registry]]
      location = "one"
      [[registry.mirror]]
      location = "inner"
      [[registry]]
      size = -12`;
    expect(JSON.parse(JSON.stringify(parseToml(text)))).toEqual({
      key: 'a "quoted" é',
      list: ['literal\\n', 'two'],
      short: { 'quoted.name': { a: { b: true } } },
      registry: [{ location: 'one', mirror: [{ location: 'inner' }] }, { size: -12 }],
    });
  });

  it.each([
    ['a = 1\na = 2', 2, 'twice'],
    ['a = 1.5', 1, 'value'],
    ['a = { b = 1 }', 1, 'value'],
    ['a = """x"""', 1, 'several lines'],
    ['a = "x', 1, 'value'],
    ['\n[a', 2, 'bracket'],
    ['a = 1 b = 2', 1, 'end of the line'],
    ['a = [1 2]', 1, '"," or "]"'],
    ['a = 1\n[a]', 2, 'no table'],
    ['a = 1\n[[a]]', 2, 'no list'],
    ['= 1', 1, 'key'],
    [`a = ${'['.repeat(50)}`, 1, 'value'],
  ])('%j is refused with its line', (text, line, problem) => {
    const failed = expect(() => parseToml(text));
    failed.toThrow(TomlError);
    failed.toThrow(expect.objectContaining({ line, message: expect.stringContaining(problem) }));
  });

  it('that is anything comes to an end, and changes no prototype', () => {
    const pieces = fc.array(
      fc.constantFrom(
        '[',
        ']',
        '[[',
        '"',
        "'",
        '=',
        '.',
        ',',
        '\n',
        '#',
        ' ',
        'a',
        '__proto__',
        'true',
        '1',
        '\\',
      ),
    );
    fc.assert(
      fc.property(pieces, (some) => {
        try {
          parseToml(some.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(TomlError);
        }
        expect(Object.keys(Object.prototype)).toEqual([]);
        expect(({} as { a?: unknown }).a).toBeUndefined();
      }),
      { numRuns: 500 },
    );
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

it('what distributions ship is understood', () => {
  const file = '/etc/containers/registries.conf.d/shortnames.conf';
  const text = ((): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return '[aliases]\n  "debian" = "docker.io/library/debian"\n';
    }
  })();
  expect(parseToml(text)['aliases']).toMatchObject({ debian: 'docker.io/library/debian' });
});
