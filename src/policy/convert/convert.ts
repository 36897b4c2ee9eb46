// Converts the configuration of the dockersh of 2014 (/etc/dockershrc, in the style of git's: [dockersh] and [user
// "name"]) into a policy. What has no equivalent is named, never guessed. Pure.

import { parsePolicy } from '../parse/parse.ts';
import type { OptionWord } from './docker-options.ts';
import { convertOptions, type Note } from './options.ts';

export interface Converted {
  /** A policy file. */
  readonly text: string;
  /** What was left out, with its line and what to do instead. */
  readonly notes: readonly { readonly line: number; readonly message: string }[];
}

interface OldSetting {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

interface OldSection {
  /** Another is read over, with what stands in it. */
  readonly known: boolean;
  /** undefined: [dockersh], for everybody. */
  readonly user: string | undefined;
  readonly line: number;
  readonly settings: OldSetting[];
}

/** Old setting by old setting: lines of the new section. */
type Rule = (setting: OldSetting, note: Note) => string[];

const left =
  (why: string): Rule =>
  ({ name, line }, note) => {
    note(line, `${name}: left out; ${why}`);
    return [];
  };

/** The old files interpolate %u and %h alone. */
const rules: ReadonlyMap<string, Rule> = new Map(
  Object.entries({
    imagename: ({ value }) => [`image = ${value}`],
    shell: ({ value }) => [`shell = ${value}`],
    mounthome: ({ value }) => (isOn(value) ? ['home = host'] : ['home = private']),
    containername: left('sandboxes belong to users and need no names'),
    mounthometo: left("the home is always at the user's usual path"),
    mounthomefrom: left(
      '"home = host" takes the home of the user database; other folders can be added with "mounts"',
    ),
    mounttmp: left('every sandbox has a /tmp of its own'),
    usercwd: left('logins start at home'),
    containerusername: left('users are themselves inside'),
    entrypoint: left('a sandbox needs no process that keeps it running; "linger" says how long it stays'),
    cmd: left('a sandbox needs no process that keeps it running; "linger" says how long it stays'),
    reverseforward: left('nothing outside is reached from a sandbox by a port'),
    mountdockersocket: left('whoever reaches that socket is root of the host'),
    dockersocket: left('no Docker is needed'),
    enableuserconfig: () => [],
  } satisfies Record<string, Rule>),
);

/** Switches of what users may set, with the key that it is now. */
const userSwitches: ReadonlyMap<string, string> = new Map([
  ['enableuserimagename', 'image'],
  ['enableusershell', 'shell'],
]);

const isOn = (value: string): boolean => !['false', 'no', 'off', '0'].includes(value.toLowerCase());

export function convertOldConfig(text: string): Converted {
  const notes: { line: number; message: string }[] = [];
  const note: Note = (line, message) => notes.push({ line, message });
  const sections = readOld(text, note);
  const enabled = sections.some(({ settings }) => has(settings, 'enableuserconfig'));
  if (!sections.some(({ user }) => user === undefined))
    sections.unshift({ known: true, user: undefined, line: 0, settings: [] });
  const blocks = sections.map((section) => blockOf(section, enabled, note));
  const body = blocks.filter((block) => block !== '').join('\n');
  const policy = `; Converted from an older dockersh. "dockershctl policy check" names what needs a look.\n${body}`;
  for (const problem of parsePolicy(policy, 'policy').problems)
    if (problem.severity === 'error')
      note(0, `the result needs a look in line ${problem.line}: ${problem.message}`);
  notes.sort((a, b) => a.line - b.line);
  return { text: policy, notes };
}

/** What held without a word. */
const oldDefaults = [
  ['imagename', 'image = busybox'],
  ['shell', 'shell = /bin/ash'],
] as const;

const given = (settings: readonly OldSetting[], name: string): boolean =>
  settings.some((setting) => setting.name === name);

const has = (settings: readonly OldSetting[], name: string): boolean =>
  settings.some((setting) => setting.name === name && isOn(setting.value));

function blockOf({ user, line, settings }: OldSection, enabled: boolean, note: Note): string {
  const lines: string[] =
    user === undefined ? oldDefaults.filter(([name]) => !given(settings, name)).map(([, text]) => text) : [];
  const options: OldSetting[] = [];
  const maySet: string[] = [];
  for (const setting of settings) {
    const { name } = setting;
    const key = userSwitches.get(name);
    const rule = rules.get(name);
    if (name === 'dockeropt') options.push(setting);
    else if (key !== undefined) maySet.push(...(isOn(setting.value) ? [key] : []));
    else if (name.startsWith('enableuser') && name !== 'enableuserconfig')
      note(setting.line, `${name}: left out; users can't set that`);
    else if (rule === undefined) note(setting.line, `${name}: left out; it is not known`);
    else lines.push(...rule(setting, note));
  }
  lines.push(...convertOptions(wordsOf(options), note));
  // Docker's own network was there without a word.
  if (user === undefined && !lines.some((text) => text.startsWith('network = ')))
    lines.push('network = private');
  if (maySet.length > 0 && !enabled)
    note(line, 'what users may set: left out, because enableuserconfig is not there');
  if (maySet.length > 0 && enabled) lines.push(`user_may_set = ${maySet.join(' ')}`);
  if (maySet.includes('image') && enabled) {
    lines.push('images_allowed = *');
    note(line, 'enableuserimagename: users may choose every image of this host; narrow "images_allowed"');
  }
  const unique = [...new Map(lines.map((one) => [one.split(' = ')[0] ?? '', one])).values()];
  if (unique.length === 0) return '';
  return `[${user === undefined ? 'defaults' : `user:${user}`}]\n${unique.join('\n')}\n`;
}

/** Words of the command line of "docker run", with blanks between. */
const wordsOf = (options: readonly OldSetting[]): OptionWord[] =>
  options.flatMap(({ value, line }) =>
    value.split(/\s+/).flatMap((word) => (word === '' ? [] : [{ word, line }])),
  );

const headerPattern = /^\[\s*(\w+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]$/;
const settingPattern = /^([A-Za-z][\w-]*)(?:\s*=\s*(.*))?$/;

function readOld(text: string, note: Note): OldSection[] {
  const sections: OldSection[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const content = raw.trim();
    if (content === '' || /^[;#]/.test(content)) continue;
    const header = headerPattern.exec(content);
    const setting = settingPattern.exec(content);
    const [, kind = '', name] = header ?? [];
    if (header !== null) {
      const known =
        kind.toLowerCase() === 'dockersh'
          ? name === undefined
          : kind.toLowerCase() === 'user' && name !== undefined;
      if (!known) note(line, `${content}: left out; such a section is not known`);
      const user = name?.replaceAll(/\\(.)/g, '$1');
      sections.push({ known, user, line, settings: [] });
    } else if (setting !== null && sections.length > 0) {
      const value = unquoted(setting[2]);
      sections.at(-1)?.settings.push({ name: (setting[1] ?? '').toLowerCase(), value, line });
    } else note(line, `${content}: left out; it is not understood`);
  }
  return sections.filter(({ known }) => known);
}

/** A name alone switches on; quotes hold blanks and comments. */
function unquoted(value: string | undefined): string {
  if (value === undefined) return 'true';
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(value);
  return quoted === null
    ? (value.split(/[;#]/, 1)[0] ?? '').trim()
    : (quoted[1] ?? '').replaceAll(/\\(.)/g, '$1');
}
