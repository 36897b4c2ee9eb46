// Writes docs/policy.md, the reference of every policy key, and the example file from the schema; with --check
// it only says whether they are up to date.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hasErrno } from '../src/lib/errors.ts';
import {
  describePolicyKey,
  gatewaySection,
  hostSection,
  imagesSection,
  policyKeys,
} from '../src/policy/schema.ts';
import type { AppliesAt, KeyDoc } from '../src/policy/section-schema.ts';

const inRoot = (file: string): string => path.resolve(import.meta.dirname, '..', file);

const applies: Record<AppliesAt, string> = {
  now: 'at once, in running sandboxes too',
  sandbox: "when the user's sandbox next starts",
  session: 'at the next login',
  image: 'with the next pull, push or import',
};

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
    ...(description.list === true ? [`${doc} \`+=\` adds to it.`] : [doc]),
    ...(description.expands === undefined ? [] : ['', '`%u %U %g %h %H` are expanded.']),
    '',
  ].join('\n');
}

const text = `# Policy

<!-- Generated from src/policy/schema.ts by "npm run gen". -->

\`/etc/dockersh/dockersh.ini\` and the files \`/etc/dockersh/conf.d/*.ini\` decide what each user gets. They and
every folder above them must belong to root, and nobody else may be able to write to any of them, or dockershd
refuses them by name. An edit counts from the next login on, and limits of running sandboxes follow at once where
the reference says so; nothing has to be restarted or told. While any file is broken, the last good policy stays in
force as a whole, also over a restart (docs/admin.md), and the log names every mistake.

| command | what it does |
| --- | --- |
| \`dockershctl policy check [FILE]\` | names every mistake with file, line and column |
| \`dockershctl policy check NEW --against OLD\` | names also the users for whom NEW is different, and in what |
| \`dockershctl policy diff USER\` | compares the policy with the user's running sandbox, and says when each change applies |
| \`dockershctl policy schema\` | prints the keys as JSON Schema |
| \`dockershctl policy convert FILE\` | turns the configuration of an older dockersh into a policy |
| \`dockershctl policy explain USER\` | shows every key: its value, the line that says so, and what that overrides; with KEY behind it some keys, with \`--changed\` those that a line sets |
| \`dockershctl policy explain USER --to HOST:PORT\` | shows what a private network is answered there, and by which line |

## The files

\`\`\`ini
; settings of everybody
[defaults]
image = host
memory = 2G

; settings of a group's members; of two groups the one that stands later counts
[group:students]
memory = 1G

; settings of several users at once, over those of their groups
[user:alice, bob, guest*]
memory = 8G
env.EDITOR = vim

; settings of everybody who ends up with one of these images, over [defaults] and under groups
[image:lab/*]
shell = /bin/zsh

; settings for all images
[images]
max_bytes = 16G

; what all sandboxes together may take
[host]
sandboxes = 200
\`\`\`

- A setting is \`key = value\`. \`;\` and \`#\` start a comment, also after a value; quotes around a value keep them.
- \`dockersh.ini\` is read first, then the files of \`conf.d\` in the order of their names. Names that do not end in
  \`.ini\` or that start with a dot are left alone.
- A header takes several names with commas between, and globs: \`*\`, \`?\`, \`[a-z]\`, \`[!a-z]\`.
- Names are those of the user database, letter by letter: \`[user:j.doe]\`, \`[user:LAB\\jdoe]\`,
  \`[user:jdoe@lab.example]\` and \`[group:domain users]\` are names like any other. A backslash means itself.
- A user's groups are those that the name service gives, the primary one included.
- For each key, what stands further to the right counts:
  the default below < \`[defaults]\` < \`[image:NAME]\` < \`[group:NAME]\` < \`[user:GLOB]\` < \`[user:NAME]\`
  < what the user may set (\`user_may_set\`).
  Of two sections of one kind the later one counts: further down in a file, or in a later file.
- \`key += value\` adds to a list, instead of replacing what the sections before say.
- \`env.NAME = value\` sets an environment variable of every session. The value is passed as it is.
- A user to whom no section gives an \`image\` is refused at login.
- An unknown key or section, a key given twice in a section, a section given twice in a file and a value that is
  not accepted are errors.
- Sizes: a number and one of \`B\`, \`K\`, \`M\`, \`G\`, \`T\`, in powers of 1024: \`512M\`, \`1.5G\`.
- Durations: \`250ms\`, \`30s\`, \`10m\`, \`8h\`, \`2d\`, also together: \`1h30m\`.
- In keys that say so, \`%u\` is the user's name, \`%U\` the uid, \`%g\` the primary group's name, \`%h\` the home,
  \`%H\` the name of this host, and \`%%\` a percent sign. A name that could not be one part of a path (it holds a
  slash or a blank, or is \`..\`) is not put into one: the login is refused.

## Disk limits

\`disk\` and \`inodes\` bound what a user keeps on the host's disk: the changes to the system inside, their snapshots,
and the private home, together. About 700 KiB and 50 files of that are dockersh's own. /tmp and /dev/shm are memory; a
\`home = host\` and \`mounts\` are the host's, and not counted.

| | project quotas | a disk image for each user |
| --- | --- | --- |
| needs | ext4 or xfs mounted with \`prjquota\` (docs/admin.md) | loop devices, e2fsprogs |
| a limit that is raised or lowered | holds at once | raised: at once, where the kernel lets root resize; lowered: at the next start, and never below what is on it |
| \`inodes\` | exact, at once | within a few percent, at the next start; needs \`disk\` |
| \`home_root\` | on the same file system: together; on another one: the limit holds on each of them | cannot be used |
| at the limit | "Disk quota exceeded" (ext4), "No space left on device" (xfs) | "No space left on device" |
| a cold start | no slower | 2 ms more |
| on the host's disk | the files | a sparse file that takes what is in it, gives back what is deleted, and needs a few MiB when it is empty |
| damaged | with everything else | alone: the log names the file, and \`e2fsck\` mends it |

Project quotas are what to choose where the state folder can be on such a file system. Disk images promise more than the disk may hold when
everybody fills theirs: a write that finds no room below fails as an error of the disk, and the user's file system
becomes read-only until the next start. Keep the sum of the limits below what is free, or watch \`dockershctl doctor\`.

What is changed for the first time, or from one to the other, is done by the user's next start, which goes through all files once
(quotas) or copies them (disk images). A start that cannot copy them leaves the disk as it is and says so in the log.

## Keys of [defaults], [group:NAME], [user:NAME] and [image:NAME]

${policyKeys
  .map((key) => keySection(key, describePolicyKey(key)))
  .join('\n')
  .trimEnd()}

## Keys of [images]

${imagesSection.keys
  .map((key) => keySection(key, imagesSection.describe(key)))
  .join('\n')
  .trimEnd()}

## Keys of [host]

${hostSection.keys
  .map((key) => keySection(key, hostSection.describe(key)))
  .join('\n')
  .trimEnd()}

## Keys of [gateway]

${gatewaySection.keys
  .map((key) => keySection(key, gatewaySection.describe(key)))
  .join('\n')
  .trimEnd()}

## From the dockersh of 2014

\`dockershctl policy convert /etc/dockershrc\` prints a policy and names what it leaves out. Setting by setting:

| then | now |
| --- | --- |
| imagename | \`image\`; %u works as before. There was a default, busybox; now there is none |
| containername | not needed: a sandbox belongs to its user |
| mounthome | \`home = host\`; without it \`home = private\` |
| mounthomefrom, mounthometo | the home of the user database, at its usual path; other folders with \`mounts\` |
| mounttmp | not needed: it was there for the sockets of ssh agents |
| usercwd | logins start at home |
| containerusername | users are themselves inside |
| shell | \`shell\`; the default was /bin/ash |
| entrypoint, cmd | not needed; \`linger\` says how long a sandbox stays |
| dockeropt | options of \`docker run\`, below |
| reverseforward | none |
| enableuserconfig and enableuser… | \`user_may_set\`, a list of keys; the file is \`~/.dockersh.ini\` |
| %u, %h | as before, and \`%U %g %H\`; a percent sign is written \`%%\` |
| mountdockersocket, dockersocket | none: whoever reaches that socket is root of the host |

Options of \`docker run\`; what else there is has no key, and is named with the reason:

| then | now |
| --- | --- |
| --memory, --memory-swap | \`memory\` and \`swap\`, which is the difference of the two. Without --memory-swap a container could swap as much as its memory; a sandbox can swap nothing then |
| --cpus, --cpu-quota, --cpu-period, --cpu-shares, --cpuset-cpus | \`cpus\`, \`cpu_weight\` (100 for 1024 shares), \`cpuset\` |
| --pids-limit | \`pids\` |
| --ulimit nofile, fsize, memlock, stack, cpu | \`open_files\`, \`file_size\`, \`locked_memory\`, \`stack_size\`, \`process_time\`: the hard limit |
| --device-read-bps and its like | \`io_read\`, \`io_write\`, \`io_read_ops\`, \`io_write_ops\`, for the disk that holds what users write |
| --shm-size, --tmpfs and --mount at /tmp or /dev/shm | \`shm_size\`, \`tmp_size\` |
| --storage-opt size | \`disk\`, which counts the private home as well |
| --volume, --mount of a folder | \`mounts\` |
| --device | \`devices\`, under the name that it has on the host |
| --network | \`network\`: none and host mean the same; Docker's own network, which was there without a word, and every other one become \`private\` |
| --publish, --dns | \`publish\`, \`dns\`. Docker bound published ports at all addresses, and so they are converted |
| --env NAME=VALUE | \`env.NAME\` |
| --hostname, --stop-timeout | \`hostname\`, \`stop_grace\` |

podmansh's shell is \`shell\`, its container is not needed, and its timeout is not either: a login waits for its
sandbox as long as that takes to start.
`;

/** Lines of a comment, none longer than the sources are. */
function comment(sentences: string): string {
  const lines = [''];
  for (const word of sentences.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length > 106) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.map((line) => `# ${line}`).join('\n');
}

function exampleSetting(key: string, { doc, defaultText, example }: KeyDoc): string {
  const value = defaultText ?? example;
  const used =
    key === 'image' ? 'image = host' : `#${key} = ${/[;#]/.test(value) ? JSON.stringify(value) : value}`;
  return `${comment(doc)}\n${used}\n`;
}

const exampleText = `# Policy of dockersh: which sandbox each user gets.
#
# This file belongs in /etc/dockersh/dockersh.ini, owned by root and writable by nobody else; files in
# /etc/dockersh/conf.d count as well. "dockershctl policy check" names every mistake with its line, and
# docs/policy.md has the reference.
#
# Settings that are commented out show the built-in defaults; those that have none, an example.

[defaults]

${policyKeys.map((key) => exampleSetting(key, describePolicyKey(key))).join('\n')}
# What holds for all images of this host.
[images]

${imagesSection.keys.map((key) => exampleSetting(key, imagesSection.describe(key))).join('\n')}
# What all sandboxes of this host together may take.
[host]

${hostSection.keys.map((key) => exampleSetting(key, hostSection.describe(key))).join('\n')}
# Who may log in at dockersh-gateway, and how.
[gateway]

${gatewaySection.keys.map((key) => exampleSetting(key, gatewaySection.describe(key))).join('\n')}
# Sections of groups and users override [defaults] key by key. Remove the leading "#" to use them.
#[group:students]
#memory = 1G

#[user:alice, guest*]
#memory = 8G
#env.EDITOR = vim
`;

function current(file: string): string {
  try {
    return readFileSync(inRoot(file), 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

const texts: Readonly<Record<string, string>> = {
  'docs/policy.md': text,
  'etc/dockersh.ini.example': exampleText,
};
for (const [file, wanted] of Object.entries(texts)) {
  if (!process.argv.includes('--check')) writeFileSync(inRoot(file), wanted);
  else if (current(file) !== wanted) {
    console.error(`${file} is not what src/policy/schema.ts says: run "npm run gen"`);
    process.exitCode = 1;
  }
}
