// Writes docs/policy.md, the reference of every policy key, from the schema; with --check it only says
// whether the file is up to date.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hasErrno } from '../src/lib/errors.ts';
import { describeImagesKey, describePolicyKey, imagesKeys, policyKeys } from '../src/policy/schema.ts';
import type { KeyDoc } from '../src/policy/section-schema.ts';

const target = path.resolve(import.meta.dirname, '../docs/policy.md');

const applies = {
  sandbox: "when the user's sandbox next starts",
  session: 'at the next login',
  image: 'with the next pull, push or import',
} as const;

function keySection(key: string, description: KeyDoc): string {
  const { doc, values, defaultText, example, applies: at } = description;
  const fallback = defaultText === undefined ? '–' : `\`${defaultText}\``;
  return [
    `### ${key}`,
    '',
    '| accepted | default | example | a change applies |',
    '| --- | --- | --- | --- |',
    `| ${values} | ${fallback} | \`${example}\` | ${applies[at]} |`,
    '',
    doc,
    '',
  ].join('\n');
}

const text = `# Policy

<!-- Generated from src/policy/schema.ts by "npm run gen". -->

\`/etc/dockersh/dockersh.ini\` decides what each user gets. It must belong to root, and so must every
folder above it; nobody else may be able to write to any of them, or dockershd refuses the file.

\`dockershctl policy check [FILE]\` names every problem with its line.

## The file

\`\`\`ini
; settings of everybody
[defaults]
image = host
memory = 2G

; settings of one user, over those of [defaults]
[user:alice]
memory = 8G
linger = 8h

; settings for all images
[images]
max_bytes = 16G
\`\`\`

- A setting is \`key = value\`. \`;\` and \`#\` start a comment, also after a value.
- \`[user:NAME]\` takes the name as the user database has it, letter by letter: \`[user:j.doe]\`,
  \`[user:LAB\\jdoe]\` and \`[user:jdoe@lab.example]\` are names like any other.
- For each key the first of these counts: \`[user:NAME]\`, \`[defaults]\`, the default below.
- A user for whom no \`image\` results is refused at login.
- An unknown key or section, a key or section given twice and a value that is not accepted are errors:
  nothing of the file is used then.
- Sizes: a number and one of \`B\`, \`K\`, \`M\`, \`G\`, \`T\`, in powers of 1024: \`512M\`, \`1.5G\`.
- Durations: \`250ms\`, \`30s\`, \`10m\`, \`8h\`, \`2d\`, also together: \`1h30m\`.

## Keys of [defaults] and [user:NAME]

${policyKeys
  .map((key) => keySection(key, describePolicyKey(key)))
  .join('\n')
  .trimEnd()}

## Keys of [images]

${imagesKeys
  .map((key) => keySection(key, describeImagesKey(key)))
  .join('\n')
  .trimEnd()}
`;

function current(): string {
  try {
    return readFileSync(target, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

if (process.argv.includes('--check')) {
  if (current() !== text) {
    console.error('docs/policy.md is not what src/policy/schema.ts says: run "npm run gen"');
    process.exitCode = 1;
  }
} else {
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
}
