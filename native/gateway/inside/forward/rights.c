#include "inside/forward/rights.h"

#include <linux/sched.h>
#include <sys/socket.h>

#include "confined.h"

#define NAMESPACES                                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |            \
     CLONE_NEWNET)

static const struct sock_filter filter[] = {
    CALLS_OF_THIS_MACHINE,
    // Of sockets the family; netlink is how the C library learns which addresses the sandbox has.
    CALLS_IS(SYS_socket, 7),
    CALLS_ARGUMENT(0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 4, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0),
    CALLS_REFUSE,
    CALLS_RETURN(SECCOMP_RET_ALLOW),
    // Processes, and no namespaces.
    CALLS_IS(SYS_clone, 5),
    CALLS_ARGUMENT(0),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, NAMESPACES),
    CALLS_IS(0, 1),
    CALLS_RETURN(SECCOMP_RET_ALLOW),
    CALLS_REFUSE,
    CALLS_ALLOW(socketpair),
    CALLS_ALLOW(connect),
    CALLS_ALLOW(bind),
    CALLS_ALLOW(listen),
    CALLS_ALLOW(getsockname),
    CALLS_ALLOW(getpeername),
    CALLS_ALLOW(setsockopt),
    CALLS_ALLOW(getsockopt),
    CALLS_ALLOW(sendto),
    CALLS_ALLOW(sendmsg),
    CALLS_ALLOW(sendmmsg),
    CALLS_ALLOW(recvfrom),
    CALLS_ALLOW(recvmsg),
    CALLS_ALLOW(read),
    CALLS_ALLOW(pread64),
    CALLS_ALLOW(readv),
    CALLS_ALLOW(write),
    CALLS_ALLOW(writev),
    CALLS_ALLOW(close),
    CALLS_ALLOW(lseek),
    CALLS_ALLOW(fcntl),
    CALLS_ALLOW(ioctl),
    CALLS_ALLOW(ppoll),
    CALLS_ALLOW(openat),
    CALLS_ALLOW(fstat),
    CALLS_ALLOW(newfstatat),
    CALLS_ALLOW(statx),
    CALLS_ALLOW(getdents64),
    CALLS_ALLOW(readlinkat),
    CALLS_ALLOW(faccessat),
    CALLS_ALLOW(faccessat2),
    CALLS_ALLOW(unlinkat),
    CALLS_ALLOW(mkdirat),
    CALLS_ALLOW(umask),
    CALLS_ALLOW(futex),
    CALLS_ALLOW(wait4),
    CALLS_ALLOW(set_robust_list),
    CALLS_ALLOW(rseq),
    CALLS_ALLOW(prctl),
    CALLS_ALLOW(exit),
    CALLS_ALLOW(setitimer),
    CALLS_ALLOW(rt_sigaction),
    CALLS_ALLOW(rt_sigprocmask),
    CALLS_ALLOW(getpid),
    CALLS_ALLOW(getppid),
    CALLS_ALLOW(gettid),
    CALLS_ALLOW(tgkill),
    CALLS_ALLOW(getuid),
    CALLS_ALLOW(geteuid),
    CALLS_ALLOW(getgid),
    CALLS_ALLOW(getegid),
    CALLS_ALLOW(getrandom),
    CALLS_ALLOW(uname),
    CALLS_ALLOW(clock_gettime),
    CALLS_ALLOW(clock_nanosleep),
    CALLS_ALLOW(prlimit64),
#ifdef __x86_64__
    CALLS_ALLOW(poll),
    CALLS_ALLOW(open),
    CALLS_ALLOW(stat),
    CALLS_ALLOW(lstat),
    CALLS_ALLOW(readlink),
    CALLS_ALLOW(access),
    CALLS_ALLOW(unlink),
    CALLS_ALLOW(rmdir),
    CALLS_ALLOW(mkdir),
    CALLS_ALLOW(fork),
    CALLS_ALLOW(alarm),
    CALLS_ALLOW(getpgrp),
    CALLS_ALLOW(time),
    CALLS_ALLOW(gettimeofday),
#endif
    CALLS_OF_EVERY_PROGRAM,
    CALLS_REFUSE,
};

int forward_rights_drop(struct err *err) {
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
}
