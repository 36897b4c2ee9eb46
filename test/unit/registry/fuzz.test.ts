// Fuzzes what registries, token servers, docker's configuration and its helpers say: none of it leads the daemon to
// this machine, to a place without encryption, or past its own words.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect } from 'vitest';
import { parseChallenges } from '../../../src/images/registry/auth/challenge.ts';
import { findCredential } from '../../../src/images/registry/auth/docker-config.ts';
import { checkRealm } from '../../../src/images/registry/auth/realm.ts';
import { printable, RegistryError } from '../../../src/images/registry/failure.ts';
import { isLoopback } from '../../../src/images/registry/http/hosts.ts';
import { followLocation } from '../../../src/images/registry/http/redirect.ts';
import { parseRetryAfter } from '../../../src/images/registry/http/retry.ts';
import { describeRemoteName, parseRemoteName } from '../../../src/images/registry/remote-name.ts';
import { DockershError } from '../../../src/lib/errors.ts';
import { holds, hostileText, longRunOf, textOf, unprintable } from '../lib/holds.ts';
import { options } from './server.ts';

/** What `work` gives; undefined where it refuses with an error of ours. Anything else is thrown on. */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

const token = fc.stringMatching(/^[A-Za-z0-9._~+-]{1,12}$/);
const value = fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => !/[\r\n]/.test(text));
const quote = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
const challenge = fc.record({
  scheme: token,
  parameters: fc.uniqueArray(fc.tuple(token, value), {
    minLength: 1,
    maxLength: 4,
    selector: ([name]) => name.toLowerCase(),
  }),
});

holds(
  'challenges are read as they were written',
  fc.property(fc.array(challenge, { maxLength: 4 }), (challenges) => {
    const header = challenges
      .map(({ scheme, parameters }) => {
        const all = parameters.map(([name, text]) => `${name}=${quote(text)}`);
        return `${scheme} ${all.join(', ')}`;
      })
      .join(', ');
    const read = parseChallenges(header);
    expect(read.map(({ scheme }) => scheme)).toEqual(challenges.map(({ scheme }) => scheme.toLowerCase()));
    expect(read.map(({ parameters }) => [...parameters])).toEqual(
      challenges.map(({ parameters }) => parameters.map(([name, text]) => [name.toLowerCase(), text])),
    );
  }),
);

const headerText = textOf(
  'Bearer ',
  'Basic',
  ' ',
  ',',
  '=',
  '"',
  '\\',
  'realm',
  'realm="',
  'a=b',
  '==',
  '\t',
);
holds(
  'any header is challenges, with names in lower case',
  fc.property(headerText, (header) => {
    for (const { scheme, parameters } of parseChallenges(header))
      for (const name of [scheme, ...parameters.keys()]) expect(name).toBe(name.toLowerCase());
  }),
  2000,
);

holds(
  'long headers take no time',
  fc.property(longRunOf('a', 'a ', 'a=', '"', '\\', 'a="b', ',', '=', 'a=b,'), (text) => {
    for (const length of [8192, 8193]) parseChallenges(`Bearer ${text}`.slice(0, length));
    parseRetryAfter(text, 0);
    printable(text);
  }),
  60,
);

const host = fc.constantFrom(
  ...[
    'registry.lab',
    'localhost',
    '127.0.0.1',
    '127.1',
    '[::1]',
    '[::ffff:7f00:1]',
    '0x7f000001',
    '2130706433',
  ],
  ...[
    'LOCALHOST',
    'localhost.',
    '127.0.0.1:5000',
    'user@registry.lab',
    'user:pw@127.0.0.1',
    '10.0.0.1',
    '%31',
  ],
  ...['①②⑦.0.0.1', '0.0.0.0', '[::]', '[::ffff:0.0.0.0]', 'a.localhost', '0', 'ⅼocalhost'],
);
const scheme = fc.constantFrom(
  'http://',
  'https://',
  '//',
  'HTTP://',
  'file://',
  'ftp://',
  'unix:',
  '',
  'http:\\\\',
);
const place = fc.oneof(
  fc.tuple(scheme, host, fc.constantFrom('', '/', '/token?x=1#y', '\n', '/..')).map((all) => all.join('')),
  textOf('http', 's', ':', '//', '/', '@', 'localhost', '127.0.0.1', '?', '#', '%', '\\', ' '),
);
const registries = fc
  .constantFrom(
    ...['https://registry.lab', 'http://registry.lab', 'http://localhost:5000', 'https://127.0.0.1'],
  )
  .map((text) => new URL(text));

/** The addresses at which this machine can be reached, apart from its own name. */
const isHere = ({ hostname }: URL): boolean =>
  isLoopback(hostname) || /^(?:0\..*|\[::\]|\[::ffff:0:0\]|(?:.*\.)?localhost\.?)$/.test(hostname);

holds(
  'a realm never leads to this machine from elsewhere, nor credentials where others listen',
  fc.property(place, registries, (text, registry) => {
    const realm = unlessRefused(() => checkRealm(text, undefined, registry));
    if (realm === undefined) return;
    expect(['http:', 'https:']).toContain(realm.url.protocol);
    expect(`${realm.url.username}${realm.url.password}${realm.url.hash}`).toBe('');
    if (!isLoopback(registry.hostname)) expect(isHere(realm.url)).toBe(false);
    if (realm.confidential)
      for (const url of [realm.url, registry])
        expect(url.protocol === 'https:' || isLoopback(url.hostname)).toBe(true);
  }),
  2000,
);

holds(
  'a redirect never leads to this machine from elsewhere, nor from encryption to none',
  fc.property(place, registries, (text, from) => {
    const url = unlessRefused(() => followLocation(text, from, ['registry.lab']));
    if (url === undefined) return;
    expect(['http:', 'https:']).toContain(url.protocol);
    expect(`${url.username}${url.password}${url.hash}`).toBe('');
    if (!isLoopback(from.hostname)) expect(isHere(url)).toBe(false);
    if (from.protocol === 'https:') expect(url.protocol).toBe('https:');
  }),
  2000,
);

holds(
  'what a registry asks us to wait is a time from now on, or nothing',
  fc.property(
    fc.oneof(hostileText, fc.nat().map(String), fc.date({ noInvalidDate: true }).map(String)),
    (text) => {
      const ms = parseRetryAfter(text, Date.now());
      if (ms !== undefined) expect(ms >= 0 && Number.isFinite(ms)).toBe(true);
    },
  ),
);

holds(
  'words of a registry act on no terminal and are short',
  fc.property(hostileText, (text) => {
    const error = new RegistryError('answer', { what: 'GET', why: text.repeat(20) });
    expect(error.message).not.toMatch(unprintable);
    expect(error.message.length).toBeLessThan(400);
  }),
);

holds(
  'a name is refused, or means the same when it is written out',
  fc.property(
    textOf('a', 'lab', '/', ':', '.', '-', '5000', 'localhost', 'docker.io', '@sha256:', 'f'.repeat(64)),
    (text) => {
      const name = unlessRefused(() => parseRemoteName(text));
      if (name === undefined) return;
      const again = parseRemoteName(describeRemoteName(name));
      expect(again).toEqual({ ...name, tag: again.tag });
      expect(again.tag ?? 'latest').toBe(name.tag ?? 'latest');
    },
  ),
  1500,
);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-fuzz-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const secret = 'correct-horse';
const auth = fc.constantFrom(
  ...[secret, `:${secret}`, `${secret}:`, `ann:${secret}`, `ann:${secret}\0\0`].map((text) =>
    Buffer.from(text).toString('base64'),
  ),
  ...['', '=', secret],
);
const registryEntry = fc.oneof(
  fc.record({ auth }, { requiredKeys: [] }),
  fc.record({ username: fc.constant('ann'), password: fc.constant(secret) }, { requiredKeys: [] }),
  fc.record({ identitytoken: fc.constant(secret), auth }, { requiredKeys: [] }),
  fc.anything(),
);
const keys = fc.constantFrom(
  'registry.lab',
  'https://registry.lab/v1/',
  '__proto__',
  'constructor',
  'other.lab',
  '',
);
const config = fc.oneof(
  fc.record(
    {
      auths: fc.dictionary(keys, registryEntry),
      credHelpers: fc.dictionary(keys, fc.constantFrom('', '../x', 'none')),
    },
    { requiredKeys: [] },
  ),
  fc.anything(),
);

holds(
  "docker's configuration gives a credential, none, or an error that does not quote it",
  fc.asyncProperty(config, fc.nat(400), async (content, cut) => {
    const text = JSON.stringify(content) ?? '';
    const kept = cut < 40 ? text.slice(0, cut) : text;
    await writeFile(join(folder, 'config.json'), kept, { mode: 0o600 });
    const given = options({ dockerConfigFolder: folder, helperFolders: [folder] });
    const error: unknown = await findCredential(
      { registry: 'registry.lab', repository: 'x' },
      given,
      undefined,
    ).then(
      (found) => {
        if (found?.kind === 'password') expect(found.username).not.toBe('');
      },
      (thrown: unknown) => thrown,
    );
    if (error === undefined) return;
    expect(error).toBeInstanceOf(DockershError);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(secret);
  }),
  300,
);
