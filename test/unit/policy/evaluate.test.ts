// Tests of the policy that one user gets.

import { describe, expect, test } from 'vitest';
import { ownWords } from '../../../src/lib/values/own-words.ts';
import { evaluate } from '../../../src/policy/evaluate.ts';
import type { Subject } from '../../../src/policy/expand.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import type { EffectivePolicy, Policy } from '../../../src/policy/policy.ts';

function policyOf(text: string): Policy {
  const { policy, problems } = parsePolicy(text, 'p.ini');
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  return policy;
}

/** A user of no group whose host is "box". */
const named = (name: string): Subject => ({
  name,
  uid: 1000,
  group: name,
  groups: [],
  home: `/home/${name}`,
  host: 'box',
});

function effective(text: string, user: string | Subject): EffectivePolicy {
  const result = evaluate(policyOf(text), typeof user === 'string' ? named(user) : user);
  if (result.kind !== 'ok') throw new Error(result.code);
  return result.policy;
}

test('the built-in defaults', () => {
  expect(effective('[defaults]\nimage = host\n', 'alice')).toEqual({
    image: 'host',
    rescue: null,
    authorizedKeys: 'host',
    passEnv: [],
    exempt: 'no',
    onImageChange: 'keep',
    imageUser: 'ignore',
    memoryLimitBytes: 2 * 1024 ** 3,
    swapBytes: 0,
    memoryHighBytes: null,
    oomKills: 'process',
    cpus: null,
    pids: 1024,
    tmpBytes: 1024 ** 3,
    home: 'private',
    network: {
      kind: 'private',
      allow: [],
      deny: [],
      open: [],
      dns: 'host',
      publish: [],
      mosh: null,
      bytesIn: null,
      bytesOut: null,
      connections: 4096,
      newConnections: 1000,
      networks: [],
      strict: true,
    },
    lingerMs: 600_000,
    background: 'keep',
    hangupGraceMs: 5000,
    stopGraceMs: 2000,
    cpuWeight: 100,
    diskBytes: null,
    inodes: null,
    diskBackend: 'auto',
    strict: true,
    cpuset: null,
    cpuPin: 'no',
    ioReadBytes: null,
    ioWriteBytes: null,
    ioReadOps: null,
    ioWriteOps: null,
    shmBytes: 1024 ** 3,
    homeRoot: null,
    devices: [],
    root: 'no',
    nesting: 'no',
    lxcfs: 'auto',
    sysinfo: 'own',
    seccomp: 'default',
    seccompWiden: 'no',
    socketcall: 'yes',
    mounts: [],
    umask: null,
    nice: 0,
    openFiles: null,
    fileSizeBytes: null,
    lockedBytes: null,
    stackBytes: null,
    processTimeMs: null,
    mostSessions: null,
    loginRate: null,
    sessionTimeMs: null,
    idleTimeMs: null,
    onHangup: 'end',
    keepForMs: 43_200_000,
    mostKept: 4,
    reattach: 'ask',
    banner: null,
    welcome: 'yes',
    boot: 'no',
    cron: 'no',
    selfService: [...ownWords],
    maintenance: null,
    record: 'no',
    recordFormat: 'asciicast-2',
    recordInput: 'no',
    recordBytes: 1024 ** 3,
    recordTotalBytes: 10 * 1024 ** 3,
    watch: 'no',
    recordNotice: 'This session is recorded.',
    userMaySet: [],
    imagesAllowed: [],
    env: [],
  });
});

describe('a section of the user', () => {
  const text =
    '[user:alice]\nmemory = none\nlinger = forever\n[defaults]\nimage = host\nmemory = 1G\nshell = /bin/zsh\n';

  test('overrides [defaults] key by key, wherever it stands', () => {
    expect(effective(text, 'alice')).toMatchObject({
      image: 'host',
      shell: '/bin/zsh',
      memoryLimitBytes: null,
      lingerMs: Number.POSITIVE_INFINITY,
    });
  });

  test('is for that user alone', () => {
    for (const name of ['bob', 'Alice', 'alice ', '', '__proto__', 'constructor', 'toString']) {
      expect(effective(text, name).memoryLimitBytes).toBe(1024 ** 3);
    }
  });
});

describe('no image', () => {
  test.each(['', '[defaults]\nmemory = 1G\n', '[user:bob]\nimage = host\n', '[user:alice]\nmemory = 1G\n'])(
    'is no login: %j',
    (text) => {
      expect(evaluate(policyOf(text), named('alice'))).toMatchObject({
        kind: 'refused',
        code: 'E_NO_POLICY',
      });
    },
  );

  test('but a user may have one of their own', () => {
    expect(effective('[user:bob]\nimage = base\n', 'bob').image).toBe('base');
  });
});
