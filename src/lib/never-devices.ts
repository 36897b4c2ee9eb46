// Devices of the host that no sandbox is ever given, by their names below /dev. Pure.

/** With what one of them gives, its holder has the host: memory, disks, screens, keyboards, the power button. */
const never: readonly (readonly [RegExp, string])[] = [
  [/^(?:null|zero|full|random|urandom|tty|ptmx)$/, 'every sandbox has one of its own'],
  [
    /^(?:shm|pts|mqueue|fd|hugepages|stdin|stdout|stderr|core)(?:\/|$)/,
    "it is no device, or the sandbox's own",
  ],
  [/^(?:mem|kmem|port|kmsg|oldmem|snapshot|nvram|cpu\/.*msr)$/, "it gives the kernel's memory or settings"],
  [/^(?:tty[0-9*?[].*|ttyS.*|console|vcs.*|hvc.*|pty.*)$/, 'it is a terminal of the host'],
  [/^(?:input\/|uinput$|uhid$|hidraw)/, 'it reads or makes the input of those who sit at the host'],
  [/^(?:loop|dm-|mapper\/|md|nbd|ram|zram|sd[a-z*?[]|vd[a-z*?[]|xvd|nvme|ng\d|mmcblk|sr\d)/, 'it is a disk'],
  [
    /^(?:sg\d|bsg\/|raw\/|mtd|disk\/|block\/|btrfs-control$|device-mapper)/,
    'it reaches disks past their file systems',
  ],
  [/^(?:watchdog|ipmi|mei|autofs$|userfaultfd$|vhci$|kvmgt)/, 'it works on the host as a whole'],
];

/** Why nobody is given the device, or what the glob stands for; undefined: its name is no reason. */
export function whyNever(name: string): string | undefined {
  return never.find(([pattern]) => pattern.test(name))?.[1];
}
