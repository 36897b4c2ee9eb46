// The keys that are about the sandbox itself, besides what it may use. Pure.

import type { KeySpec } from '../section-schema.ts';
import { imageOrNone, oneOf, sizeLimit } from '../values/basic.ts';
import { deviceList } from '../values/devices.ts';
import { hostFolderOrNone, hostName, mountList } from '../values/sandbox.ts';

export const sandboxKeys = {
  boot: {
    type: oneOf('no', 'yes'),
    defaultText: 'no',
    values: 'no, yes',
    applies: 'sandbox',
    doc: 'Whether the sandbox is started when dockershd starts, for users who have logged in before: for those whose services run in it. They are started one after the other, while [host] has room. It ends when "linger" is over like any other, so that "linger = forever" belongs to it. With "cron = yes" the @reboot lines of the user\'s crontab run when the host has been restarted.',
    example: 'yes',
  },
  cron: {
    type: oneOf('no', 'yes'),
    defaultText: 'no',
    values: 'no, yes',
    applies: 'session',
    doc: "Whether the lines of `~/.crontab` in the user's home run in their sandbox at their times, by the clock of the host, also when nobody is logged in: the sandbox is started for it. The file is as crontab(5) has it. Output goes to `~/.cron.log`. A user has 16 jobs at a time at most.",
    example: 'yes',
  },
  home_root: {
    type: hostFolderOrNone,
    defaultText: 'none',
    values: 'an absolute path on the host, or none',
    applies: 'sandbox',
    expands: 'path',
    doc: 'The folder below which private homes are kept, in a folder for each uid that nobody but root can enter: with /srv/homes, that of uid 1000 is /srv/homes/1000/home. none: the state folder. The folder must be there, and it and all above it must belong to root and be writable by nobody else. Homes do not move by themselves: while one lies in another place than this key names, or is not there any more (a file system that is not mounted), logins of its user are refused, and the log says what to move.',
    example: '/srv/homes/%g',
  },
  rescue: {
    type: imageOrNone,
    defaultText: 'none',
    values: 'an image name, or none',
    applies: 'sandbox',
    doc: 'The image to start from while the user\'s own is missing or damaged, or "dockershctl user rescue USER on" says so. Their changes to the system inside are not there then, and not touched; the home is.',
    example: 'busybox',
  },
  shm_size: {
    type: sizeLimit(1024 ** 2),
    defaultText: '1G',
    values: 'a size of at least 1M, or none',
    applies: 'sandbox',
    user: 'most',
    doc: 'Size of /dev/shm. It is memory and counts towards "memory", and is never more than three eighths of that. none: "memory" alone bounds it.',
    example: '64M',
  },
  hostname: {
    type: hostName,
    defaultText: undefined,
    values: 'a host name',
    applies: 'sandbox',
    expands: 'label',
    user: 'free',
    doc: 'The name of the host as the sandbox sees it. What a user name has and a host name cannot have becomes a dash; of a name that is too long with it (64 characters, 63 between dots) the first 54 are kept, and 8 digits made of the whole. Without this key: the name of this host.',
    example: '%u-box',
  },
  mounts: {
    type: mountList,
    defaultText: 'none',
    values: 'a list of SOURCE:TARGET, SOURCE:TARGET:ro or SOURCE:TARGET:rw, or none',
    applies: 'sandbox',
    expands: 'path',
    list: true,
    doc: "Folders of the host that the sandbox shows at TARGET; read-only without :rw. Files in them keep their owners: what is neither the user's nor one of their groups' belongs to nobody inside. Every folder on the way to SOURCE must belong to root and be writable by nobody else, and none may be a symbolic link; SOURCE itself may be anybody's. Programs in it run without setuid, devices do not work; sockets in it can be connected to, read-only or not. Who sees such a folder can also watch when others use its files, and lock them.",
    example: '/data/%g:/data:ro /scratch/%u:/scratch:rw',
  },
  devices: {
    type: deviceList,
    defaultText: 'none',
    values: 'a list of DEVICE, DEVICE:r or DEVICE:rw, or none',
    applies: 'sandbox',
    list: true,
    doc: 'Devices of the host that the sandbox has as well, by their paths below /dev. All of the sandbox can open them, for reading and writing, with :r for reading alone (many devices do their work by ioctl(2), which :r does not keep from anybody); the mode and the group that they have on the host do not count. A glob (/dev/dri/*) stands for what there is when the sandbox starts. A device that is not there refuses logins, unless "strict = no": then it is named in the log. Disks and what reaches them, terminals, screens and keyboards of the host, and memory of the kernel are never given. Every device is more of the kernel\'s code within the user\'s reach, and it may know nothing of namespaces: what its driver lets one do, it lets this user do to the whole host.',
    example: '/dev/kvm /dev/dri/* /dev/nvidia0:rw',
  },
  root: {
    type: oneOf('no', 'yes'),
    defaultText: 'no',
    values: 'no, yes',
    applies: 'sandbox',
    doc: "Whether users may become root inside. no: setuid programs and file capabilities have no effect, and nobody inside ever has another id than a session began with. yes: they have; sudo, where the image has it, asks for no password, and apt and others can install into the user's own layer. That root is nobody on the host: it has the files of the sandbox and ids of this user's range, and no right to mount, to change network, limits or devices. It is more of the kernel within reach, though: choose it for those who need it. Sessions still begin as the user. The programs of the image \"host\" belong to the host's root and never become setuid.",
    example: 'yes',
  },
  nesting: {
    type: oneOf('no', 'yes'),
    defaultText: 'no',
    values: 'no, yes',
    applies: 'sandbox',
    doc: 'Whether users may make namespaces inside, and in them mounts and containers: unshare, bubblewrap, rootless podman, a systemd of their own. no: every such system call is refused. yes: users get up to 128 user namespaces, ids of their own range to use in them (/etc/subuid; podman takes them by setuid programs, so it wants "root = yes" as well), /dev/fuse where the host has it, and a control group of version 2 to divide further, below that of the sandbox: its limits stay and cannot be seen from inside. Where the host\'s controllers are of version 1 that group counts nothing. It opens far more of the kernel to the user than anything else here: mounts, file systems, network configuration and everything else that root of a namespace may do, which is where most holes have been found that let users become root of a host. Give it only to whom you would give an unsandboxed account, and keep the kernel current.',
    example: 'yes',
  },
  lxcfs: {
    type: oneOf('auto', 'no'),
    defaultText: 'auto',
    values: 'auto, no',
    applies: 'sandbox',
    doc: 'Whether /proc/meminfo, /proc/cpuinfo, /proc/swaps, /proc/diskstats, /proc/loadavg and the list of CPUs in /sys say what the sandbox may use and does use, so that free and htop are right. auto: where lxcfs, Debian\'s package of that name, runs on the host; elsewhere, and where it ends while the sandbox runs, they are the host\'s. no: they always are. With "nesting = yes" they always are as well, because the kernel lets nobody mount a /proc of their own where something covers part of one.',
    example: 'no',
  },
} as const satisfies Record<string, KeySpec>;
