// Holds the documents to the code: every path of the repository, link, error code, program, policy key, and verb and
// option of dockershctl that they name exists, and every verb is named. Comments are held to it for paths. The tables
// that a unit test compares with the code (docs/protocol.md, the checks of doctor) and pages that are generated
// (docs/policy.md, the options in the man pages) are not looked through twice.

import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../src/cli/program.ts';
import { isErrorCode } from '../src/lib/errors.ts';
import { version } from '../src/lib/version.ts';
import { gatewaySection, hostSection, imagesSection, policyKeys } from '../src/policy/schema.ts';
import { visibleCommands } from './commands.ts';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((file) => existsSync(path.join(root, file)));
const names = new Set(tracked.map((file) => path.basename(file)));
const pages = tracked.filter((file) => /^(?:docs\/)?[\w-]+\.md$/.test(file));
const manuals = tracked.filter((file) => file.startsWith('packaging/man/'));
const sources = tracked.filter((file) => /^(?:src|native|test|script|bench)\/.*\.(?:ts|c|h)$/.test(file));

const problems: string[] = [];
const report = (file: string, text: string): void => {
  problems.push(`${file}: ${text}`);
};

/** What stands in backquotes, and the lines of indented blocks. */
function codeOf(text: string): string[] {
  const spans = [...text.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replaceAll('\n', ' '));
  const blocks = [...text.matchAll(/^ {4,}(\S.*)$/gm)].map(([, line = '']) => line);
  return [...spans, ...blocks];
}

/** "a{b,c}d" as abd and acd. */
function expanded(text: string): string[] {
  const [whole, inner] = /\{([^{}]*)\}/.exec(text) ?? [];
  if (whole === undefined || inner === undefined) return [text];
  return inner.split(',').flatMap((part) => expanded(text.replace(whole, () => part)));
}

const folders = /(?<![\w./~$-])(?:src|native|test|script|packaging|bench|docs|etc)\/[\w./{},*-]*[\w}*]/g;
const isThere = (file: string): boolean =>
  file.includes('*') ? globSync(file, { cwd: root }).length > 0 : existsSync(path.join(root, file));

function checkPaths(file: string, text: string): void {
  for (const [named] of text.matchAll(folders))
    for (const one of expanded(named)) if (!isThere(one)) report(file, `there is no ${one}`);
}

const foreignFiles = new Set(['sysexits.h']);
/** Files that are named without their folder. */
function checkNames(file: string, code: readonly string[]): void {
  for (const span of code.filter((each) => /^[\w{},-]+(?:\.test)?\.(?:ts|c|h|md)$/.test(each)))
    for (const one of expanded(span))
      if (!names.has(one) && !foreignFiles.has(one)) report(file, `there is no file ${one}`);
}

const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

function checkLinks(file: string, text: string): void {
  for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(target)) continue;
    const [page = '', anchor] = target.split('#');
    const at = page === '' ? file : path.join(path.dirname(file), page);
    if (!existsSync(path.join(root, at))) report(file, `the link to ${target} leads nowhere`);
    else if (anchor !== undefined) {
      const headings = [...read(at).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
      if (!headings.includes(anchor)) report(file, `${at} has no heading #${anchor}`);
    }
  }
}

function checkCodes(file: string, text: string): void {
  for (const [code] of text.matchAll(/\bE_[A-Z][A-Z_]*[A-Z]\b/g))
    if (!isErrorCode(code)) report(file, `there is no error code ${code}`);
}

/** Programs, units and the like: what is called so must be called so in what is built or installed. */
const built = tracked
  .filter(
    (file) => /^(?:src|native|packaging\/(?!man)|script|test|\.ci)/.test(file) && !file.includes('/corpus/'),
  )
  .map(read)
  .join('\n');
function checkPrograms(file: string, text: string): void {
  const named = text.matchAll(
    /(?<![\w./-])dockersh(?:d|ctl)?(?:-[a-z]+)*(?:\.(?:service|socket|slice))?(?![\w-])/g,
  );
  for (const [name] of named) if (!built.includes(name)) report(file, `nothing is called ${name}`);
}

const keys = new Set(
  [...policyKeys, ...imagesSection.keys, ...hostSection.keys, ...gatewaySection.keys].map(String),
);
/** Settings of other programs' files. */
const foreignKeys = new Set(['override_shell', 'forward_path']);
function checkKeys(file: string, code: readonly string[]): void {
  for (const span of code) {
    const [, key] = /^(?:\[(?:images|host|gateway|defaults)\] )?([a-z]\w*) = /.exec(span) ?? [];
    const [, alone] = /^\[(?:images|host|gateway|defaults)\] ([a-z]\w*)$/.exec(span) ?? [];
    const named = key ?? alone;
    if (named !== undefined && !keys.has(named) && !foreignKeys.has(named))
      report(file, `the policy has no key ${named}`);
  }
}

/**
 * In the table of clients each row names a test, which is there and is tried in every mode, or at each server where it is about
 * clients alone; through the gateway where it says so.
 */
function checkTests(file: string, text: string): void {
  for (const [row] of text.matchAll(/^\| (?!client |---).*$/gm)) {
    const [, gateway = '', test = '', named = ''] =
      /\| ([^|]*) \| `(test\/[^`]+)`: (`[^|]*`) \|$/.exec(row) ?? [];
    const source = tracked.includes(test) ? read(test) : '';
    const wanted =
      gateway === 'yes'
        ? /\.each\((?:everyMode|everyWay|eachServer)\)/
        : /\.each\((?:modes|everyMode|ways|everyWay)\)/;
    if (!wanted.test(source)) report(file, `no test in every mode: ${row}`);
    for (const [, title = ''] of named.matchAll(/`([^`]+)`/g)) {
      const words = title.split('…').map((part) => part.replaceAll(/[$()*+.?[\]^{|}]/g, '\\$&'));
      const pattern = words.join('(?:%[a-z])');
      // As the text of a test, or as the key of a table of tests.
      if (!new RegExp(`(["'\`])${pattern}\\1|(?:^|[{,]) *${pattern}: `, 'm').test(source))
        report(file, `${test} has no test "${title}"`);
    }
  }
}

const program = buildProgram({ stdout: process.stdout, stderr: process.stderr }, version, () => {});
/** The command that words begin with, and how many of the words are its name. */
function commandOf(words: readonly string[]): { readonly command: Command; readonly depth: number } {
  let command: Command = program;
  for (const [depth, word] of words.entries()) {
    const next = command.commands.find((sub) => sub.name() === word || sub.aliases().includes(word));
    if (next === undefined) return { command, depth };
    command = next;
  }
  return { command, depth: words.length };
}

const spoken = new Set<Command>();
function checkVerbs(file: string, code: readonly string[]): void {
  for (const span of code.filter((each) => !/^\w+ = /.test(each))) {
    const [, after] = /(?:^|sudo )dockershctl (.*)$/.exec(span) ?? [];
    const words = (after ?? span).split(/ -- | {2,}|[;|]/)[0]?.match(/[^\s[\]()=,"`]+/g) ?? [];
    const { command, depth } = commandOf(words.filter((word) => word !== '--json'));
    if (depth === 0) {
      if (after !== undefined && /^[a-z]/.test(after)) report(file, `dockershctl has no verb: ${span}`);
      continue;
    }
    spoken.add(command);
    if (command.commands.length > 0 && words.length > depth && /^[a-z]/.test(words[depth] ?? ''))
      report(file, `there is no such command: ${span}`);
    const known = [...command.options, ...program.options].map(({ long }) => long);
    for (const option of words.filter((word) => /^--[a-z]/.test(word)))
      if (!known.includes(option)) report(file, `${command.name()} has no option ${option}: ${span}`);
  }
}

function leaves(command: Command): readonly Command[] {
  const below = visibleCommands(command);
  return below.length === 0 ? [command] : below.flatMap(leaves);
}

for (const file of pages) {
  const text = read(file);
  const code = codeOf(text);
  checkPaths(file, text);
  checkNames(file, code);
  checkLinks(file, text);
  checkCodes(file, text);
  checkPrograms(file, text);
  checkKeys(file, code);
  checkVerbs(file, code);
  if (file === 'docs/clients.md') checkTests(file, text);
}
for (const file of manuals) {
  const text = read(file)
    .replace(/\\f[BRI]/g, '')
    .replaceAll('\\-', '-');
  checkCodes(file, text);
  checkPrograms(file, text);
  const lines = text.split('\n').map((line) => line.replace(/^\.\w+ /, ''));
  checkVerbs(
    file,
    lines.filter((line) => line.startsWith('dockershctl ')),
  );
}
for (const file of sources) {
  const comments = read(file).match(/(?:^|\s)(?:\/\/|\/?\*{1,2}) .*$/gm) ?? [];
  for (const comment of comments)
    for (const [named] of comment.matchAll(folders))
      if (/\.(?:ts|c|h|md)\}?$/.test(named)) checkPaths(file, named);
}
for (const command of leaves(program))
  if (!spoken.has(command)) report('docs', `nothing says what "${command.name()}" of dockershctl does`);

for (const problem of new Set(problems)) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
