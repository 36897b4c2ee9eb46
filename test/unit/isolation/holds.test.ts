import { describe, expect, it } from 'vitest';
import { allEnded, Holds } from '../../../src/isolation/holds.ts';
import { Pauses } from '../../../src/isolation/pause.ts';

const uid = 1000;

/** Lets everything go on that can. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('a login', () => {
  it('waits for nobody where nobody has the sandbox', async () => {
    const holds = new Holds();
    using _other = await holds.take(uid + 1);
    await allEnded(uid, [holds, new Pauses()], Date.now());
  });

  it('waits for a hold that was taken while it waited for a pause, and the other way around', async () => {
    const [holds, pauses] = [new Holds(), new Pauses()];
    let free = false;
    const pause = pauses.begin(uid);
    const waiting = allEnded(uid, [holds, pauses], Date.now() + 10_000).then(() => (free = true));
    await turn();
    const hold = await holds.take(uid);
    pause[Symbol.dispose]();
    await turn();
    expect(free).toBe(false);
    using second = pauses.begin(uid);
    hold[Symbol.dispose]();
    await turn();
    expect(free).toBe(false);
    second[Symbol.dispose]();
    await waiting;
  });

  it('waits for all who hold it in turn', async () => {
    const holds = new Holds();
    const first = await holds.take(uid);
    const second = holds.take(uid);
    let free = false;
    const waiting = allEnded(uid, [holds], Date.now() + 10_000).then(() => (free = true));
    first[Symbol.dispose]();
    const held = await second;
    await turn();
    expect(free).toBe(false);
    held[Symbol.dispose]();
    await waiting;
  });

  it('is refused when its time is over', async () => {
    const holds = new Holds();
    using _hold = await holds.take(uid);
    await expect(allEnded(uid, [holds], Date.now() + 20)).rejects.toMatchObject({ code: 'E_STOPPING' });
  });
});
