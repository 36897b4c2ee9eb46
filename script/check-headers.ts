// Holds the headers of files: each begins with a comment whose first words say what the file does ("Serialises
// operations on a user's layer"), and none with a question word. A C file may leave that to the header file of its name.

import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const sources = [
  '{src,test,bench,script}/**/*.{ts,c,py}',
  'native/**/*.{c,h}',
  '{script,.ci,test/vm}/*',
  'packaging/systemd/*',
];

const comment = /^(?:\/\/|#) /;
/** Lines that may stand above the header. */
const before = /^(?:#!.*|#pragma once|#(?:include|define) .*|\[Unit\]|\s*)$/;
const questions = /^(?:What|Which|Who|Whose|Whom|How|Where|When|Why|Whether|That)\b/i;
/** "dockershctl image pull: …", "script/bench: …", "index.json: …": a name before the description. */
const ownName = /^(?:dockershctl [\w -]+|dockersh-\w+|[\w-]+[./][\w./-]+): /;

/** The header's text from its first word on; undefined where there is none. */
function headerOf(file: string): string | undefined {
  const lines = readFileSync(path.join(root, file), 'utf8').split('\n');
  const first = lines.find((line) => comment.test(line) || !before.test(line));
  return first !== undefined && comment.test(first) ? first.replace(comment, '') : undefined;
}

function problemOf(file: string): string | undefined {
  if (file.endsWith('.c') && existsSync(path.join(root, file.replace(/c$/, 'h')))) return undefined;
  const header = headerOf(file);
  if (header === undefined) return 'no header says what this file does';
  const isQuestion = questions.test(header) || questions.test(header.replace(ownName, ''));
  return isQuestion ? `the header begins with a question word: "${header}"` : undefined;
}

const found = globSync(sources, { cwd: root, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
const problems = [...new Set(found)].sort().flatMap((file) => {
  const problem = problemOf(file);
  return problem === undefined ? [] : [`${file}: ${problem}`];
});
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
