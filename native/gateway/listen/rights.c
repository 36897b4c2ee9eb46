#include "listen/rights.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "confined.h"
#include "sys.h"

// Of a processor's time, until somebody has logged in: the monitor lifts it then.
#define SECONDS_MOST 30
#define DESCRIPTORS_MOST 4096
#define THREADS_MOST 64
// What Node may write to of its own (setrlimit(2), RLIMIT_DATA): its heap is bounded by options, buffers are
// not.
#define BYTES_MOST (UINT64_C(1) << 30)

// Landlock leaves it the files below, and this takes what it does not need of the rest: it makes no socket
// and no process, and reaches none. It accepts at sockets that it is given, which Node begins with another
// listen(2).
static const struct sock_filter filter[] = {
    CALLS_OF_THIS_MACHINE,         CALLS_NOT_OF_NODE,
    CALLS_DENY(pidfd_send_signal), CALLS_DENY(rt_sigqueueinfo),
    CALLS_DENY(rt_tgsigqueueinfo), CALLS_DENY(prlimit64),
    CALLS_THREADS_AND_THE_REST,
};

static int allow(int rules, const char *path, enum confined_access access, struct err *err) {
    cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
    return fd < 0 ? 0 : confined_below(rules, fd, path, access, err); // not every host has all of them
}

static int confine_files(const struct gateway_program *program, struct err *err) {
    static const char *const read[] = {"/lib",           "/lib64",           "/usr/lib",  "/usr/lib64",
                                       "/usr/local/lib", "/etc/ld.so.cache", "/dev/null", "/dev/urandom"};
    static const char *const loaders[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"};
    cleanup_fd int rules = CLOSED_FD;
    if (confined_rules(1, &rules, err) != 0 || allow(rules, program->node, CONFINED_RUN, err) != 0 ||
        allow(rules, program->script, CONFINED_READ_FILES, err) != 0)
        return -1;
    for (size_t index = 0; index < sizeof read / sizeof read[0]; index++)
        if (allow(rules, read[index], CONFINED_READ_FILES, err) != 0)
            return -1;
    for (const char *const *addon = program->addons; *addon != NULL; addon++)
        if (allow(rules, *addon, CONFINED_READ_FILES, err) != 0)
            return -1;
    for (size_t index = 0; index < sizeof loaders / sizeof loaders[0]; index++)
        if (allow(rules, loaders[index], CONFINED_RUN, err) != 0)
            return -1;
    return confined_restrict(rules, err);
}

int rights_drop(const struct gateway_program *program, unsigned slot, struct err *err) {
    const struct rlimit none = {0}, data = {.rlim_cur = BYTES_MOST, .rlim_max = BYTES_MOST};
    const struct rlimit seconds = {.rlim_cur = SECONDS_MOST, .rlim_max = SECONDS_MOST};
    const struct rlimit threads = {.rlim_cur = THREADS_MOST, .rlim_max = THREADS_MOST};
    if (setrlimit(RLIMIT_FSIZE, &none) != 0 || setrlimit(RLIMIT_CPU, &seconds) != 0 ||
        setrlimit(RLIMIT_DATA, &data) != 0 || setrlimit(RLIMIT_NPROC, &threads) != 0)
        return err_sys(err, "setrlimit", NULL);
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
        return err_sys(err, "unshare", NULL);
    if (confine_files(program, err) != 0)
        return -1;
    const struct rlimit most = {.rlim_cur = DESCRIPTORS_MOST, .rlim_max = DESCRIPTORS_MOST};
    if (setrlimit(RLIMIT_NOFILE, &most) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        return err_sys(err, "setrlimit", NULL);
    // Unlike other servants it does not end with who has started it: connections outlive the listener.
    if (confined_ids(GATEWAY_FIRST_ID + slot, err) != 0)
        return -1;
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
}
