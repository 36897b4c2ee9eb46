// Bundles the daemon, the administrator's command, the keeper's screen and the gateway's connection process into one file each, so that an installed dockersh
// needs no node_modules. The banner gives bundled CommonJS dependencies the `require` and `__dirname` that ESM lacks.

import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');

await build({
  absWorkingDir: root,
  entryPoints: {
    dockershd: 'src/daemon/main.ts',
    dockershctl: 'src/cli/main.ts',
    'dockersh-screen': 'src/screen/main.ts',
    'dockersh-gateway': 'src/gateway/main.ts',
  },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  keepNames: true,
  // Of ssh2, which does without, or has them for encrypted private keys: none ever comes there.
  external: ['cpu-features', '*.node'],
  alias: { 'bcrypt-pbkdf': 'node:crypto' },
  legalComments: 'eof',
  logLevel: 'warning',
  banner: {
    js: [
      "import { createRequire as dockershCreateRequire } from 'node:module';",
      'const require = dockershCreateRequire(import.meta.url);',
      'const __dirname = import.meta.dirname;',
    ].join('\n'),
  },
});
