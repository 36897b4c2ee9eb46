// Holds that nothing is decided by a sentence: a failure has a code (src/lib/failures.ts, errors.ts), and its text is for
// people. Looks for English that is searched for, and for searches in what holds a failure's text.

import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');

/** What others than we say, in words that they give no other sign for; and texts that are a format. */
const allowed: readonly { readonly file: string; readonly text: string; readonly why: string }[] = [
  { file: 'cli/accounts/passwd.ts', text: 'lock', why: 'usermod has one exit status for this and more' },
  { file: 'cli/accounts/test-login.ts', text: '[E_LOGIN_RATE', why: 'a code' },
  { file: 'cli/host/sshd-settings.ts', text: 'Missing privilege separation directory', why: 'sshd -t' },
  { file: 'cli/policy/maintenance.ts', text: '\\p{Cc}', why: 'a message that an administrator gives' },
  { file: 'images/bootstrap/debian.ts', text: 'No space left on device', why: 'mmdebstrap runs others' },
  { file: 'images/bootstrap/debian.ts', text: 'have enough free space in', why: 'as the line before' },
  { file: 'images/import/bundle-kind.ts', text: 'Directory Transport Version: 1.', why: 'skopeo’s format' },
  { file: 'images/registry/auth/credential-helper.ts', text: 'credentials not found', why: 'its protocol' },
  { file: 'images/registry/endpoint.ts', text: 'wrong version number', why: 'OpenSSL, by way of Node' },
  { file: 'isolation/cgroup/usage.ts', text: '^some avg10=', why: 'a format of the kernel’s' },
];

const quoted = String.raw`'((?:[^'\\\n]|\\.)*)'`;
const expression = String.raw`\/((?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/[a-z]*`;
const search = String.raw`\.(?:includes|startsWith|endsWith|indexOf|search|match|matchAll)\(\s*`;
const failures = '(?:why|message|problem|stderr|step|said|detail|reason)';

const all = (pattern: string): RegExp => new RegExp(pattern, 'g');
const ofStrings = [
  { pattern: all(`${search}${quoted}`), isWrong: isSentence },
  { pattern: all(String.raw`(?:===|!==|\bcase)\s*${quoted}`), isWrong: isNative },
  { pattern: all(String.raw`\b${failures}\??${search}${quoted}`), isWrong: hasLetters },
];
const ofExpressions = [
  { pattern: all(String.raw`(?<=[=>(,:!&|?[]\s*|return )${expression}`), isWrong: isSentenceOrFd },
  { pattern: all(String.raw`${expression}\.(?:test|exec)\([^)]*\b${failures}\)`), isWrong: hasLetters },
];

/** Two words beside each other, whatever else an expression asks for. */
function isSentence(text: string): boolean {
  return /[a-z]{2,} [a-z]{2,}/i.test(text.replaceAll(/\\.|\[[^\]]*\]/g, '-'));
}

/** A descriptor's number is not read out of a path: who owns it knows it (src/lib/fds/fd-folder.ts). */
function isSentenceOrFd(text: string): boolean {
  return isSentence(text) || /\bfd\\\/\(/.test(text);
}

function hasLetters(text: string): boolean {
  return /[a-z]{2,}/i.test(text);
}

const native = globSync('native/{addon,common,init,layer,login,supervisor}/**/*.c', { cwd: root })
  .flatMap((file) => [...readFileSync(path.join(root, file), 'utf8').matchAll(/"((?:[^"\\\n]|\\.)*)"/g)])
  .map(([, text = '']) => text);
const sentences = new Set(native.filter(isSentence));

function isNative(text: string): boolean {
  return sentences.has(text);
}

function wrongTexts(source: string): string[] {
  const code = source.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '');
  const found = (rules: typeof ofStrings, text: string): string[] =>
    rules.flatMap(({ pattern, isWrong }) =>
      [...text.matchAll(pattern)].map(([, matched = '']) => matched).filter(isWrong),
    );
  return [...found(ofStrings, code), ...found(ofExpressions, code.replaceAll(all(quoted), "''"))];
}

const used = new Set<string>();
const problems = new Set<string>();
for (const file of globSync('**/*.ts', { cwd: path.join(root, 'src') }).sort()) {
  for (const text of wrongTexts(readFileSync(path.join(root, 'src', file), 'utf8'))) {
    const exception = allowed.find((entry) => entry.file === file && text.includes(entry.text));
    if (exception === undefined) problems.add(`src/${file} decides by a text: ${text}`);
    else used.add(exception.file);
  }
}
for (const { file } of allowed)
  if (!used.has(file)) problems.add(`src/${file} decides by no text any more: take it off the list`);
for (const problem of problems) console.error(problem);
process.exitCode = problems.size === 0 ? 0 : 1;
