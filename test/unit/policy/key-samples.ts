// For tests that go through every key: texts that it accepts, and the field that its value ends up in.

import type { EffectivePolicy } from '../../../src/policy/policy.ts';
import type { PolicyKey } from '../../../src/policy/schema.ts';

const sizes = ['16M', '17M', '1.5G', '512m', '20000000B', '3T'];
const durations = ['0', '250ms', '1s', '1m30s', '10m'];

export const someTexts: Readonly<Record<PolicyKey, readonly string[]>> = {
  image: ['host', 'lab/base:2', 'lab/%u', 'on-%H', 'registry.example:5000/a/b:c'],
  on_image_change: ['keep', 'reset'],
  image_user: ['ignore', 'exec', 'commands'],
  shell: ['/bin/sh', '/usr/bin/zsh', '/opt/a b/x;y'],
  memory: [...sizes, 'none'],
  cpus: ['0.01', '1', '2.5', '64', 'none'],
  pids: ['16', '4194304', 'none'],
  tmp_size: [...sizes, '1M', 'none'],
  home: ['private', 'host'],
  network: ['none', 'host'],
  linger: [...durations, '24d', 'forever'],
  background: ['keep', 'kill'],
  hangup_grace: durations,
  stop_grace: durations,
};

export const effectiveField: Readonly<Record<PolicyKey, keyof EffectivePolicy>> = {
  image: 'image',
  on_image_change: 'onImageChange',
  shell: 'shell',
  image_user: 'imageUser',
  memory: 'memoryBytes',
  cpus: 'cpus',
  pids: 'pids',
  tmp_size: 'tmpBytes',
  home: 'home',
  network: 'network',
  linger: 'lingerMs',
  background: 'background',
  hangup_grace: 'hangupGraceMs',
  stop_grace: 'stopGraceMs',
};
