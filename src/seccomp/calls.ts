// System calls by name, and their numbers for each kind of program that a sandbox may run. Pure.

import numbers from './calls.json' with { type: 'json' };

/** The machines that dockersh runs on, and the kinds of program there: its own first, then those of 32 bits. */
export const machines = {
  x86_64: [
    { name: 'SCMP_ARCH_X86_64', audit: 0xc000003e, column: 0, wide: true },
    { name: 'SCMP_ARCH_X86', audit: 0x40000003, column: 1, wide: false },
  ],
  aarch64: [
    { name: 'SCMP_ARCH_AARCH64', audit: 0xc00000b7, column: 2, wide: true },
    { name: 'SCMP_ARCH_ARM', audit: 0x40000028, column: 3, wide: false },
  ],
} as const;

export type Machine = keyof typeof machines;
export const machineNames = Object.keys(machines) as readonly Machine[];

/** This one. Throws where dockersh does not run. */
export function machineHere(): Machine {
  if (process.arch === 'x64') return 'x86_64';
  if (process.arch === 'arm64') return 'aarch64';
  throw new Error(`no filter of system calls is known for ${process.arch}`);
}

/** One kind of program: AUDIT_ARCH_* of linux/audit.h, its column of the table, whether it has 64 bits. */
export interface Kind {
  readonly name: string;
  readonly audit: number;
  readonly column: number;
  readonly wide: boolean;
}

/** null: that kind of program has no such call. */
const table = new Map<string, readonly (number | null)[]>(Object.entries(numbers));

/** Every call that any Linux has, by its name in the kernel's own tables. */
export const callNames: readonly string[] = [...table.keys()];
export const isCall = (name: string): boolean => table.has(name);

export function numberOf(name: string, kind: Kind): number | undefined {
  return table.get(name)?.[kind.column] ?? undefined;
}

/** The names of a kind of program's calls, by number. */
export function callsOf(kind: Kind): Map<number, string> {
  const calls = new Map<number, string>();
  for (const [name, row] of table) {
    const number = row[kind.column];
    if (number !== null && number !== undefined) calls.set(number, name);
  }
  return calls;
}
