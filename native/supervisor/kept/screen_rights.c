#include "kept/screen_rights.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cleanup.h"
#include "confined.h"

#define SECONDS_MOST 60 // of a processor's time
#define DESCRIPTORS_MOST 64

// Landlock leaves it the files below, and this takes what it does not need of the rest. Node makes threads,
// and no processes.
static const struct sock_filter filter[] = {
    CALLS_OF_THIS_MACHINE, CALLS_NOT_OF_NODE,   CALLS_DENY(listen),
    CALLS_DENY(accept),    CALLS_DENY(accept4), CALLS_THREADS_AND_THE_REST,
};

static int allow(int rules, const char *path, enum confined_access access, struct err *err) {
    cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
    return fd < 0 ? 0 : confined_below(rules, fd, path, access, err); // not every host has all of them
}

static int confine_files(const char *node, const char *script, struct err *err) {
    static const char *const libraries[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"};
    static const char *const loaders[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"};
    cleanup_fd int rules = CLOSED_FD;
    if (confined_rules(1, &rules, err) != 0 || allow(rules, node, CONFINED_RUN, err) != 0 ||
        allow(rules, script, CONFINED_READ_FILES, err) != 0 ||
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

int screen_rights(uid_t id, const char *node, const char *script, struct err *err) {
    const struct rlimit none = {0}, time = {.rlim_cur = SECONDS_MOST, .rlim_max = SECONDS_MOST};
    if (setrlimit(RLIMIT_FSIZE, &none) != 0 || setrlimit(RLIMIT_CPU, &time) != 0)
        return err_sys(err, "setrlimit", NULL);
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
        return err_sys(err, "unshare", NULL);
    if (confine_files(node, script, err) != 0)
        return -1;
    return confined_servant(id, DESCRIPTORS_MOST, filter, sizeof filter / sizeof filter[0], err);
}
