// Holds the ownership of descriptors (src/lib/fd.ts): an owner that is made stands in a `using` declaration, or goes
// at once to whoever keeps it. In a `const` nobody would close it where the next statement throws.

import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const owners = 'OwnedFd|SeqpacketConnection|MountedDiskImage|FileWatch';
const rules = [
  {
    pattern: new RegExp(`^\\s*(?:const|let|var)\\s+\\w+(?:: \\w+)?\\s*=\\s*new (?:${owners})\\(`),
    what: 'the owner of a descriptor needs "using", or a stack that is used',
  },
  { pattern: /new OwnedFd\([^)]*\.borrow\(\)/, what: 'a descriptor that is borrowed gets a second owner' },
];

const problems = globSync('src/**/*.ts', { cwd: root })
  .sort()
  .flatMap((file) => {
    const lines = readFileSync(path.join(root, file), 'utf8').split('\n');
    return lines.flatMap((line, index) =>
      rules.filter(({ pattern }) => pattern.test(line)).map(({ what }) => `${file}:${index + 1}: ${what}`),
    );
  });
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
