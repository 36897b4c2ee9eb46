// The choice of a proxy for an address: as policy and the environment say, and none where none may be.

import { describe, expect, it } from 'vitest';
import {
  describeProxy,
  type ProxyPolicy,
  proxyAuthorization,
  proxyFor,
  proxySettings,
} from '../../../src/images/registry/http/proxy.ts';
import { registryOptions } from '../../../src/images/registry/options.ts';
import { failure } from './server.ts';

const fromEnvironment: ProxyPolicy = { proxy: 'environment', noProxy: [] };
const askedFor = (url: string, environment: NodeJS.ProcessEnv, policy = fromEnvironment) =>
  proxyFor(new URL(url), proxySettings(policy, environment))?.href;

describe('a proxy', () => {
  it('is what the environment says, by scheme', () => {
    const both = { HTTPS_PROXY: 'http://s.lab:3128', http_proxy: 'p.lab:80', HTTP_PROXY: '' };
    expect(askedFor('https://registry.example/', both)).toBe('http://s.lab:3128/');
    expect(askedFor('http://registry.example/', both)).toBe('http://p.lab/');
    expect(askedFor('http://registry.example/', { HTTPS_PROXY: 'http://s.lab:3128' })).toBeUndefined();
    expect(askedFor('https://registry.example/', {})).toBeUndefined();
    expect(registryOptions({}, both).proxies.https?.host).toBe('s.lab:3128');
  });

  it('is what policy says before that', () => {
    const environment = { HTTPS_PROXY: 'http://s.lab:3128' };
    const policy = { proxy: 'https://own.lab', noProxy: ['x.lab'] };
    expect(askedFor('https://registry.example/', environment, policy)).toBe('https://own.lab/');
    expect(askedFor('http://registry.example/', environment, policy)).toBe('https://own.lab/');
    expect(askedFor('http://x.lab/', environment, policy)).toBeUndefined();
    const none = { proxy: 'none', noProxy: [] };
    expect(askedFor('https://registry.example/', environment, none)).toBeUndefined();
  });

  it.each(['http://127.0.0.1:5000/', 'http://localhost/', 'https://[::1]:5000/', 'https://127.9.9.9/'])(
    'is never asked for this machine: %s',
    (url) => {
      expect(
        askedFor(url, { HTTPS_PROXY: 'http://s.lab', HTTP_PROXY: 'http://s.lab', NO_PROXY: '' }),
      ).toBeUndefined();
    },
  );

  it.each([
    ['*', 'https://registry.example/', true],
    ['registry.example', 'https://registry.example/', true],
    ['REGISTRY.example', 'https://registry.example/', true],
    ['example', 'https://registry.example/', true],
    ['.example', 'https://registry.example/', true],
    ['*.example', 'https://registry.example/', true],
    ['.registry.example', 'https://registry.example/', false],
    ['ample', 'https://registry.example/', false],
    ['registry.example:443', 'https://registry.example/', true],
    ['registry.example:5000', 'https://registry.example/', false],
    ['registry.example:5000', 'https://registry.example:5000/', true],
    ['10.0.0.0/8', 'https://10.1.2.3/', true],
    ['10.0.0.0/8', 'https://11.1.2.3/', false],
    ['10.1.2.3', 'https://10.1.2.3/', true],
    ['1.2.3', 'https://10.1.2.3/', false],
    ['10.0.0.0/99', 'https://10.1.2.3/', false],
    ['fd00::/8', 'https://[fd12::1]/', true],
    ['fd12::1', 'https://[fd12::1]/', true],
    ['[fd12::1]:443', 'https://[fd12::1]/', true],
    ['a.lab b.lab, registry.example', 'https://registry.example/', true],
    ['', 'https://registry.example/', false],
  ])('is left out by NO_PROXY=%s for %s: %s', (text, url, left) => {
    const environment = { HTTPS_PROXY: 'http://s.lab', NO_PROXY: text };
    expect(askedFor(url, environment) === undefined).toBe(left);
    const policy = { proxy: 'http://s.lab', noProxy: text.split(/[ ,]+/).filter(Boolean) };
    expect(askedFor(url, {}, policy) === undefined).toBe(left);
  });

  it.each([
    'socks5://u:secret@s.lab',
    'http://u:secret@',
    'ftp://secret',
    'http://a/secret',
    'http://%ff:secret@a',
  ])('is refused without its password in the message: %s', async (text) => {
    const error = await failure((async () => proxySettings(fromEnvironment, { HTTPS_PROXY: text }))());
    expect(error).toMatchObject({ fault: 'refused', code: 'E_USAGE' });
    expect(`${error.message} ${error['hint']} ${String(error.cause)}`).not.toContain('secret');
  });

  it('has its name and password sent to it alone, and shown nowhere', () => {
    const proxy = new URL('http://a%40b:p%3Aq@s.lab:3128');
    expect(proxyAuthorization(proxy)).toBe(`Basic ${Buffer.from('a@b:p:q').toString('base64')}`);
    expect(proxyAuthorization(new URL('http://s.lab'))).toBeUndefined();
    expect(describeProxy(proxy)).toBe('the proxy http://s.lab:3128');
  });
});
