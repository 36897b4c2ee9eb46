// System calls that our own processes make under the filter: PID 1, the spawner, and a session's process until it
// executes the user's program. A profile that never allows one of them would refuse every login, and say so badly. Pure.

export const neededCalls: readonly string[] = [
  // native/init/main.c
  ...[
    'arch_prctl',
    'exit_group',
    'kill',
    'prctl',
    'rt_sigprocmask',
    'rt_sigtimedwait',
    'set_tid_address',
    'wait4',
  ],
  // native/supervisor/{inside,spawner}.c, once they are locked down
  ...['clone', 'close', 'close_range', 'execveat', 'recvmsg', 'seccomp', 'sendmsg', 'setsid'],
  // native/supervisor/child.c, and what musl needs for it
  ...['brk', 'chdir', 'dup2', 'dup3', 'execve', 'ioctl', 'mmap', 'mprotect', 'munmap', 'prlimit64'],
  ...['rt_sigaction', 'rt_sigreturn', 'setgroups', 'setpriority', 'setresgid', 'setresuid', 'umask', 'write'],
];
