// Holds the shape of the source (HACKING.md, "Rules"): how many files a folder has, of tests as well, how long files and
// functions are, and that no files include or import each other in a circle. Imports for their types alone count as well.

import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Of a folder's own. */
const mostFiles: Readonly<Record<string, number>> = { src: 15, native: 15, test: 20 };
const mostLines = 300;
const mostLinesInC = 70;

const root = path.resolve(import.meta.dirname, '..');
const filesIn = (pattern: string): string[] =>
  globSync(pattern, { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .sort();
const files = filesIn('{src,native}/**/*').filter((file) => !file.startsWith('native/fuzz/corpus/')); // bytes, not text
const text = new Map(files.map((file) => [file, readFileSync(path.join(root, file), 'utf8')]));
const problems: string[] = [];

/** Lines without the last one's end. */
const lengthOf = (content: string): number => content.split('\n').length - 1;

function checkFolders(): void {
  const counts = new Map<string, number>();
  for (const file of [...files, ...filesIn('test/**/*')]) {
    const folder = path.dirname(file);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  for (const [folder, count] of counts) {
    const most = mostFiles[folder.split('/')[0] ?? ''] ?? 0;
    if (count > most) problems.push(`${folder} has ${count} files; here a folder has at most ${most}`);
  }
}

function checkLengths(): void {
  for (const [file, content] of text) {
    const isSource = /\.(ts|c|h)$/.test(file);
    if (isSource && lengthOf(content) > mostLines) {
      problems.push(`${file} has ${lengthOf(content)} lines; a file has at most ${mostLines}`);
    }
    // As clang-format leaves it, a function starts and ends in the first column. TypeScript's are counted by biome.
    if (!file.endsWith('.c')) continue;
    for (const [whole, name] of content.matchAll(/^\w[^\n;]*?(\w+)\([^;{}]*\{\n[\s\S]*?^\}$/gm)) {
      const length = lengthOf(whole) + 1;
      if (length > mostLinesInC) {
        problems.push(`${file}: ${name} has ${length} lines; a function has at most ${mostLinesInC}`);
      }
    }
  }
}

/** A header and the source of the same name are one. */
const moduleOf = (file: string): string => file.replace(/\.[ch]$/, '');

/** Where C finds a header: beside the file, below its program's folder, among what all programs share. */
function includedBy(file: string, name: string): string | undefined {
  const [, program = ''] = file.split('/');
  return [path.dirname(file), `native/${program}`, 'native/common']
    .map((folder) => path.normalize(path.join(folder, name)))
    .find((header) => existsSync(path.join(root, header)));
}

function importsOf(file: string, content: string): string[] {
  if (file.endsWith('.ts')) {
    return [...content.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*(['"])(\.[^'"]+)\1/g)].map(([, , name = '']) =>
      path.normalize(path.join(path.dirname(file), name)),
    );
  }
  return [...content.matchAll(/^#include "([^"]+)"/gm)]
    .map(([, name = '']) => includedBy(file, name))
    .filter((header) => header !== undefined)
    .map(moduleOf)
    .filter((module) => module !== moduleOf(file));
}

function checkCircles(): void {
  const imports = new Map<string, Set<string>>();
  for (const [file, content] of text) {
    const module = moduleOf(file);
    imports.set(module, new Set([...(imports.get(module) ?? []), ...importsOf(file, content)]));
  }
  const done = new Set<string>();
  const visit = (module: string, above: readonly string[]): void => {
    const start = above.indexOf(module);
    if (start >= 0) problems.push(`a circle: ${[...above.slice(start), module].join(' → ')}`);
    if (start >= 0 || done.has(module)) return;
    for (const next of imports.get(module) ?? []) visit(next, [...above, module]);
    done.add(module);
  };
  for (const module of imports.keys()) visit(module, []);
}

checkFolders();
checkLengths();
checkCircles();
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
