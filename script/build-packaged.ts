// Builds dockershctl in the form that the package has it, which starts in half the time: a bundle of one script,
// the code that V8 has made of it, and a loader that brings both together.   build-packaged.ts FOLDER NODE...
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

const loader = `// Loads dockershctl.bundle.js with the code that V8 has made of it when the package was built.
'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
// The name is in the code that V8 makes: it must not depend on where the package is built.
const filename = 'dockershctl.bundle.js';
const source = '(function (require, __dirname) {' + readFileSync(__dirname + '/' + filename, 'utf8') + '\\n})';
let cachedData;
try {
  cachedData = readFileSync(__dirname + '/dockershctl.cache');
} catch {
  // Only slower.
}
const script = new Script(source, cachedData === undefined ? { filename } : { filename, cachedData });
script.runInThisContext()(require, __dirname);
if (process.env.DOCKERSHCTL_WRITE_CACHE !== undefined) {
  // When the package is built. By now V8 has compiled what a command needs.
  process.on('exit', () => writeFileSync(process.env.DOCKERSHCTL_WRITE_CACHE, script.createCachedData()));
}
`;

mkdirSync(folder, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: ['src/cli/main.ts'],
  outfile: path.join(folder, 'dockershctl.bundle.js'),
  bundle: true,
  platform: 'node',
  target: 'node24',
  // Nothing takes what it exports.
  format: 'iife',
  legalComments: 'eof',
  logLevel: 'warning',
  define: { 'import.meta.dirname': '__dirname', 'import.meta.main': 'true' },
});
writeFileSync(path.join(folder, 'dockershctl.js'), loader);
const cache = path.join(folder, 'dockershctl.cache');
rmSync(cache, { force: true });
// A command that asks the daemon: where none runs, it fails having loaded all that it needs. V8 makes the same
// code of the same source only with this option, which the code does not depend on later.
try {
  execFileSync(
    runtime,
    [...before, '--predictable', path.join(folder, 'dockershctl.js'), '--socket', '/nonexistent', 'ps'],
    {
      env: { DOCKERSHCTL_WRITE_CACHE: cache },
      stdio: 'ignore',
    },
  );
} catch (error) {
  if (!(error instanceof Error && 'status' in error)) throw error; // it has not even been started
}
if (!existsSync(cache)) throw new Error('no code cache was written');
