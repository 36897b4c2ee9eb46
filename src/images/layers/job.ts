// Runs jobs of dockersh-layer that report in a line of JSON. The line is bounded: the program reads what users and
// images wrote, and nothing of that may grow in the daemon.

import type * as z from 'zod';
import { collect } from '../../lib/collect.ts';
import { DockershError } from '../../lib/errors.ts';
import { type LayerProgram, layerFailure, runLayerProgram } from './program.ts';

const maxReportBytes = 16 * 1024;

export interface JobOptions {
  /** What failures are about: "measure the layer". */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/** Runs the job to its end; throws what layerFailure makes of its exit status. Returns what it said. */
export async function runLayerJob(
  program: LayerProgram,
  args: readonly string[],
  { what, signal }: JobOptions,
): Promise<string> {
  const { child, ended } = runLayerProgram(program, args, signal);
  const tooLong = (): Error => new DockershError('E_INTERNAL', { what, why: 'the report is too long' });
  const report = await collect(child.stdout, maxReportBytes, tooLong);
  const exit = await ended;
  if (exit.status !== 0) throw layerFailure(what, exit);
  return report.toString('utf8');
}

/** As runLayerJob; what the job said, checked. */
export async function layerReport<Report extends z.ZodType>(
  program: LayerProgram,
  args: readonly string[],
  report: Report,
  options: JobOptions,
): Promise<z.infer<Report>> {
  return report.parse(JSON.parse(await runLayerJob(program, args, options)));
}
