// Builds the programs that somebody waits for in the form that the package has them, which start in half the time:
// a CommonJS bundle, the code that V8 has made of it, and a loader that brings both together.
//   build-packaged.ts FOLDER NODE...
//
// The cache is made here and lies beside the program, where only root can write. Node's own compile cache
// would be made by whoever runs the program first. One that V8 refuses (another version) only costs time.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
// How the runtime of the package is run here: behind an emulator where it is another machine's.
const [target = '.', runtime = process.execPath, ...before] = process.argv.slice(2);
const folder = path.resolve(target);

interface Program {
  readonly name: string;
  readonly entry: string;
  readonly args: readonly string[];
  readonly input: Buffer;
}

function frame(type: string, payload: Buffer): Buffer {
  const header = Buffer.from(`${type}\0\0\0\0`, 'latin1');
  header.writeUInt32LE(payload.length, 1);
  return Buffer.concat([header, payload]);
}

const none = Buffer.alloc(0);
/** 80 columns and 24 rows. */
const size = Buffer.from([80, 0, 24, 0]);
const text = 'a line\r\n\x1b[1;31mred\x1b[m \x1b]2;title\x07\x1b[?2004h\u6f22e\u0301 '.repeat(30);

/** Each with something to do when it is run once, so that V8 compiles what it needs. */
const programs: readonly Program[] = [
  {
    name: 'dockershctl',
    entry: 'src/cli/main.ts',
    // A command that asks the daemon: where none runs, it fails having loaded all that it needs.
    args: ['--socket', '/nonexistent', 'ps'],
    input: none,
  },
  {
    name: 'dockersh-screen',
    entry: 'src/screen/main.ts',
    args: [],
    input: Buffer.concat([
      frame('k', none),
      frame('r', size),
      frame('o', Buffer.from(`${text}\x1b[?1049h\x1b[2;5r\x1b[H${text}`)),
      frame('c', none),
      frame('s', size),
    ]),
  },
];

function loaderOf(name: string): string {
  return `// Loads ${name}.bundle.js with the code that V8 has made of it when the package was built.
'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
// The name is in the code that V8 makes: it must not depend on where the package is built.
const filename = '${name}.bundle.js';
const source = '(function (require, __dirname) {' + readFileSync(__dirname + '/' + filename, 'utf8') + '\\n})';
let cachedData;
try {
  cachedData = readFileSync(__dirname + '/${name}.cache');
} catch {
  // Only slower.
}
const script = new Script(source, cachedData === undefined ? { filename } : { filename, cachedData });
script.runInThisContext()(require, __dirname);
if (process.env.DOCKERSH_WRITE_CACHE !== undefined) {
  // When the package is built. By now V8 has compiled what the program needs.
  process.on('exit', () => writeFileSync(process.env.DOCKERSH_WRITE_CACHE, script.createCachedData()));
}
`;
}

async function buildProgram({ name, entry, args, input }: Program): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: path.join(folder, `${name}.bundle.js`),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    keepNames: true,
    legalComments: 'eof',
    logLevel: 'warning',
    define: { 'import.meta.dirname': '__dirname' },
  });
  writeFileSync(path.join(folder, `${name}.js`), loaderOf(name));
  const cache = path.join(folder, `${name}.cache`);
  rmSync(cache, { force: true });
  // V8 makes the same code of the same source only with this option, which the code does not depend on later.
  try {
    execFileSync(runtime, [...before, '--predictable', path.join(folder, `${name}.js`), ...args], {
      env: { DOCKERSH_WRITE_CACHE: cache },
      input,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
  } catch (error) {
    if (!(error instanceof Error && 'status' in error)) throw error; // it has not even been started
  }
  if (!existsSync(cache)) throw new Error(`no code cache was written for ${name}`);
}

mkdirSync(folder, { recursive: true });
for (const program of programs) await buildProgram(program);
