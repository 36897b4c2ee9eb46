// Bundles the daemon, the administrator's command, the keeper's screen and the gateway's connection processes into one file each, so that an installed dockersh
// needs no node_modules. The banner gives bundled CommonJS dependencies the `require` and `__dirname` that ESM lacks.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { build, type Plugin } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');

/** ssh2 takes packets of 35,000 bytes, as the protocol demands; OpenSSH's client sends a long command in a longer one. */
const longPackets: Plugin = {
  name: 'long-packets',
  setup({ onLoad }) {
    onLoad({ filter: /ssh2\/lib\/protocol\/crypto\.js$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8');
      const own = text.replace('const MAX_PACKET_SIZE = 35000;', 'const MAX_PACKET_SIZE = 262144;');
      if (own === text) throw new Error(`${file} bounds packets in another way`);
      return { contents: own, loader: 'js' };
    });
  },
};

/** Of prom-client, what the daemon has: its metrics of a process load a tracing library. */
const fewMetrics: Plugin = {
  name: 'few-metrics',
  setup({ onLoad }) {
    onLoad({ filter: /prom-client\/index\.js$/ }, () => ({
      contents: ['registry', 'counter', 'gauge', 'histogram']
        .map((name) => `exports.${name.charAt(0).toUpperCase()}${name.slice(1)} = require('./lib/${name}');`)
        .join('\n'),
    }));
  },
};

/** The ciphers of ssh2's own addon are ours. */
const ownCiphers: Plugin = {
  name: 'own-ciphers',
  setup({ onResolve }) {
    onResolve({ filter: /sshcrypto\.node$/ }, () => ({
      path: path.join(root, 'src/gateway/transport/ciphers.ts'),
    }));
  },
};

/**
 * Node's own modules come by require(): an ES module that imports one has Node read each of its exports first, and one of
 * node:http's loads a whole HTTP client, which took the daemon a quarter of its start.
 */
const requiredBuiltins: Plugin = {
  name: 'required-builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path: name, kind }) =>
      kind === 'import-statement' ? { path: name, namespace: 'builtin' } : undefined,
    );
    onLoad({ filter: /^/, namespace: 'builtin' }, ({ path: name }) => {
      const names = Object.keys(process.getBuiltinModule(name) ?? {}).filter((key) => key !== 'default');
      // What nobody imports is left out.
      const exports = names.map(
        (key) => `const own_${key} = /* @__PURE__ */ own('${key}'); export { own_${key} as ${key} };`,
      );
      return {
        contents: `const all = require('${name}'); const own = (key) => all[key]; export default all;\n${exports.join('\n')}`,
      };
    });
  },
};

/** What a browser gets of the terminal page, by name: it is part of the bundle of who serves it. */
async function pageFiles(): Promise<Record<string, { tag: string; gzip: string }>> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { terminal: 'src/page/main.ts', 'terminal-style': 'src/page/terminal.css' },
    outdir: 'dist/page',
    bundle: true,
    minify: true,
    platform: 'browser',
    target: 'es2022',
    format: 'esm',
    legalComments: 'eof',
    logLevel: 'warning',
    write: false,
  });
  const files = new Map(outputFiles.map(({ path: file, contents }) => [path.basename(file), contents]));
  for (const name of ['index.html', 'icon.svg'])
    files.set(name, await readFile(path.join(root, 'src/page', name)));
  return Object.fromEntries(
    [...files].map(([name, contents]) => [
      name,
      {
        tag: createHash('sha256').update(contents).digest('base64url').slice(0, 22),
        gzip: gzipSync(contents, { level: constants.Z_BEST_COMPRESSION }).toString('base64'),
      },
    ]),
  );
}

await build({
  absWorkingDir: root,
  entryPoints: {
    dockershd: 'src/daemon/main.ts',
    dockershctl: 'src/cli/main.ts',
    'dockersh-screen': 'src/screen/main.ts',
    'dockersh-gateway': 'src/gateway/main.ts',
    'dockersh-web': 'src/gateway/web/main.ts',
  },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // Of ssh2, which does without, or has them for encrypted private keys: none ever comes there.
  external: ['cpu-features', '*.node', 'bufferutil', 'utf-8-validate'],
  define: { dockershPage: JSON.stringify(await pageFiles()) },
  plugins: [requiredBuiltins, longPackets, fewMetrics, ownCiphers],
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
