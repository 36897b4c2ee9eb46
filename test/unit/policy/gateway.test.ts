// Tests of [gateway]: its values, and what its listener is told of them.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { gatewaySettings } from '../../../src/daemon/policy/gateway-settings.ts';
import { fieldsOf, parseWire } from '../../../src/lib/wire.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import { type GatewaySection, gatewaySection } from '../../../src/policy/schema.ts';

const section = (text: string) => parsePolicy(`[defaults]\nimage = host\n[gateway]\n${text}\n`, 'p');

function parsed(text: string): unknown {
  const { policy, problems } = section(text);
  expect(problems).toEqual([]);
  return policy?.gateway[text.split(' = ')[0] as keyof GatewaySection];
}

function told(text: string): Record<string, string[]> {
  const { policy } = section(text);
  if (policy === undefined) throw new Error('no policy');
  const message = parseWire(gatewaySettings(policy.gateway));
  if (message?.type !== 'gwConfig') throw new Error('no GW_CONFIG');
  return Object.fromEntries(
    fieldsOf(message, 'gwSetting').map((value) => {
      const [name = '', ...values] = value.toString('utf8').split('\0');
      return [name, values];
    }),
  );
}

describe('values', () => {
  test.each([
    ['listen = 22 192.0.2.7:2222 [2001:db8::1]:22', ['22', '192.0.2.7:2222', '[2001:db8::1]:22']],
    ['listen = none', []],
    ['web_certificate = /etc/tls/a.pem', '/etc/tls/a.pem'],
    ['host_keys = own', []],
    ['host_keys = sshd /etc/keys/a', ['sshd', '/etc/keys/a']],
    ['methods = publickey,password password', ['publickey,password', 'password']],
    ['authorized_keys_command = /usr/bin/keys --user %u', ['/usr/bin/keys', '--user', '%u']],
    ['trusted_ca = none', null],
    ['max_startups = 5:50:10', [5, 50, 10]],
    ['source_startups = none', null],
    ['source_bits = 24:56', [24, 56]],
    ['grace_time = 30s', 30_000],
  ])('%s', (text, value) => {
    expect(parsed(text)).toEqual(value);
  });

  test.each([
    'listen = 0',
    'listen = 65536',
    'listen = example.org:22',
    'listen = [192.0.2.7]:22',
    'listen = 2001:db8::1:22',
    'web = example.org:443',
    'web_key = key.pem',
    'web = 443',
    'host_keys = own sshd',
    'host_keys = key',
    'methods = none',
    'methods = publickey,',
    'methods = hostbased',
    'methods = publickey,publickey,publickey,publickey,publickey',
    'authorized_keys_command = keys %u',
    'trusted_ca = ca.pub',
    'max_startups = 10',
    'max_startups = 10:30:5',
    'max_startups = 10:101:100',
    'source_bits = 33:64',
    'pam_service = ../sshd',
    'auth_tries = 0',
    'nothing = 1',
  ])('%s is refused', (text) => {
    expect(section(text).problems).toHaveLength(1);
  });

  const page = 'web = 443\nweb_certificate = /etc/tls/a.pem\nweb_key = /etc/tls/a.key\n';

  test('a web page takes a certificate, its key, and a way to log in without one of a user’s', () => {
    expect(section(`${page}methods = password`).policy?.gateway.web).toEqual(['443']);
    expect(section(`${page}methods = publickey publickey,password keyboard-interactive`).problems).toEqual(
      [],
    );
    const refused = {
      [`${page}`]: 'needs a key',
      [`${page}methods = publickey,keyboard-interactive`]: 'needs a key',
      [`${page.replace('web_key', '#web_key')}methods = password`]: 'no certificate, or no key',
      [`${page}methods = password\npam_service = none`]: 'nobody asks PAM',
    };
    for (const [text, why] of Object.entries(refused)) {
      const { policy, problems } = section(text);
      expect([policy, problems.length, problems[0]?.message]).toEqual([
        undefined,
        1,
        expect.stringContaining(why),
      ]);
    }
  });

  test.each(gatewaySection.keys)('the reference example of %s is valid and not the default', (key) => {
    const { example, defaultText } = gatewaySection.describe(key);
    const { policy } = key === 'web' ? section(`${page}methods = password`) : section(`${key} = ${example}`);
    const value = policy?.gateway[key];
    expect(value).toBeDefined();
    expect(value).not.toEqual(gatewaySection.defaults()[key]);
    expect(example).not.toBe(defaultText);
  });
});

describe('what the listener is told', () => {
  test('every setting that it knows, and no other', () => {
    const source = readFileSync(
      path.resolve(import.meta.dirname, '../../../native/gateway/settings.c'),
      'utf8',
    );
    const known = [...source.matchAll(/^ {4}\{"([a-z_0-9]+)", KIND_/gm)].map(([, name]) => name);
    expect(Object.keys(told('')).sort()).toEqual(known.sort());
    expect([...gatewaySection.keys].sort()).toEqual(known.sort());
  });

  test('numbers, lists and nothing', () => {
    expect(
      told('penalties = no\ngrace_time = 1500ms\nmax_startups = 1:2:3\nmethods = password publickey'),
    ).toMatchObject({
      penalties: ['0'],
      grace_time: ['2'],
      max_startups: ['1', '2', '3'],
      methods: ['password', 'publickey'],
      trusted_ca: [],
      host_keys: [],
      pam_service: ['dockersh-gateway'],
    });
  });
});
