// Turns an sshd_config of OpenSSH's tests into settings of the gateway, or says what it wants that the gateway has no setting for.

import { existsSync, readFileSync } from 'node:fs';
import { offerOf } from '../../src/gateway/transport/algorithms.ts';

export interface Translated {
  /** As `NAME=VALUE VALUE…`. */
  readonly settings: readonly string[];
  readonly hostKeys: readonly string[];
  /** Files that settings name and that have to be root's: in the tests, they are their user's. */
  readonly rootsFiles: readonly { readonly name: string; readonly file: string }[];
  readonly port: number;
  readonly pidFile: string | undefined;
  /** Lines that stand for nothing here. */
  readonly missing: readonly string[];
}

/** What changes nothing for a test, or holds here anyway. */
const passedOver = new Set([
  ...[
    'addressfamily',
    'listenaddress',
    'loglevel',
    'logverbose',
    'syslogfacility',
    'strictmodes',
    'usepam',
    'usedns',
  ],
  ...[
    'acceptenv',
    'subsystem',
    'protocol',
    'securitykeyprovider',
    'modulifile',
    'port',
    'pidfile',
    'hostkey',
  ],
  ...['pubkeyauthentication', 'passwordauthentication', 'kbdinteractiveauthentication', 'permitrootlogin'],
  ...['challengeresponseauthentication', 'printmotd', 'authorizedkeyscommanduser', 'useprivilegeseparation'],
  // A client is held to these by its own list; what no list here can do is to keep it from others.
  ...['pubkeyacceptedalgorithms', 'pubkeyacceptedkeytypes'],
]);

/** What is so anyway. */
const always: Readonly<Record<string, string>> = {
  allowtcpforwarding: 'yes',
  allowstreamlocalforwarding: 'yes',
};

const named: Readonly<Record<string, string>> = {
  authorizedkeysfile: 'authorized_keys_files',
  authorizedkeyscommand: 'authorized_keys_command',
  trustedusercakeys: 'trusted_ca',
  authorizedprincipalsfile: 'principals_file',
  revokedkeys: 'revoked_keys',
  banner: 'banner',
  logingracetime: 'grace_time',
  maxauthtries: 'auth_tries',
  authenticationmethods: 'methods',
  maxstartups: 'max_startups',
};

const rootsFiles = new Set(['trusted_ca', 'revoked_keys']);

const offer = offerOf([
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
]);
const offered: Readonly<Record<string, readonly string[]>> = {
  kexalgorithms: offer.kex,
  ciphers: offer.cs.cipher,
  macs: offer.cs.mac,
};

/** Names of algorithms and of types of keys, for `ssh -Q`. */
export const algorithms: readonly string[] = [
  ...[...offer.kex, ...offer.cs.cipher, ...offer.cs.mac, ...offer.serverHostKey],
  ...[
    'ssh-rsa',
    'sk-ssh-ed25519@openssh.com',
    'sk-ecdsa-sha2-nistp256@openssh.com',
    'ssh-ed25519-cert-v01@openssh.com',
    'ssh-rsa-cert-v01@openssh.com',
    'rsa-sha2-256-cert-v01@openssh.com',
  ],
  ...[
    'rsa-sha2-512-cert-v01@openssh.com',
    ...[256, 384, 521].map((bits) => `ecdsa-sha2-nistp${bits}-cert-v01@openssh.com`),
  ],
];

/** As the gateway has it: "LoginGraceTime 10s" in seconds; "MaxStartups 2" is a bound without chances, "10:30:100" has them. */
function settingOf(name: string, value: string): string {
  if (name === 'grace_time') return value.replace(/s$/, '');
  if (name !== 'max_startups') return value;
  return value.includes(':') ? value.replaceAll(':', ' ') : `${value} 100 ${value}`;
}

const isTokens = (algorithm: string): boolean => algorithm.startsWith('sk-');

/** Whether one of these algorithms is for this key. */
function isOffered(file: string, algorithms: string | undefined): boolean {
  if (algorithms === undefined || !existsSync(`${file}.pub`)) return true;
  const [type = ''] = readFileSync(`${file}.pub`, 'utf8').split(' ');
  const own = type === 'ssh-rsa' ? ['ssh-rsa', 'rsa-sha2-256', 'rsa-sha2-512'] : [type];
  return algorithms.split(',').some((one) => one === '*' || own.includes(one));
}

/** As sshd reads it: of most words the first line counts, of some all. `over`: options of the command line. */
export function translate(text: string, over: readonly string[]): Translated {
  const lines = [...over.map((option) => option.replace('=', ' ')), ...text.split('\n')];
  const first = new Map<string, string>();
  const hostKeys: string[] = [];
  const missing: string[] = [];
  for (const line of lines) {
    const [, word = '', rest = ''] = /^\s*([A-Za-z0-9]+)[\s=]+"?(.*?)"?\s*$/.exec(line) ?? [];
    const keyword = word.toLowerCase();
    const value = rest.replaceAll(/^'|'$/g, '');
    if (keyword === '') continue;
    if (keyword === 'hostkey') hostKeys.push(value);
    if (first.has(keyword)) continue;
    first.set(keyword, value);
    if (passedOver.has(keyword) || always[keyword] === value) continue;
    if (keyword === 'hostkeyalgorithms' && !value.split(',').every(isTokens)) continue;
    const list = offered[keyword];
    const fits =
      list === undefined ? named[keyword] !== undefined : value.split(',').every((one) => list.includes(one));
    if (!fits) missing.push(line.trim());
  }
  const all = [...first].flatMap(([keyword, value]) => {
    const name = named[keyword];
    return name === undefined ? [] : [{ name, value: value === 'none' ? '' : value }];
  });
  const isRoots = ({ name, value }: (typeof all)[number]): boolean =>
    rootsFiles.has(name) && existsSync(value);
  const settings = all
    .filter((one) => !isRoots(one))
    .map(({ name, value }) => `${name}=${settingOf(name, value)}`);
  const commandUser = first.get('authorizedkeyscommanduser');
  if (commandUser !== undefined) settings.push(`authorized_keys_command_user=${commandUser}`);
  return {
    settings,
    rootsFiles: all.filter(isRoots).map(({ name, value: file }) => ({ name, file })),
    hostKeys: hostKeys.filter((file) => isOffered(file, first.get('hostkeyalgorithms'))),
    port: Number(first.get('port') ?? '4242'),
    pidFile: first.get('pidfile'),
    missing,
  };
}
