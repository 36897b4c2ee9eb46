// Processes: PID 1 and what is outside can be neither traced, read nor ended.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

static enum result trace_init(const struct attack *attack) {
    (void)attack;
    if (ptrace(PTRACE_SEIZE, 1, 0, 0) == 0)
        return broken("PTRACE_SEIZE worked");
    return refused(ptrace(PTRACE_ATTACH, 1, 0, 0), "PTRACE_ATTACH and PTRACE_SEIZE");
}

static enum result read_init_memory(const struct attack *attack) {
    (void)attack;
    char byte;
    struct iovec ours = {&byte, 1}, theirs = {(void *)0x10000, 1};
    long result = process_vm_readv(1, &ours, 1, &theirs, 1, 0);
    return refused_as(result, EPERM, "process_vm_readv");
}

static enum result take_init_descriptor(const struct attack *attack) {
    (void)attack;
    cleanup_fd int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
    if (pidfd < 0)
        return unattempted("pidfd_open: %s", strerror(errno));
    cleanup_fd int taken = (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);
    return refused(taken, "pidfd_getfd");
}

static enum result signal_init(const struct attack *attack) {
    (void)attack;
    static const int numbers[] = {SIGKILL, SIGSTOP, SIGTERM, SIGSEGV};
    for (size_t index = 0; index < sizeof numbers / sizeof numbers[0]; index++) {
        if (kill(1, numbers[index]) == 0)
            return broken("signal %d was sent", numbers[index]);
    }
    return held("kill: %s", strerror(errno));
}

static enum result read_of_init(const struct attack *attack) {
    return unreadable(attack->with);
}

#define OF_INIT(word)                                                                                        \
    {                                                                                                        \
        .name = "init-" word, .tries = "read /proc/1/" word, .must = "is refused", .places = NOT_NESTED,     \
        .run = read_of_init, .with = "/proc/1/" word                                                         \
    }

static const struct attack attacks[] = {
    {.name = "init-trace",
     .tries = "trace PID 1",
     .must = "is refused",
     .places = NOT_NESTED,
     .run = trace_init},
    {.name = "init-memory",
     .tries = "read the memory of PID 1 by process_vm_readv",
     .must = "is refused",
     .places = NOT_NESTED,
     .run = read_init_memory},
    {.name = "init-descriptor",
     .tries = "take a descriptor of PID 1's by pidfd_getfd",
     .must = "is refused",
     .places = NOT_NESTED,
     .run = take_init_descriptor},
    {.name = "init-signal",
     .tries = "end or stop PID 1",
     .must = "is refused",
     .places = BY_USER,
     .harm = NOISY,
     .run = signal_init},
    OF_INIT("mem"),
    OF_INIT("environ"),
    OF_INIT("maps"),
    OF_INIT("auxv"),
    OF_INIT("stack"),
};

const struct family processes_family = FAMILY(attacks);
