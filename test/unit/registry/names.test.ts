// Tests of names and addresses of registries: hosts, challenges, realms, redirects.

import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/images/digest.ts';
import { findChallenge, parseChallenges } from '../../../src/images/registry/auth/challenge.ts';
import { checkRealm } from '../../../src/images/registry/auth/realm.ts';
import { printable } from '../../../src/images/registry/failure.ts';
import { isLoopback, mayBePlain } from '../../../src/images/registry/http/hosts.ts';
import { followLocation } from '../../../src/images/registry/http/redirect.ts';
import { backoffMs, parseRetryAfter } from '../../../src/images/registry/http/retry.ts';
import { defaultLimits } from '../../../src/images/registry/limits.ts';
import { describeRemoteName, parseRemoteName, wanted } from '../../../src/images/registry/remote-name.ts';

const digest = digestOf('x');

describe('names of images', () => {
  it.each([
    ['debian', 'docker.io', 'library/debian', 'latest'],
    ['debian:trixie', 'docker.io', 'library/debian', 'trixie'],
    ['docker.io/debian', 'docker.io', 'library/debian', 'latest'],
    ['index.docker.io/lab/base', 'docker.io', 'lab/base', 'latest'],
    ['lab/base:2', 'docker.io', 'lab/base', '2'],
    ['localhost/base', 'localhost', 'base', 'latest'],
    ['localhost:5000/base', 'localhost:5000', 'base', 'latest'],
    ['registry.example/a/b/c:v1', 'registry.example', 'a/b/c', 'v1'],
    [`registry.example/base@${digest}`, 'registry.example', 'base', digest],
    [`registry.example/base:1@${digest}`, 'registry.example', 'base', digest],
  ])('%s', (text, registry, repository, reference) => {
    const name = parseRemoteName(text);
    expect([name.registry, name.repository, wanted(name)]).toEqual([registry, repository, reference]);
    expect(parseRemoteName(describeRemoteName(name))).toMatchObject({ registry, repository });
  });

  it('without a registry lie in the default one', () => {
    expect(parseRemoteName('base', 'registry.example:5000')).toMatchObject({
      registry: 'registry.example:5000',
      repository: 'base',
    });
    expect(parseRemoteName('a.b/base', 'registry.example')).toMatchObject({ registry: 'a.b' });
  });

  it.each(['', 'A', '../x', 'a b', `base@sha512:${'0'.repeat(128)}`])('refuses %j', (text) => {
    expect(() => parseRemoteName(text)).toThrow('image name');
  });
});

describe('hosts', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['[::1]', true],
    ['[::ffff:127.0.0.1]', true],
    ['localhost', true],
    ['LOCALHOST', true],
    ['localhost.example', false],
    ['127.0.0.1.example', false],
    ['10.0.0.1', false],
    ['169.254.169.254', false],
    ['[fe80::1]', false],
  ])('%s is this machine: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });

  it.each([
    '0.0.0.0',
    '0.1.2.3',
    '[::]',
    '[::ffff:0.0.0.0]',
    'localhost.',
    'a.localhost',
    '127.0.0.1',
    '[::1]',
  ])('%s is not followed from elsewhere', (host) => {
    const there = new URL('https://registry.lab');
    expect(() => followLocation(`https://${host}/blob`, there, [])).toThrow('on this machine');
    expect(() => checkRealm(`https://${host}/token`, undefined, there)).toThrow('on this machine');
  });

  it('may be plain where policy lists them, with or without a port', () => {
    const url = new URL('http://registry.lab:5000/');
    expect(mayBePlain(url, [])).toBe(false);
    expect(mayBePlain(url, ['Registry.lab'])).toBe(true);
    expect(mayBePlain(url, ['registry.lab:5000'])).toBe(true);
    expect(mayBePlain(url, ['registry.lab:5001', 'lab'])).toBe(false);
  });
});

describe('challenges', () => {
  it('are read with quotes, commas and several schemes', () => {
    const header =
      'Negotiate abc==, Bearer realm="https://auth.example/token?a=1,2",service="a \\"b\\"", scope=x, Basic realm=z';
    const challenges = parseChallenges(header);
    expect(challenges.map(({ scheme }) => scheme)).toEqual(['negotiate', 'bearer', 'basic']);
    const bearer = findChallenge(challenges, 'bearer');
    expect(bearer?.parameters.get('realm')).toBe('https://auth.example/token?a=1,2');
    expect(bearer?.parameters.get('service')).toBe('a "b"');
  });

  it('count their first parameter of a name', () => {
    const [bearer] = parseChallenges('Bearer realm="https://a/",Realm="https://b/"');
    expect(bearer?.parameters.get('realm')).toBe('https://a/');
  });

  it.each([undefined, '', ',,,', '"', '= = =', 'Bearer realm="unclosed', 'x'.repeat(9000), '\u00e9'])(
    'survive %j',
    (header) => {
      expect(findChallenge(parseChallenges(header), 'basic')).toBeUndefined();
    },
  );

  it('take no time with hostile text', () => {
    const start = performance.now();
    for (const part of ['a=', '\\"', 'a ', '==', 'a="\\', ', '])
      parseChallenges(`Bearer ${part.repeat(4000)}`);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe('realms', () => {
  const remote = new URL('https://registry.example/');
  const local = new URL('http://127.0.0.1:5000/');
  const plain = new URL('http://registry.lab:5000/');

  it('on another host get credentials over TLS', () => {
    expect(checkRealm('https://auth.example/token', 's', remote)).toMatchObject({ confidential: true });
    expect(checkRealm('http://127.0.0.1:5001/token', 's', local)).toMatchObject({ confidential: true });
  });

  it('get none where somebody could listen, or could have put the challenge there', () => {
    expect(checkRealm('http://registry.lab:5001/token', 's', plain)).toMatchObject({ confidential: false });
    expect(checkRealm('https://auth.example/token', 's', plain)).toMatchObject({ confidential: false });
  });

  it.each([
    ['file:///etc/passwd', remote],
    ['gopher://registry.example/', remote],
    ['javascript:alert(1)', remote],
    ['http://registry.example/token', remote],
    ['http://169.254.169.254/latest', remote],
    ['http://169.254.169.254/latest', local],
    ['http://169.254.169.254/latest', plain],
    ['https://127.0.0.1:2376/', remote],
    ['https://localhost/', remote],
    ['https://[::1]/', plain],
    ['https://user:secret@auth.example/', remote],
    ['not a url', remote],
    [undefined, remote],
  ])('refuses %s', (realm, registry) => {
    expect(() => checkRealm(realm, undefined, registry)).toThrow('the token server');
  });
});

describe('redirects', () => {
  const from = new URL('https://registry.example/v2/a/blobs/x');

  it('go to other hosts over TLS, and relative ones stay', () => {
    expect(followLocation('https://cdn.example/x?sig=1#f', from, []).href).toBe(
      'https://cdn.example/x?sig=1',
    );
    expect(followLocation('../y', from, []).href).toBe('https://registry.example/v2/a/y');
    expect(followLocation('//cdn.example/y', from, []).protocol).toBe('https:');
    const local = new URL('http://127.0.0.1:5000/');
    expect(followLocation('http://127.0.0.1:6000/', local, []).port).toBe('6000');
    expect(followLocation('http://store.lab/x', new URL('http://registry.lab/'), ['store.lab']).host).toBe(
      'store.lab',
    );
  });

  it.each([
    ['http://registry.example/x', from],
    ['ftp://cdn.example/x', from],
    ['file:///etc/shadow', from],
    ['data:text/plain,x', from],
    ['https://a:b@cdn.example/', from],
    ['https://localhost/x', from],
    ['https://127.0.0.1/x', from],
    ['http://169.254.169.254/', new URL('http://127.0.0.1:5000/')],
    ['https://[', from],
    ['', from],
    [undefined, from],
  ])('refuses %s', (location, source) => {
    expect(() => followLocation(location, source, [])).toThrow('the address that');
  });
});

describe('waiting', () => {
  it('doubles, up to a bound, with chance in one half of it', () => {
    expect([1, 2, 3].map((attempt) => backoffMs(attempt, defaultLimits, 0))).toEqual([125, 250, 500]);
    expect(backoffMs(1, defaultLimits, 1)).toBe(250);
    expect(backoffMs(60, defaultLimits, 1)).toBe(defaultLimits.maxBackoffMs);
  });

  it('reads Retry-After as seconds and as a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(parseRetryAfter('3', now)).toBe(3000);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:10 GMT', now)).toBe(10_000);
    expect(parseRetryAfter('Thu, 01 Jan 2025 00:00:10 GMT', now)).toBe(0);
    for (const nonsense of ['', 'soon', '-1x', '99999999999999']) {
      const value = parseRetryAfter(nonsense, now);
      expect(value === undefined || value > defaultLimits.maxRetryAfterMs).toBe(true);
    }
    expect(parseRetryAfter(undefined, now)).toBeUndefined();
  });

  it('shows nothing of a registry that a terminal would act upon', () => {
    expect(printable('a\u001b[31mb\r\n\u202ec\u2028d')).toBe('a [31mb c d');
    expect(printable('x'.repeat(1000))).toHaveLength(301);
  });
});
