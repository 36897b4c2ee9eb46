// System calls that our own processes make under the filter: PID 1, the spawner, and a session's process until it
// executes the user's program. A profile that never allows one of them would refuse every login, and say so badly. Pure.

export const neededCalls: readonly string[] = [
  // native/init/main.c
  ...[
    'arch_prctl',
    'exit_group',
    'kill',
    'poll',
    'ppoll',
    'prctl',
    'read',
    'recvfrom',
    'rt_sigprocmask',
    'set_tid_address',
    'signalfd4',
    'wait4',
  ],
  // native/supervisor/start/{inside,spawner}.c, once they are locked down
  ...['clone', 'close', 'close_range', 'execveat', 'recvmsg', 'seccomp', 'sendmsg', 'setsid'],
  // native/supervisor/session/{child,streams}.c, and what musl needs for them
  ...[
    'brk',
    'chdir',
    'dup2',
    'dup3',
    'execve',
    'fcntl',
    'fstat',
    'gettid',
    'ioctl',
    'mmap',
    'mprotect',
    'munmap',
  ],
  ...[
    'newfstatat',
    'openat',
    'prlimit64',
    'rt_sigaction',
    'rt_sigreturn',
    'setgroups',
    'setpriority',
    'setresgid',
  ],
  ...['setresuid', 'tkill', 'umask', 'write'],
  // native/supervisor/books/books.c, and the process that the spawner starts for it
  ...['clock_gettime', 'fork', 'geteuid', 'getpid', 'pread64', 'pwrite64', 'renameat', 'unlinkat'],
];
