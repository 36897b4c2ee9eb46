// Gives up what a program that strangers talk to does not need: ids, capabilities, system calls, and with
// Landlock files, ports and other processes.
#pragma once

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "err.h"

#if defined(__x86_64__)
#define CALLS_MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define CALLS_MACHINE AUDIT_ARCH_AARCH64
#endif
#define CALLS_LAST 1024 // x32's numbers lie far above

#define CALLS_RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define CALLS_REFUSE CALLS_RETURN(SECCOMP_RET_ERRNO | EPERM)
// Goes on with the next one where it is this value, and past `otherwise` of them where it is not.
#define CALLS_IS(value, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (otherwise))
#define CALLS_ALLOW(call) CALLS_IS(SYS_##call, 1), CALLS_RETURN(SECCOMP_RET_ALLOW)
#define CALLS_DENY(call) CALLS_IS(SYS_##call, 1), CALLS_REFUSE
#define CALLS_ARGUMENT(index) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[index]))

// The first lines of a filter: calls of another machine's, or with x32's numbers, end the process. Loads the
// call's number.
#define CALLS_OF_THIS_MACHINE                                                                                \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),                                 \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS_MACHINE, 1, 0), CALLS_RETURN(SECCOMP_RET_KILL_PROCESS),    \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),                               \
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CALLS_LAST, 0, 1), CALLS_RETURN(SECCOMP_RET_KILL_PROCESS)

// Sockets of IPv4 and IPv6, and no others.
#define CALLS_INTERNET_SOCKETS                                                                               \
    CALLS_IS(SYS_socket, 5), CALLS_ARGUMENT(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),          \
        CALLS_IS(AF_INET6, 1), CALLS_RETURN(SECCOMP_RET_ALLOW), CALLS_REFUSE

// What the C library needs for memory, for signals, and to end.
#define CALLS_OF_EVERY_PROGRAM                                                                               \
    CALLS_ALLOW(brk), CALLS_ALLOW(mmap), CALLS_ALLOW(munmap), CALLS_ALLOW(mremap), CALLS_ALLOW(mprotect),    \
        CALLS_ALLOW(madvise), CALLS_ALLOW(exit_group), CALLS_ALLOW(rt_sigreturn),                            \
        CALLS_ALLOW(restart_syscall)

// Calls that only some machines have.
#ifdef SYS_fork
#define CALLS_DENY_OLDER , CALLS_DENY(fork), CALLS_DENY(vfork), CALLS_DENY(chmod), CALLS_DENY(chown)
#else
#define CALLS_DENY_OLDER
#endif

// What Node, which is confined otherwise by Landlock, does not need: it makes no socket, and reaches no
// process.
#define CALLS_NOT_OF_NODE                                                                                    \
    CALLS_DENY(socket), CALLS_DENY(connect), CALLS_DENY(bind), CALLS_DENY(ptrace),                           \
        CALLS_DENY(process_vm_readv), CALLS_DENY(process_vm_writev), CALLS_DENY(pidfd_open),                 \
        CALLS_DENY(pidfd_getfd), CALLS_DENY(kill), CALLS_DENY(tkill), CALLS_DENY(mount),                     \
        CALLS_DENY(umount2), CALLS_DENY(fsopen), CALLS_DENY(open_tree), CALLS_DENY(chroot),                  \
        CALLS_DENY(setns), CALLS_DENY(unshare), CALLS_DENY(bpf), CALLS_DENY(perf_event_open),                \
        CALLS_DENY(keyctl), CALLS_DENY(add_key), CALLS_DENY(request_key), CALLS_DENY(userfaultfd),           \
        CALLS_DENY(io_uring_setup), CALLS_DENY(open_by_handle_at), CALLS_DENY(shmget), CALLS_DENY(msgget),   \
        CALLS_DENY(semget), CALLS_DENY(mq_open), CALLS_DENY(fchmodat), CALLS_DENY(fchownat) CALLS_DENY_OLDER

// The last lines of a filter: threads, and no processes; all else is allowed. The C library asks clone(2),
// whose flags can be looked at, where there is no clone3(2).
#define CALLS_THREADS_AND_THE_REST                                                                           \
    CALLS_IS(SYS_clone3, 1), CALLS_RETURN(SECCOMP_RET_ERRNO | ENOSYS), CALLS_IS(SYS_clone, 4),               \
        CALLS_ARGUMENT(0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0), CALLS_REFUSE,           \
        CALLS_RETURN(SECCOMP_RET_ALLOW), CALLS_RETURN(SECCOMP_RET_ALLOW)

// Needs no_new_privs, or CAP_SYS_ADMIN. 0, or -1 with `err`.
int confined_calls(const struct sock_filter *filter, size_t count, struct err *err);

// Becomes `id`, as user and group, with no other group and no capability, for good; nobody of that id can
// trace it.
int confined_ids(uid_t id, struct err *err);

// The same for a servant of its parent, with which it ends: with so many descriptors at most, no core and
// only these calls.
int confined_servant(uid_t id, rlim_t descriptors, const struct sock_filter *filter, size_t count,
                     struct err *err);

// Rules of Landlock for this process and all that it starts: all that the kernel can refuse is refused, but
// what is allowed before confined_restrict(). `rules` stays closed where the kernel has no Landlock, or an
// older version of it than `least`; then those below do nothing.
int confined_rules(long least, int *rules, struct err *err);

enum confined_access {
    CONFINED_READ_FILES, // whose names are known
    CONFINED_RUN,        // a program's file
    CONFINED_READ,
    CONFINED_WRITE // and read; but run nothing, and use and make no devices
};

// Below a folder, which is open, or a file. `path`: for an error alone.
int confined_below(int rules, int folder, const char *path, enum confined_access access, struct err *err);

// Connections to a TCP port, which are free where the kernel knows none (before version 4).
int confined_port(int rules, uint64_t port, struct err *err);

int confined_restrict(int rules, struct err *err);
