// `npm run check`: runs every static check, each reported on a line of its own, with output only for what failed.
// Steps given by name run alone: `npm run check -- types imports`. A tool that is not installed is a skipped step,
// and a failed one with DOCKERSH_TESTS_MUST_RUN=1.

import { spawn } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';

interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}
interface Outcome {
  readonly step: Step;
  readonly state: 'ok' | 'failed' | 'missing';
  readonly ms: number;
  readonly output: string;
}

const root = path.resolve(import.meta.dirname, '..');
const mustRun = process.env['DOCKERSH_TESTS_MUST_RUN'] === '1';
const bin = (name: string): string => path.join(root, 'node_modules/.bin', name);
const own = (name: string, ...args: string[]): readonly string[] => [
  path.join(import.meta.dirname, name),
  ...args,
];

/** Regular files that match, relative to the project's folder. */
function filesOf(...patterns: string[]): string[] {
  return globSync(patterns, { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith('native/fuzz/corpus/')) // bytes, not text
    .sort();
}

/** Files that start with a shell's name on their first line, or end in .sh. */
function shellScripts(): string[] {
  const isShell = (file: string): boolean =>
    file.endsWith('.sh') ||
    /^#!\s*\S*[/ ](ba|da)?sh\b/.test(readFileSync(path.join(root, file), 'latin1').slice(0, 80));
  return filesOf('{script,bench,test,packaging,native,.ci}/**/*').filter(isShell);
}

const steps: readonly Step[] = [
  { name: 'types', command: bin('tsc'), args: ['--noEmit'] },
  { name: 'page-types', command: bin('tsc'), args: ['--noEmit', '-p', 'src/page'] },
  { name: 'biome', command: bin('biome'), args: ['ci', '--max-diagnostics=50'] },
  { name: 'promises', command: process.execPath, args: own('check-promises.ts') },
  { name: 'imports', command: process.execPath, args: own('check-imports.ts') },
  { name: 'structure', command: process.execPath, args: own('check-structure.ts') },
  { name: 'owners', command: process.execPath, args: own('check-owners.ts') },
  { name: 'headers', command: process.execPath, args: own('check-headers.ts') },
  { name: 'docs', command: process.execPath, args: own('check-docs.ts') },
  { name: 'matched-text', command: process.execPath, args: own('check-matched-text.ts') },
  { name: 'unused', command: bin('knip'), args: ['--no-progress'] },
  { name: 'policy-docs', command: process.execPath, args: own('gen-policy-docs.ts', '--check') },
  { name: 'system-calls-docs', command: process.execPath, args: own('gen-system-calls.ts', '--check') },
  {
    name: 'clang-format',
    command: 'clang-format',
    args: ['--dry-run', '-Werror', '--ferror-limit=1', ...filesOf('native/**/*.{c,h}')],
  },
  { name: 'shellcheck', command: 'shellcheck', args: ['-x', ...shellScripts()] },
  {
    name: 'codespell',
    command: 'codespell',
    // afterAll is vitest's; the other one is a mistake that tests make on purpose.
    args: [
      '--ignore-words-list=afterall,memroy',
      ...filesOf('{src,native,test,script,bench,docs,etc,packaging,.ci}/**/*', '*.md'),
    ],
  },
];

/** A step with no file to look at ends at once: clang-format and shellcheck would read standard input. */
function hasWork(step: Step): boolean {
  return (
    !['clang-format', 'shellcheck'].includes(step.name) ||
    step.args.some((arg) => existsSync(path.join(root, arg)))
  );
}

async function run(step: Step): Promise<Outcome> {
  const start = performance.now();
  if (!hasWork(step)) return { step, state: 'ok', ms: 0, output: '' };
  const child = spawn(step.command, step.args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const state = await new Promise<Outcome['state']>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve('missing');
      else reject(error);
    });
    child.on('close', (status) => resolve(status === 0 ? 'ok' : 'failed'));
  });
  return { step, state, ms: performance.now() - start, output: Buffer.concat(chunks).toString().trimEnd() };
}

function report({ step, state, ms, output }: Outcome): boolean {
  const bad = state === 'failed' || (state === 'missing' && mustRun);
  const label = state === 'missing' ? `${step.command} is not installed` : `${Math.round(ms)} ms`;
  console.log(
    `${bad ? 'FAILED' : state === 'missing' ? 'skipped' : 'ok'.padEnd(6)}  ${step.name.padEnd(13)} ${label}`,
  );
  if (state === 'failed') console.log(output.replace(/^/gm, '    '));
  return bad;
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(
    `no such check: ${unknown.join(' ')} (there are: ${steps.map((step) => step.name).join(' ')})`,
  );
  process.exitCode = 64;
} else {
  const chosen = wanted.length === 0 ? steps : steps.filter((step) => wanted.includes(step.name));
  const outcomes = await Promise.all(chosen.map(run));
  process.exitCode = outcomes.map(report).includes(true) ? 1 : 0;
}
