// The disk on cgroups of version 2: what is written into the page cache counts as well, and what a sandbox waits for is
// shown.

import { describe, expect, it } from 'vitest';
import { type OnKernel, patience, testMs } from './on-kernel.ts';

/** Three MiB, or 30 operations: three seconds where 1M or 10 a second are allowed. */
const steps = {
  written: 'dd if=/dev/zero of=big bs=64k count=48 oflag=direct',
  read: 'dd if=big of=/dev/null bs=64k count=48 iflag=direct',
  'written back': 'dd if=/dev/zero of=cached bs=64k count=48 conv=fsync',
} as const;
const operations = {
  written: 'dd if=/dev/zero of=big bs=4k count=30 oflag=direct conv=notrunc',
  read: 'dd if=big of=/dev/null bs=4k count=30 iflag=direct',
} as const;
const limited = { io_read: '1M', io_write: '1M' };

/**
 * Milliseconds that each takes, one after the other, as the user's own clock has it. Of several rounds the shortest: what
 * else the machine under the emulator has to do makes them longer.
 */
async function times(
  on: OnKernel,
  user: string,
  commands: Readonly<Record<string, string>>,
  rounds = 1,
): Promise<Record<string, number>> {
  const script = Object.values(commands).map(
    (command) => `s=$(date +%s%N); ${command} 2>/dev/null || exit 9; echo $((($(date +%s%N) - s) / 1000000))`,
  );
  const text = await on.inside(user, `for round in $(seq ${rounds}); do\n${script.join('\n')}\ndone`);
  const numbers = text.trim().split('\n').map(Number);
  const names = Object.keys(commands);
  const ofAll = (first: number): number[] => numbers.filter((_, index) => index % names.length === first);
  return Object.fromEntries(names.map((name, index) => [name, Math.min(...ofAll(index))]));
}

interface Stats {
  readonly user: string;
  readonly memoryBytes: number;
  readonly pids: number;
  readonly cpuUsec: number;
  readonly swapBytes: number;
  readonly pressure: { readonly cpu: number; readonly memory: number; readonly io: number };
}

export function diskTests(on: OnKernel): void {
  /** Nothing is said before the first time. */
  const stat = async (user: string, what: string): Promise<number> =>
    Number(new RegExp(`${what}=(\\d+)`).exec(await on.file(user, 'io.stat'))?.[1] ?? 0);

  describe('disk', () => {
    it(
      'io_read and io_write hold past the page cache and through it, for one sandbox alone',
      async () => {
        await on.policy({ user15: limited });
        await on.inside('user15', 'true');
        await on.inside('user16', 'true');
        const before = await stat('user15', 'wbytes');
        const [slow, free] = await Promise.all([times(on, 'user15', steps), times(on, 'user16', steps, 3)]);
        for (const name of Object.keys(steps)) {
          expect(slow[name], `${name}: ${JSON.stringify([slow, free])}`).toBeGreaterThan(2_200);
          expect(free[name], `${name}: ${JSON.stringify([slow, free])}`).toBeLessThan((slow[name] ?? 0) / 2);
        }
        expect((await stat('user15', 'wbytes')) - before).toBeGreaterThanOrEqual(6 * 1024 ** 2);
      },
      testMs,
    );

    it(
      'io_read_ops and io_write_ops count operations, however small, also when they come while it runs',
      async () => {
        const most = { io_read_ops: 10, io_write_ops: 10 };
        const disk = (await on.root('cat /sys/class/block/vda/dev')).trim();
        const told = `${disk} rbps=max wbps=max riops=10 wiops=10`;
        await on.policy({ user15: most }, ['user15', 'io.max', told]);
        const [slow, free] = await Promise.all([
          times(on, 'user15', operations),
          times(on, 'user16', { ...operations, written: `${steps.written}; ${operations.written}` }, 3),
        ]);
        for (const name of Object.keys(operations)) {
          expect(slow[name], `${name}: ${JSON.stringify([slow, free])}`).toBeGreaterThan(2_200);
          expect(free[name], `${name}: ${JSON.stringify([slow, free])}`).toBeLessThan((slow[name] ?? 0) / 2);
        }
      },
      testMs,
    );

    it(
      'who waits for it is seen in stats and top, with what the kernel says, until the limit goes',
      async () => {
        await on.policy({ user15: limited });
        await using running = await on.start(
          'user15',
          'echo on; dd if=/dev/zero of=big bs=64k count=4000 oflag=direct; echo done', // for 250 s
          'on\n',
        );
        const folder = on.folder('user15');
        const look = `grep -h ^some ${folder}/{cpu,memory,io}.pressure; grep usage_usec ${folder}/cpu.stat; cat ${folder}/{memory.current,memory.swap.current,pids.current}`;
        const [first = '', answer = '', last = ''] = (
          await on.root(`sleep 6; ${look}; echo //; dockershctl --json stats; echo //; ${look}`)
        ).split('//\n');
        const numbers = (text: string): number[] =>
          text
            .trim()
            .split('\n')
            .map((line) => Number(/avg10=([\d.]+)/.exec(line)?.[1] ?? line.split(' ').at(-1)));
        const { sandboxes } = JSON.parse(answer) as { sandboxes: Stats[] };
        const shown = sandboxes.find(({ user }) => user === 'user15');
        if (shown === undefined) throw new Error(answer);
        const [cpu, memory, io, usec, bytes, swap, pids] = numbers(first);
        const later = numbers(last);
        const { pressure } = shown;
        // An average of 10 seconds, which the kernel takes anew every 2: it moves, but not far.
        const isBetween = (value: number, one = Number.NaN, other = Number.NaN): void => {
          expect(value, answer).toBeGreaterThanOrEqual(Math.min(one, other) - 20);
          expect(value, answer).toBeLessThanOrEqual(Math.max(one, other) + 20);
        };
        expect(pressure.io, answer).toBeGreaterThan(25);
        isBetween(pressure.io, io, later[2]);
        isBetween(pressure.cpu, cpu, later[0]);
        isBetween(pressure.memory, memory, later[1]);
        expect(shown.cpuUsec).toBeGreaterThanOrEqual(usec ?? Number.POSITIVE_INFINITY);
        expect(shown.cpuUsec).toBeLessThanOrEqual(later[3] ?? 0);
        expect(Math.abs(shown.memoryBytes - (bytes ?? 0))).toBeLessThan(4 * 1024 ** 2);
        expect([shown.swapBytes, shown.pids]).toEqual([swap, (pids ?? 0) - 2]); // PID 1 and the spawner are ours
        const seen = `grep -aqE 'user15 +1 .* [1-9][0-9.]*%' /root/top`;
        const top = await on.root(
          `script -qfec 'timeout 120 dockershctl top --sort processes' /root/top >/dev/null & top=$!
          for i in $(seq 300); do ${seen} && break; sleep .2; done; kill $top; ${seen} && echo seen || cat /root/top`,
        );
        expect(top).toBe('seen\n');

        const wasSlow = running.exited;
        await on.policy({});
        await running.waitForOutput('done', patience.timeoutMs);
        expect(wasSlow).toBe(false);
      },
      testMs,
    );
  });
}
