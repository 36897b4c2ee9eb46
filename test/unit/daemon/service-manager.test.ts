// Tests of the daemon's talk with systemd: environment, sockets, notifications.

import pino from 'pino';
import { describe, expect, test, vi } from 'vitest';
import {
  inheritSockets,
  ServiceManager,
  takeServiceEnvironment,
} from '../../../src/daemon/service-manager.ts';
import { OwnedFd } from '../../../src/lib/fd.ts';

const silent = pino({ level: 'silent' });

describe('what a service manager says in the environment', () => {
  test('is read and taken away', () => {
    const env: NodeJS.ProcessEnv = {
      PATH: '/usr/bin',
      LISTEN_FDS: '3',
      LISTEN_PID: '42',
      LISTEN_FDNAMES: 'login:admin:admin',
      NOTIFY_SOCKET: '@/org/notify',
      WATCHDOG_USEC: '60000000',
      WATCHDOG_PID: '42',
    };
    expect(takeServiceEnvironment(env, 42)).toEqual({
      listenFds: 3,
      notifySocket: '@/org/notify',
      watchdogMs: 60_000,
    });
    expect(env).toEqual({ PATH: '/usr/bin' });
  });

  test('is not for us when it names another process', () => {
    const env = { LISTEN_FDS: '3', LISTEN_PID: '41', WATCHDOG_USEC: '1000', WATCHDOG_PID: '41' };
    expect(takeServiceEnvironment(env, 42)).toMatchObject({ listenFds: 0, watchdogMs: undefined });
  });

  test('counts for nothing when it is nonsense, or not there', () => {
    const env = { LISTEN_FDS: '-1', LISTEN_PID: '42', NOTIFY_SOCKET: '', WATCHDOG_USEC: 'soon' };
    const nothing = { listenFds: 0, notifySocket: undefined, watchdogMs: undefined };
    expect(takeServiceEnvironment(env, 42)).toEqual(nothing);
    expect(takeServiceEnvironment({}, 42)).toEqual(nothing);
    expect(takeServiceEnvironment({ LISTEN_FDS: '1000000', LISTEN_PID: '42' }, 42).listenFds).toBe(64);
  });
});

describe('inherited sockets', () => {
  const environment = { listenFds: 3, notifySocket: undefined, watchdogMs: undefined };
  const socketsAt =
    (...places: readonly (readonly [path: string, seqpacket: boolean])[]) =>
    (number: number) => {
      const [path, seqpacket] = places[number - 3] ?? ['', false];
      return { fd: new OwnedFd(number), path, seqpacket };
    };

  test('are known by where they listen, in any order', () => {
    const sockets = inheritSockets(
      environment,
      '/run/dockersh',
      socketsAt(
        ['/run/dockersh/exec.sock', true],
        ['/run/dockersh/admin.sock', false],
        ['/run/dockersh/login.sock', true],
      ),
    );
    expect(Object.fromEntries([...sockets].map(([name, fd]) => [name, fd.borrow()]))).toEqual({
      exec: 3,
      admin: 4,
      login: 5,
    });
  });

  test.each([
    ['of another folder', ['/run/other/login.sock', true]],
    ['of an unknown name', ['/run/dockersh/other.sock', true]],
    ['without a path', ['', true]],
    ['of the wrong type', ['/run/dockersh/login.sock', false]],
  ] as const)('%s are refused', (_what, place) => {
    expect(() => inheritSockets({ ...environment, listenFds: 1 }, '/run/dockersh', socketsAt(place))).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });

  test('given twice are refused', () => {
    const twice = socketsAt(['/run/dockersh/login.sock', true], ['/run/dockersh/login.sock', true]);
    expect(() => inheritSockets({ ...environment, listenFds: 2 }, '/run/dockersh', twice)).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });
});

describe('notification', () => {
  test('says that we are ready, alive, and stopping', () => {
    vi.useFakeTimers();
    try {
      const said: string[] = [];
      const environment = { listenFds: 0, notifySocket: '/notify', watchdogMs: 10_000 };
      using manager = new ServiceManager(environment, silent, (path, data) => said.push(`${path} ${data}`));
      vi.advanceTimersByTime(20_000);
      expect(said).toEqual([]);
      manager.ready('Accepting logins');
      manager.status('Attention: broken');
      vi.advanceTimersByTime(10_000);
      manager.stopping();
      expect(said.map((text) => text.split('\n')[0])).toEqual([
        '/notify READY=1',
        '/notify STATUS=Attention: broken',
        '/notify WATCHDOG=1',
        '/notify WATCHDOG=1',
        '/notify STOPPING=1',
      ]);
    } finally {
      vi.useRealTimers();
    }
  });

  test('goes nowhere without a service manager, and a deaf one is no failure', () => {
    const nobody = { listenFds: 0, notifySocket: undefined, watchdogMs: undefined };
    const deaf = (): never => {
      throw new Error('ECONNREFUSED');
    };
    using alone = new ServiceManager(nobody, silent, deaf);
    using unheard = new ServiceManager({ ...nobody, notifySocket: '/notify' }, silent, deaf);
    for (const manager of [alone, unheard]) {
      expect(() => manager.ready('')).not.toThrow();
      expect(() => manager.stopping()).not.toThrow();
    }
  });
});
