#include "kept/screens.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup/memory.h"
#include "cleanup.h"
#include "confined.h"
#include "sys.h"

#define SECONDS_MOST 60 // of a processor's time
#define DESCRIPTORS_MOST 64
#define SCRIPT_FD "3"

static const char *programs[2];

void screens_are(const char *node, const char *script) {
    programs[0] = node;
    programs[1] = script;
}

// Landlock leaves it the files below, and this takes what it does not need of the rest. Node makes threads,
// and no processes.
static const struct sock_filter filter[] = {
    CALLS_OF_THIS_MACHINE,
    CALLS_DENY(socket),
    CALLS_DENY(connect),
    CALLS_DENY(bind),
    CALLS_DENY(listen),
    CALLS_DENY(accept),
    CALLS_DENY(accept4),
    CALLS_DENY(ptrace),
    CALLS_DENY(process_vm_readv),
    CALLS_DENY(process_vm_writev),
    CALLS_DENY(pidfd_open),
    CALLS_DENY(pidfd_getfd),
    CALLS_DENY(kill),
    CALLS_DENY(tkill),
    CALLS_DENY(mount),
    CALLS_DENY(umount2),
    CALLS_DENY(fsopen),
    CALLS_DENY(open_tree),
    CALLS_DENY(chroot),
    CALLS_DENY(setns),
    CALLS_DENY(unshare),
    CALLS_DENY(bpf),
    CALLS_DENY(perf_event_open),
    CALLS_DENY(keyctl),
    CALLS_DENY(add_key),
    CALLS_DENY(request_key),
    CALLS_DENY(userfaultfd),
    CALLS_DENY(io_uring_setup),
    CALLS_DENY(open_by_handle_at),
    CALLS_DENY(shmget),
    CALLS_DENY(msgget),
    CALLS_DENY(semget),
    CALLS_DENY(mq_open),
    CALLS_DENY(fchmodat),
    CALLS_DENY(fchownat),
#ifdef SYS_fork
    CALLS_DENY(fork),
    CALLS_DENY(vfork),
    CALLS_DENY(chmod),
    CALLS_DENY(chown),
#endif
    // The C library asks the older one then, whose flags can be looked at.
    CALLS_IS(SYS_clone3, 1),
    CALLS_RETURN(SECCOMP_RET_ERRNO | ENOSYS),
    CALLS_IS(SYS_clone, 4),
    CALLS_ARGUMENT(0),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
    CALLS_REFUSE,
    CALLS_RETURN(SECCOMP_RET_ALLOW),
    CALLS_RETURN(SECCOMP_RET_ALLOW),
};

static int allow(int rules, const char *path, enum confined_access access, struct err *err) {
    cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
    return fd < 0 ? 0 : confined_below(rules, fd, path, access, err); // not every host has all of them
}

static int confine_files(struct err *err) {
    static const char *const libraries[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"};
    static const char *const loaders[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"};
    cleanup_fd int rules = CLOSED_FD;
    if (confined_rules(1, &rules, err) != 0 || allow(rules, programs[0], CONFINED_RUN, err) != 0 ||
        allow(rules, programs[1], CONFINED_READ_FILES, err) != 0 ||
        allow(rules, "/etc/ld.so.cache", CONFINED_READ_FILES, err) != 0)
        return -1;
    for (size_t index = 0; index < sizeof libraries / sizeof libraries[0]; index++)
        if (allow(rules, libraries[index], CONFINED_READ_FILES, err) != 0)
            return -1;
    for (size_t index = 0; index < sizeof loaders / sizeof loaders[0]; index++)
        if (allow(rules, loaders[index], CONFINED_RUN, err) != 0)
            return -1;
    return confined_restrict(rules, err);
}

static int give_up_rights(uid_t id, struct err *err) {
    const struct rlimit none = {0}, time = {.rlim_cur = SECONDS_MOST, .rlim_max = SECONDS_MOST};
    if (setrlimit(RLIMIT_FSIZE, &none) != 0 || setrlimit(RLIMIT_CPU, &time) != 0)
        return err_sys(err, "setrlimit", NULL);
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
        return err_sys(err, "unshare", NULL);
    if (confine_files(err) != 0)
        return -1;
    return confined_servant(id, DESCRIPTORS_MOST, filter, sizeof filter / sizeof filter[0], err);
}

static _Noreturn void run(const struct supervisor *supervisor, int socket) {
    struct err err = {0};
    sigset_t none;
    char *const arguments[] = {(char *)programs[0],        "--max-old-space-size=64",
                               "--max-semi-space-size=2",  "--preserve-symlinks-main",
                               "/proc/self/fd/" SCRIPT_FD, NULL};
    char *const environment[] = {"NODE_NO_WARNINGS=1", "LANG=C.UTF-8", "OPENSSL_CONF=/nonexistent", NULL};
    if (supervisor->cgroups.version == 1)
        (void)cgroups_attach(&supervisor->cgroups, getpid(), &err);
    memory_score("1000"); // of all that is short of memory in the sandbox it goes first
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    // By its number: Node looks for files of its own in all folders above a script's path.
    int script = open(programs[1], O_RDONLY | O_CLOEXEC);
    int high = fcntl(script, F_DUPFD_CLOEXEC, 16);
    if (null < 0 || high < 0 || dup2(socket, 0) < 0 || dup2(socket, 1) < 0 || dup2(null, 2) < 0 ||
        dup2(high, atoi(SCRIPT_FD)) < 0 || sys_close_range((unsigned)atoi(SCRIPT_FD) + 1, ~0u, 0) != 0 ||
        chdir("/") != 0)
        _exit(71);
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (give_up_rights(supervisor->spec.root_uid, &err) == 0)
        (void)execve(programs[0], arguments, environment);
    _exit(71);
}

pid_t screen_start(const struct supervisor *supervisor, int *socket) {
    struct err ignored = {0};
    struct sys_clone_args args = {.exit_signal = SIGCHLD};
    cleanup_fd int cgroup = CLOSED_FD;
    int pair[2];
    if (programs[0] == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    cleanup_fd int ours = pair[0];
    cleanup_fd int theirs = pair[1];
    if (cgroups_birth(&supervisor->cgroups, &supervisor->spec, true, &args, &cgroup, &ignored) != 0)
        return -1; // it would be bounded by nothing
    pid_t pid = sys_clone3(&args);
    if (pid == 0)
        run(supervisor, theirs);
    if (pid > 0)
        *socket = take_fd(&ours);
    return pid;
}
