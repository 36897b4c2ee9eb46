// A user and a sandbox to start from; each test names what it changes.

import type { SandboxSpec, SessionLimits, UserRecord } from '../../../src/isolation/engine.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { unlimited } from '../../../src/limits/limits.ts';

export function aUser(changes: Partial<UserRecord> = {}): UserRecord {
  return {
    uid: Uid.parse(1000),
    gid: 1000,
    name: 'tester',
    home: '/home/tester',
    shell: '/usr/local/bin/dockersh',
    gecos: 'A Tester,,,',
    groups: [
      { gid: 1000, name: 'tester' },
      { gid: 2000, name: 'project' },
    ],
    ...changes,
  };
}

export function aSandbox(changes: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    user: aUser(),
    image: {
      name: 'base',
      digest: 'sha256:00',
      layers: [
        { path: '/layers/top', idmapped: true },
        { path: '/layers/host', idmapped: false },
      ],
      binds: [{ source: '/usr', target: '/usr' }],
      passwd: undefined,
      group: undefined,
      env: [],
      workingDir: undefined,
      user: undefined,
    },
    notice: undefined,
    shell: '/bin/bash',
    ...unlimited,
    strict: true,
    settings: {},
    lingerMs: 600_000,
    hangupGraceMs: 5000,
    stopGraceMs: 2000,
    tmpBytes: null,
    network: { kind: 'none' },
    link: undefined,
    background: 'keep',
    shmBytes: null,
    hostname: 'box',
    devices: [],
    root: 'no',
    nesting: 'no',
    lxcfs: 'auto',
    sysinfo: 'own',
    systemCalls: { filters: [], alone: false },
    mounts: [],
    runFolders: ['screen'],
    machineId: '0'.repeat(32),
    ...changes,
  };
}

export const noLimits: SessionLimits = {
  nice: 0,
  openFiles: null,
  fileSizeBytes: null,
  lockedBytes: null,
  stackBytes: null,
  processTimeMs: null,
  mostSessions: null,
  sessionTimeMs: null,
  idleTimeMs: null,
};
