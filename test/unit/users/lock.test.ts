// Holds the order in which a user's data and their sandbox are taken hold of.

import { describe, expect, it } from 'vitest';
import { Pauses } from '../../../src/isolation/sandbox/pause.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { type HeldUser, type StoppedUser, stopUser, UserLocks } from '../../../src/users/lock.ts';

const uid = Uid.parse(1000);
const nobody = { stopStarted: async () => false };

/** Lets everything go on that can. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Somebody who waits for what is asked for. */
function waiting<T>(asked: Promise<T>) {
  let isOver = false;
  const end = asked.then((value) => {
    isOver = true;
    return value;
  });
  const isWaiting = async (): Promise<boolean> => {
    await turn();
    return !isOver;
  };
  return { end, isWaiting };
}

describe("a user's data", () => {
  it('is waited for by nobody where nobody has it', async () => {
    const locks = new UserLocks();
    using _other = await locks.lock(Uid.parse(uid + 1));
    using held = await locks.lock(uid, 0);
    expect(held.uid).toBe(uid);
  });

  it('is one holder’s at a time, in the order of asking', async () => {
    const locks = new UserLocks();
    const first = await locks.lock(uid);
    const second = waiting(locks.lock(uid));
    const third = waiting(locks.lock(uid));
    expect([await second.isWaiting(), await third.isWaiting()]).toEqual([true, true]);
    first[Symbol.dispose]();
    const held = await second.end;
    expect(await third.isWaiting()).toBe(true);
    held[Symbol.dispose]();
    (await third.end)[Symbol.dispose]();
    using _again = await locks.lock(uid, 0);
  });

  it('is refused when the time is over, and whoever is next waits for the holder all the same', async () => {
    const locks = new UserLocks();
    const held = await locks.lock(uid);
    await expect(locks.lock(uid, 20)).rejects.toMatchObject({ code: 'E_STOPPING' });
    const next = waiting(locks.lock(uid));
    expect(await next.isWaiting()).toBe(true);
    held[Symbol.dispose]();
    using _next = await next.end;
  });

  it('is not refused to who comes after somebody who gave up', async () => {
    const locks = new UserLocks();
    const held = await locks.lock(uid);
    const late = expect(locks.lock(uid, 20)).rejects.toMatchObject({ code: 'E_STOPPING' });
    const next = waiting(locks.lock(uid));
    await late;
    expect(await next.isWaiting()).toBe(true);
    held[Symbol.dispose]();
    using _next = await next.end;
  });
});

describe('the order', () => {
  it('is the data first, and then the end of the sandbox', async () => {
    const locks = new UserLocks();
    const order: string[] = [];
    const engine = {
      stopStarted: async () => {
        order.push('stopped');
        return true;
      },
    };
    const held = await locks.lock(uid);
    const other = waiting(
      locks.lock(uid).then((mine) => {
        order.push('next');
        return mine;
      }),
    );
    const stopped = await stopUser(held, engine);
    expect([stopped.uid, stopped.wasRunning]).toEqual([uid, true]);
    expect(await other.isWaiting()).toBe(true);
    held[Symbol.dispose]();
    using _other = await other.end;
    expect(order).toEqual(['stopped', 'next']);
  });

  it('is one of types: neither is made elsewhere, and one does not stand for the other', () => {
    const movesDisk = (_: StoppedUser): void => {};
    const checked = (held: HeldUser, locks: UserLocks): void => {
      // @ts-expect-error a sandbox may run
      movesDisk(held);
      // @ts-expect-error the data is anybody's
      void stopUser({ uid }, nobody);
      // @ts-expect-error it is not held yet
      void stopUser(locks.lock(uid), nobody);
    };
    expect(checked).toBeTypeOf('function');
  });

  it('ends with the lock: what was stopped may run again', async () => {
    const locks = new UserLocks();
    const held = await locks.lock(uid);
    const stopped = await stopUser(held, nobody);
    held[Symbol.dispose]();
    expect(() => stopped.uid).toThrow(/is not held/);
    await expect(stopUser(held, nobody)).rejects.toMatchObject({ code: 'E_INTERNAL' });
  });
});

describe('a login', () => {
  it('waits for a pause, and for one that was begun while it waited', async () => {
    const pauses = new Pauses();
    const first = pauses.begin(uid);
    const login = waiting(pauses.over(uid, Date.now() + 10_000));
    expect(await login.isWaiting()).toBe(true);
    const second = pauses.begin(uid);
    first[Symbol.dispose]();
    expect(await login.isWaiting()).toBe(true);
    second[Symbol.dispose]();
    await login.end;
  });

  it('is refused when its time is over', async () => {
    const pauses = new Pauses();
    using _pause = pauses.begin(uid);
    await expect(pauses.over(uid, Date.now() + 20)).rejects.toMatchObject({ code: 'E_STOPPING' });
  });
});
