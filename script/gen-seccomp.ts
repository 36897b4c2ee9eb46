// Writes the sandbox's two system call filters as C, at build time: the supervisor then starts with them ready.
// gen-seccomp.ts MACHINE, which need not be this one.

import { baseProfiles } from '../src/seccomp/builtin.ts';
import { type Machine, machineNames } from '../src/seccomp/calls.ts';
import { compile } from '../src/seccomp/compile.ts';

const wanted = process.argv[2] ?? '';
const machine = machineNames.find((name): name is Machine => name === wanted);
if (machine === undefined) throw new Error(`no filter is known for ${wanted}`);

const lines = ['// Made by script/gen-seccomp.ts of src/seccomp/profiles; see there.'];
for (const [array, profiles] of [
  ['seccomp_filter', baseProfiles.default],
  ['seccomp_nesting_filter', baseProfiles.nesting],
] as const) {
  lines.push(`static const struct sock_filter ${array}[] = {`);
  for (const { code, whenTrue, whenFalse, k } of compile(profiles(), machine))
    lines.push(`    {0x${code.toString(16)}, ${whenTrue}, ${whenFalse}, 0x${(k >>> 0).toString(16)}},`);
  lines.push('};');
}
process.stdout.write(`${lines.join('\n')}\n`);
