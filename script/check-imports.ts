// Holds the direction of imports (ARCHITECTURE.md): an area of src may import only the areas listed for
// it, the native addon has one loader, and nothing that ships imports tests or tools.

import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');

const allowed: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  protocol: ['lib', 'limits'],
  limits: ['lib'],
  policy: ['lib', 'limits'],
  seccomp: ['lib'],
  images: ['lib'],
  isolation: ['lib', 'limits'],
  users: ['lib', 'limits', 'policy', 'images', 'isolation'],
  shell: ['lib', 'protocol', 'policy', 'images', 'isolation'],
  daemon: ['lib', 'limits', 'protocol', 'policy', 'seccomp', 'images', 'isolation', 'users', 'shell'],
  cli: ['lib', 'protocol', 'policy', 'seccomp'],
  screen: [],
  gateway: ['lib', 'isolation'],
  page: ['lib'],
};
const addonLoader = 'src/isolation/addon.ts';
const addonUsers: readonly string[] = ['isolation', 'users', 'gateway'];
const importPattern = /(?:\bfrom|\bimport)\s*\(?\s*(['"])(\.[^'"]+)\1/g;

function areaOf(file: string): string {
  const [top, area] = file.split('/');
  return top === 'src' && area !== undefined ? area : (top ?? '');
}

function problemWith(file: string, imported: string): string | undefined {
  const from = areaOf(file);
  const to = areaOf(imported);
  if (imported === 'package.json') return undefined;
  if (!imported.startsWith('src/')) return `${file} imports ${imported}, which does not ship`;
  if (imported === addonLoader && !addonUsers.includes(from))
    return `${file} imports the addon; only ${addonUsers.join(' and ')} may`;
  if (from === to || allowed[from]?.includes(to) === true) return undefined;
  return `${file} imports ${imported}; ${from} may import only: ${(allowed[from] ?? []).join(', ') || 'nothing'}`;
}

const problems: string[] = [];
for (const file of globSync('src/**/*.ts', { cwd: root }).sort()) {
  if (allowed[areaOf(file)] === undefined) problems.push(`${file} is in no known area of src`);
  const text = readFileSync(path.join(root, file), 'utf8');
  for (const [, , specifier] of text.matchAll(importPattern)) {
    const imported = path.relative(root, path.resolve(root, path.dirname(file), specifier ?? ''));
    const problem = problemWith(file, imported);
    if (problem !== undefined) problems.push(problem);
  }
  if (/\bdlopen\b|\bcreateRequire\b/.test(text) && file !== addonLoader) {
    problems.push(`${file} loads native code; only ${addonLoader} may`);
  }
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
