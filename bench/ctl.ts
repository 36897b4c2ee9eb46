// Measures how long an administrator waits for "dockershctl ps", from the package and from a checkout, in turns.

import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { checkout, ctlBundle, nodeProgram } from '../test/fixtures/paths.ts';
import { run, runOk } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import { notAbove, summarize } from './figures.ts';

export const ctl: Benchmark = async (field, { rounds = 20 }) => {
  const folder = await mkdtemp('/tmp/dockersh-test-');
  try {
    await runOk(nodeProgram, [path.join(checkout, 'script/build-packaged.ts'), folder]);
    const socket = ['--socket', path.join(field.host.runFolder, 'admin.sock')];
    const commands = [
      { name: 'the runtime alone', args: ['--eval', '0'], ms: [] as number[] },
      {
        name: 'dockershctl ps, as packaged',
        args: ['--min-semi-space-size=16', path.join(folder, 'dockershctl.js'), ...socket, 'ps'],
        ms: [] as number[],
      },
      { name: 'dockershctl ps, from a checkout', args: [ctlBundle, ...socket, 'ps'], ms: [] as number[] },
    ] as const;
    for (let round = 0; round < rounds; round += 1) {
      for (const { args, ms } of commands) {
        const started = performance.now();
        const { code } = await run(nodeProgram, args);
        ms.push(performance.now() - started);
        if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`);
      }
    }
    const packaged = summarize(commands[1].ms).median;
    return {
      benchmark: 'ctl',
      title: 'dockershctl ps',
      unit: 'ms',
      rows: commands.map(({ name, ms }) => ({ name, ...summarize(ms) })),
      goals: [notAbove('ms as packaged, below 100', packaged, 100)],
      notes: [],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
