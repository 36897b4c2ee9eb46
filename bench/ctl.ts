// Measures how long an administrator waits for "dockershctl ps", from the package and from a checkout, in turns.

import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { checkout, ctlBundle, nodeProgram } from '../test/fixtures/paths.ts';
import { runOk } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import { notAbove } from './figures.ts';
import { medianOf, timedInTurns } from './turns.ts';

export const ctl: Benchmark = async (field, { rounds = 20 }) => {
  const folder = await mkdtemp('/tmp/dockersh-test-');
  try {
    await runOk(nodeProgram, [path.join(checkout, 'script/build-packaged.ts'), folder]);
    const socket = ['--socket', path.join(field.host.runFolder, 'admin.sock')];
    const packaged = 'dockershctl ps, as packaged';
    const ctlPackaged = path.join(folder, 'dockershctl.js');
    const commands = [
      { name: 'the runtime alone', line: [nodeProgram, '--eval', '0'] },
      { name: packaged, line: [nodeProgram, '--min-semi-space-size=16', ctlPackaged, ...socket, 'ps'] },
      { name: 'dockershctl ps, from a checkout', line: [nodeProgram, ctlBundle, ...socket, 'ps'] },
    ];
    const table = await timedInTurns(commands, rounds);
    return {
      benchmark: 'ctl',
      title: 'dockershctl ps',
      unit: 'ms',
      rows: table,
      goals: [notAbove('ms as packaged, below 100', medianOf(table, packaged), 100)],
      notes: [],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
