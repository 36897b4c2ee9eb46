// Chooses how qemu runs a machine: by the processor's own virtualization where that serves the machine's kernel, else
// by emulation. A /dev/kvm says little: under some hypervisors it opens, and stock kernels hang or qemu aborts. So
// the kernel is tried, without a disk: its first program ends at once, and what the kernel says to that is the proof.

import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { Running, waitUntil } from '../fixtures/process.ts';
import { environment, type Suite } from './remote.ts';

const kvm = ['-accel', 'kvm', '-cpu', 'host'];
/**
 * With one thread for all of a machine's processors. With one for each, now and then one runs what another has just
 * changed in the code of the kernel, which then ends on an invalid opcode: seen at a boot. The machine's clock counts
 * instructions while it has something to do: 4 ns each, however long the emulator has to wait for a processor of its own.
 * With that, Debian 12's kernel (6.1) waits for ever for its second processor.
 *
 * Left out of the processor is what helps a real one and costs an emulated one: pages that are cleared byte by byte, one more
 * level of page tables, and a change of mode around every copy to or from a program.
 */
export function emulation(suite: Suite): readonly string[] {
  const clock = suite === 'bookworm' ? [] : ['-icount', 'shift=2'];
  return ['-accel', 'tcg,thread=single', '-cpu', 'max,-erms,-fsrm,-la57,-smap', ...clock];
}
/** It takes a second where it works; an emulator needs five. */
const patienceMs = 20_000;

/** A test file starts several machines. */
const known = new Map<Suite, Promise<boolean>>();

/** Arguments for qemu, for the kernel in `folder` (vmlinuz, initrd.img), which is one of `suite`. */
export async function accelerator(suite: Suite, folder: string): Promise<readonly string[]> {
  const answer = known.get(suite) ?? servesKernel(folder, kvm);
  known.set(suite, answer);
  return (await answer) ? kvm : emulation(suite);
}

/** Whether the kernel comes as far as to its first program. */
export async function servesKernel(
  folder: string,
  how: readonly string[],
  mostMs = patienceMs,
): Promise<boolean> {
  try {
    if (how === kvm) accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return false; // there is none, or not for us
  }
  await using qemu = new Running(
    'qemu-system-x86_64',
    [
      ...['-machine', 'q35', ...how, '-m', '512', '-nic', 'none', '-display', 'none', '-no-reboot'],
      ...['-kernel', join(folder, 'vmlinuz'), '-initrd', join(folder, 'initrd.img'), '-serial', 'stdio'],
      ...['-append', 'console=ttyS0 quiet rdinit=/bin/true panic=-1'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: environment },
  );
  const works = (): boolean => /Attempted to kill init! exitcode=0x0+\b/.test(qemu.stdout.toString());
  await waitUntil(() => works() || qemu.exited, 'the kernel', mostMs).catch(() => undefined);
  return works();
}
