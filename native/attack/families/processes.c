// Attacks on processes: PID 1 and processes outside can be neither traced, read nor ended.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
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

// What the caller may do to processes of its own kind.
static enum result control_init(const struct attack *attack) {
    (void)attack;
    struct sched_param priority = {0};
    struct rlimit limit = {64, 64};
    cpu_set_t processors;
    CPU_ZERO(&processors);
    CPU_SET(0, &processors);
    const struct {
        const char *what;
        long result;
    } tries[] = {
        {"setpriority", setpriority(PRIO_PROCESS, 1, 19)},
        {"sched_setscheduler", syscall(SYS_sched_setscheduler, 1, SCHED_BATCH, &priority)},
        {"sched_setaffinity", sched_setaffinity(1, sizeof processors, &processors)},
        {"prlimit", syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, &limit, NULL)},
        {"ioprio_set", syscall(SYS_ioprio_set, 1, 1, (3 << 13) | 7)},
        {"setpgid", setpgid(1, 0)},
    };
    for (size_t index = 0; index < sizeof tries / sizeof tries[0]; index++) {
        if (tries[index].result == 0)
            return broken("%s worked", tries[index].what);
    }
    return held("%zu calls were refused", sizeof tries / sizeof tries[0]);
}

static enum result follow_init(const struct attack *attack) {
    static const char *const links[] = {"/proc/1/exe", "/proc/1/cwd", "/proc/1/root"};
    (void)attack;
    char target[256];
    for (size_t index = 0; index < sizeof links / sizeof links[0]; index++) {
        if (readlink(links[index], target, sizeof target) >= 0)
            return broken("%s can be read", links[index]);
    }
    cleanup_fd int folder = open("/proc/1/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0)
        return broken("/proc/1/fd can be listed");
    return held("%s", strerror(errno));
}

// Ahead of everybody else on the machine.
static enum result run_first(const struct attack *attack) {
    (void)attack;
    struct sched_param priority = {.sched_priority = 1};
    const struct {
        const char *what;
        long result;
    } tries[] = {
        {"SCHED_FIFO", syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &priority)},
        {"SCHED_RR", syscall(SYS_sched_setscheduler, 0, SCHED_RR, &priority)},
        {"ioprio_set of the real-time class", syscall(SYS_ioprio_set, 1, 0, 1 << 13)},
    };
    for (size_t index = 0; index < sizeof tries / sizeof tries[0]; index++) {
        if (tries[index].result == 0)
            return broken("%s worked", tries[index].what);
    }
    return held("%zu calls were refused", sizeof tries / sizeof tries[0]);
}

// Who has started the session is outside of the PID namespace.
static enum result find_spawner(const struct attack *attack) {
    (void)attack;
    char leader[16], parent[16];
    (void)snprintf(leader, sizeof leader, "%d", (int)getsid(0));
    if (!status_field(leader, "PPid", parent, sizeof parent))
        return unattempted("no leader of this session");
    return strcmp(parent, "0") == 0 ? held("its parent has no number here")
                                    : broken("its parent is process %s", parent);
}

// A program that crashes: the kernel would start root's program of the host for it.
static enum result crash(const struct attack *attack) {
    (void)attack;
    pid_t child = fork();
    if (child == 0)
        abort();
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
        return unattempted("no crash");
    return WCOREDUMP(status) ? broken("a core was made") : held("no core was made");
}

static enum result read_of_init(const struct attack *attack) {
    return unreadable(attack->with);
}

// What is refused when it is opened: there may be nothing in it to read.
static enum result open_of_init(const struct attack *attack) {
    cleanup_fd int fd = open(attack->with, O_RDONLY | O_CLOEXEC);
    return refused_as(fd, EACCES, attack->with);
}

#define OF_INIT(word, how)                                                                                   \
    {                                                                                                        \
        .name = "init-" word, .tries = "read /proc/1/" word, .must = "is refused", .places = NOT_NESTED,     \
        .run = (how), .with = "/proc/1/" word                                                                \
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
    {.name = "init-control",
     .tries = "change priorities, processors, limits of PID 1",
     .must = "is refused",
     .places = BY_USER,
     .run = control_init},
    {.name = "init-links",
     .tries = "follow the links of PID 1's in /proc",
     .must = "is refused",
     .places = NOT_NESTED,
     .run = follow_init},
    {.name = "run-first",
     .tries = "run in real time",
     .must = "is refused",
     .places = ANYWHERE,
     .run = run_first},
    {.name = "spawner",
     .tries = "find who has started the session",
     .must = "has no number inside",
     .places = NOT_NESTED,
     .run = find_spawner},
    {.name = "crash",
     .tries = "crash, so that a program of the host's gets a core",
     .must = "no core is made",
     .places = ANYWHERE,
     .run = crash},
    OF_INIT("mem", open_of_init),
    OF_INIT("environ", open_of_init),
    OF_INIT("maps", open_of_init),
    OF_INIT("auxv", open_of_init),
    OF_INIT("stack", read_of_init),
};

const struct family processes_family = FAMILY(attacks);
