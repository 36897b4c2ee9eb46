// Tests of operations that keep a sandbox from starting, and of logins that wait for them.

import { describe, expect, it } from 'vitest';
import { allEnded, Holds } from '../../../src/isolation/sandbox/holds.ts';
import { Pauses } from '../../../src/isolation/sandbox/pause.ts';

const uid = 1000;

/** Lets everything go on that can. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** A login that waits for these. */
function waiting(...gates: Parameters<typeof allEnded>[1]) {
  let isOver = false;
  const end = allEnded(uid, gates, Date.now() + 10_000).then(() => {
    isOver = true;
  });
  const isWaiting = async (): Promise<boolean> => {
    await turn();
    return !isOver;
  };
  return { end, isWaiting };
}

describe('a login', () => {
  it('waits for nobody where nobody has the sandbox', async () => {
    const holds = new Holds();
    using _other = await holds.take(uid + 1);
    await allEnded(uid, [holds, new Pauses()], Date.now());
  });

  it('waits for a hold that was taken while it waited for a pause, and the other way around', async () => {
    const [holds, pauses] = [new Holds(), new Pauses()];
    const pause = pauses.begin(uid);
    const { end, isWaiting } = waiting(holds, pauses);
    expect(await isWaiting()).toBe(true);
    const hold = await holds.take(uid);
    pause[Symbol.dispose]();
    expect(await isWaiting()).toBe(true);
    using second = pauses.begin(uid);
    hold[Symbol.dispose]();
    expect(await isWaiting()).toBe(true);
    second[Symbol.dispose]();
    await end;
  });

  it('waits for all who hold it in turn', async () => {
    const holds = new Holds();
    const first = await holds.take(uid);
    const second = holds.take(uid);
    const { end, isWaiting } = waiting(holds);
    first[Symbol.dispose]();
    const held = await second;
    expect(await isWaiting()).toBe(true);
    held[Symbol.dispose]();
    await end;
  });

  it('is refused when its time is over', async () => {
    const holds = new Holds();
    using _hold = await holds.take(uid);
    await expect(allEnded(uid, [holds], Date.now() + 20)).rejects.toMatchObject({ code: 'E_STOPPING' });
  });
});
