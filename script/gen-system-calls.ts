// Writes docs/system-calls.md from the profiles; with --check it only says whether it is up to date.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hasErrno } from '../src/lib/errors.ts';
import { builtinProfiles } from '../src/seccomp/builtin.ts';
import { neededCalls } from '../src/seccomp/needed.ts';
import type { Argument, Entry, Profile } from '../src/seccomp/profile.ts';

const errnoNames: Readonly<Record<number, string>> = { 1: 'EPERM', 38: 'ENOSYS', 97: 'EAFNOSUPPORT' };

function answerOf({ action, errnoRet = 1 }: Entry): string {
  if (action === 'SCMP_ACT_ALLOW') return 'allowed';
  return action === 'SCMP_ACT_ERRNO' ? (errnoNames[errnoRet] ?? `errno ${errnoRet}`) : action;
}

const hex = (value: number): string => (value < 10 ? String(value) : `0x${value.toString(16)}`);

function conditionOf({ index, op, value, valueTwo }: Argument): string {
  const masked = value === 0xffff_ffff ? '' : ` & ${hex(value)}`;
  return op === 'SCMP_CMP_MASKED_EQ'
    ? `argument ${index}${masked} is ${hex(valueTwo)}`
    : `argument ${index} ${op.slice('SCMP_CMP_'.length)} ${hex(value)}`;
}

function rowOf(entry: Entry): string {
  const where = entry.args.map(conditionOf).join(' and ');
  const names = entry.names.map((name) => `\`${name}\``).join(' ');
  return `| ${names} | ${answerOf(entry)}${where === '' ? '' : `, where ${where}`} | ${entry.comment ?? ''} |`;
}

const tableOf = ({ syscalls }: Profile): string =>
  ['| calls | answer | |', '| --- | --- | --- |', ...syscalls.map(rowOf)].join('\n');

const { default: ordinary, nesting, strict } = builtinProfiles;
const text = `# System calls

<!-- Generated from src/seccomp/profiles by "npm run gen". -->

Every process of a sandbox runs under a filter that names what is allowed. Of the entries that a call matches the first
decides, and what none names gets ENOSYS, as on a kernel that does not have it: programs then fall back to older calls.
That holds for every call that is newer than this dockersh. Arguments are counted from 0, and looked at as the kernel
does: 32 bits of them where it looks at no more. All of it holds for the machine's own programs and for its 32-bit ones
(i386, ARM), each by the numbers of its own; x32 programs get ENOSYS for everything.

## Without more (\`seccomp = default\`)

${tableOf(ordinary())}

## With \`nesting = yes\`, before these

${tableOf(nesting())}

## With \`seccomp = strict\`, beside them

Both must allow a call. With nesting as well: namespaces and mounts are refused then.

${tableOf(strict())}

## A profile of your own (\`seccomp = /etc/dockersh/FILE.json\`)

The file has the form that the runtime specification of the Open Container Initiative gives \`linux.seccomp\`:

\`\`\`json
{
  "defaultAction": "SCMP_ACT_ALLOW",
  "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
  "syscalls": [
    { "names": ["ptrace", "process_vm_readv", "process_vm_writev"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 },
    {
      "comment": "No netlink sockets.",
      "names": ["socket"],
      "action": "SCMP_ACT_ERRNO",
      "errnoRet": 97,
      "args": [{ "index": 0, "value": 16, "op": "SCMP_CMP_EQ" }]
    }
  ]
}
\`\`\`

- It is installed beside the filter above, and the kernel takes the strictest answer of all: whatever it says, it can only
  take away. With \`seccomp_widen = yes\` it stands alone.
- Entries are read in order, and the first that matches decides. One that can never match is an error.
- All comparisons of an entry must hold, on one argument each. Values are whole numbers below 2^53.
- Actions: SCMP_ACT_ALLOW, SCMP_ACT_LOG, SCMP_ACT_ERRNO (EPERM without \`errnoRet\`), SCMP_ACT_TRAP, SCMP_ACT_KILL,
  SCMP_ACT_KILL_THREAD, SCMP_ACT_KILL_PROCESS, and SCMP_ACT_NOTIFY, which nothing answers in this version: the call gets
  ENOSYS. SCMP_ACT_TRACE is refused, because a tracer of the user's own could let the call through.
- The machine's own programs are always meant. Its 32-bit ones run only where \`architectures\` names them
  (SCMP_ARCH_X86, SCMP_ARCH_ARM). Names of other architectures are accepted and mean nothing here.
- Where the default is an error, calls that this dockersh does not know get ENOSYS all the same.
- What every session begins with must not be refused: ${neededCalls.map((name) => `\`${name}\``).join(' ')}
  (each machine has some of these).
- \`includes\`, \`excludes\`, \`minKernel\` and \`archMap\` are Docker's own and not understood: write what they come to.
- The file and all folders above it must belong to root and be writable by nobody else; at most 256 KiB. It is read when a
  sandbox starts, so an edit counts from the next start on. Running sandboxes keep what they began with.
- \`dockershctl policy check\` names the file and what is wrong with it. While it is wrong, whoever would start under it is
  refused (E_SECCOMP).

The profiles above lie in \`/usr/share/doc/dockersh/examples/seccomp\`.
`;

const file = path.resolve(import.meta.dirname, '../docs/system-calls.md');

function current(): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (current() !== text) {
  console.error('docs/system-calls.md is not what src/seccomp/profiles says: run "npm run gen"');
  process.exitCode = 1;
}
