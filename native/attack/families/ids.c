// Attacks on ids and privileges: nobody inside has an id or a right that counts outside.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

// CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SETFCAP
#define ROOTS 0x800005fbu
#define CAPABILITY_SYS_ADMIN (1u << CAP_SYS_ADMIN)

static unsigned long long capabilities_allowed(bool of_root) {
    if ((place & WITHOUT_ROOT) != 0 || !of_root)
        return 0;
    return ROOTS | ((place & (BOTH_USER | BOTH_ROOT)) != 0 ? CAPABILITY_SYS_ADMIN : 0);
}

static enum result find_capability(const char *process, bool bounding, unsigned long long allowed) {
    static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"};
    size_t count = sizeof sets / sizeof sets[0] - (bounding ? 0 : 1);
    for (size_t index = 0; index < count; index++) {
        char text[64];
        if (!status_field(process, sets[index], text, sizeof text))
            return unattempted("no %s in /proc/%s/status", sets[index], process);
        unsigned long long more = strtoull(text, NULL, 16) & ~allowed;
        if (more != 0)
            return broken("%s has %#llx too many", sets[index], more);
    }
    return held("none but %#llx", allowed);
}

static enum result have_capabilities(const struct attack *attack) {
    (void)attack;
    return find_capability("self", false, capabilities_allowed((place & (ROOT_ROOT | BOTH_ROOT)) != 0));
}

static enum result bounding_set(const struct attack *attack) {
    (void)attack;
    char text[64];
    if (!status_field("self", "CapBnd", text, sizeof text))
        return unattempted("no CapBnd in /proc/self/status");
    unsigned long long more = strtoull(text, NULL, 16) & ~capabilities_allowed(true);
    return more != 0 ? broken("the bounding set has %#llx too many", more) : held("%s", text);
}

static enum result inits_capabilities(const struct attack *attack) {
    (void)attack;
    return find_capability("1", true, 0);
}

static enum result same_value(const char *process, const char *name, const char *wanted) {
    char text[64];
    if (!status_field(process, name, text, sizeof text))
        return unattempted("no %s in /proc/%s/status", name, process);
    return strcmp(text, wanted) == 0 ? held("%s is %s", name, text) : broken("%s is %s", name, text);
}

static enum result new_privileges(const struct attack *attack) {
    (void)attack;
    return same_value("self", "NoNewPrivs", "1");
}

static enum result inits_new_privileges(const struct attack *attack) {
    (void)attack;
    return same_value("1", "NoNewPrivs", "1");
}

static enum result no_filter(const struct attack *attack) {
    (void)attack;
    return same_value("self", "Seccomp", "2");
}

static enum result inits_filter(const struct attack *attack) {
    (void)attack;
    return same_value("1", "Seccomp", "2");
}

static enum result become_root(const struct attack *attack) {
    (void)attack;
    if (setresuid(0, 0, 0) == 0)
        return broken("setresuid(0) worked");
    if (setresgid(0, 0, 0) == 0)
        return broken("setresgid(0) worked");
    return refused(setgroups(0, NULL), "setresuid, setresgid and setgroups");
}

// The ids of a sandbox: the user's own, and a range of the upper half, which is nobody's.
static enum result mapped_ids(const struct attack *attack) {
    static const char *const files[] = {"/proc/1/uid_map", "/proc/1/gid_map"};
    (void)attack;
    for (size_t index = 0; index < 2; index++) {
        char text[4096], *rest = NULL;
        if (read_text(files[index], text, sizeof text) <= 0)
            return unattempted("%s: %s", files[index], strerror(errno));
        for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
            unsigned long inside, outside, count;
            if (sscanf(line, "%lu %lu %lu", &inside, &outside, &count) != 3)
                return unattempted("not understood: %s", line);
            bool own = inside == outside && count == 1 && inside != 0;
            if (!own && outside < 0x80000000u)
                return broken("%s: %s", files[index], line);
        }
    }
    return held("only the user's own ids and those of nobody");
}

static enum result give_away(const struct attack *attack) {
    (void)attack;
    cleanup_fd int fd = open("mine", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return unattempted("make a file: %s", strerror(errno));
    int result = fchown(fd, 0, 0);
    (void)unlink("mine");
    return refused(result, "chown to root");
}

static enum result raise_limits(const struct attack *attack) {
    static const int limits[] = {RLIMIT_NOFILE, RLIMIT_CORE, RLIMIT_RTPRIO};
    (void)attack;
    for (size_t index = 0; index < sizeof limits / sizeof limits[0]; index++) {
        struct rlimit limit;
        if (getrlimit(limits[index], &limit) != 0)
            return unattempted("getrlimit: %s", strerror(errno));
        if (limit.rlim_max == RLIM_INFINITY)
            return broken("limit %d has no end", limits[index]);
        limit.rlim_max++;
        if (setrlimit(limits[index], &limit) == 0)
            return broken("limit %d was raised", limits[index]);
    }
    return held("setrlimit: %s", strerror(errno));
}

static enum result lower_nice(const struct attack *attack) {
    (void)attack;
    errno = 0;
    int now = getpriority(PRIO_PROCESS, 0);
    return refused(setpriority(PRIO_PROCESS, 0, now - 1), "setpriority");
}

static enum result escape_killer(const struct attack *attack) {
    (void)attack;
    return unwritable("/proc/self/oom_score_adj", "-1000");
}

static enum result core_files(const struct attack *attack) {
    (void)attack;
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0)
        return unattempted("getrlimit: %s", strerror(errno));
    return limit.rlim_max == 1 ? held("the limit is 1: not even by a pipe")
                               : broken("up to %llu bytes", (unsigned long long)limit.rlim_max);
}

// A group that is nobody's inside is one of the host's that was left behind.
static enum result foreign_groups(const struct attack *attack) {
    (void)attack;
    gid_t groups[512];
    int count = getgroups(sizeof groups / sizeof groups[0], groups);
    if (count < 0)
        return unattempted("getgroups: %s", strerror(errno));
    for (int index = 0; index < count; index++) {
        if (groups[index] == 65534 || ((place & BY_USER) != 0 && groups[index] == 0))
            return broken("group %u is there", groups[index]);
    }
    return held("%d groups, all their own", count);
}

// The image's files belong to root inside, who is nobody on the host: not to the host's root.
static enum result owner_of_image(const struct attack *attack) {
    (void)attack;
    struct stat info;
    const char *path = argument("image-file");
    if (stat(path, &info) != 0)
        return unattempted("%s: %s", path, strerror(errno));
    return info.st_uid == 0 ? held("%s belongs to root inside", path)
                            : broken("%s belongs to %u", path, info.st_uid);
}

static enum result bound_of_namespaces(const struct attack *attack) {
    (void)attack;
    char text[64];
    if (read_text("/proc/sys/user/max_user_namespaces", text, sizeof text) <= 0)
        return unattempted("max_user_namespaces: %s", strerror(errno));
    long most = (place & WITHOUT_NESTING) != 0 ? 0 : 128;
    return strtol(text, NULL, 10) <= most ? held("at most %ld", most) : broken("the bound is %s", text);
}

static const struct attack attacks[] = {
    {.name = "capabilities",
     .tries = "find a capability in a set of a session",
     .must = "finds none that the policy does not give root",
     .places = NOT_NESTED,
     .run = have_capabilities},
    {.name = "capabilities-bounding",
     .tries = "find a capability in the bounding set",
     .must = "finds none that the policy does not give root",
     .places = NOT_NESTED,
     .run = bounding_set},
    {.name = "capabilities-init",
     .tries = "find a capability in a set of PID 1's",
     .must = "finds none",
     .places = NOT_NESTED,
     .run = inits_capabilities},
    {.name = "no-new-privileges",
     .tries = "gain rights by a set-id program",
     .must = "can't: no_new_privs is set",
     .places = WITHOUT_ROOT,
     .run = new_privileges},
    {.name = "no-new-privileges-init",
     .tries = "have PID 1 gain rights by a set-id program",
     .must = "can't: no_new_privs is set",
     .places = NOT_NESTED,
     .run = inits_new_privileges},
    {.name = "filter",
     .tries = "run without a filter",
     .must = "has one",
     .places = ANYWHERE,
     .run = no_filter},
    {.name = "filter-init",
     .tries = "have PID 1 run without a filter",
     .must = "has one",
     .places = NOT_NESTED,
     .run = inits_filter},
    {.name = "groups",
     .tries = "find a group of the host's that was left behind",
     .must = "finds none",
     .places = NOT_NESTED,
     .run = foreign_groups},
    {.name = "image-owner",
     .tries = "find files of the image that belong to the host's root",
     .must = "finds that they belong to root inside",
     .places = NOT_NESTED & ~WITHOUT_ROOT,
     .needs = "image-file",
     .run = owner_of_image},
    {.name = "namespaces-bound",
     .tries = "find that the kernel would give more user namespaces than the policy",
     .must = "finds a bound",
     .places = NOT_NESTED,
     .run = bound_of_namespaces},
    {.name = "become-root",
     .tries = "become root by asking for it",
     .must = "is refused",
     .places = BY_USER,
     .run = become_root},
    {.name = "ids-mapped",
     .tries = "find an id of the host's that is mapped",
     .must = "finds the user's own alone",
     .places = NOT_NESTED,
     .run = mapped_ids},
    {.name = "chown-to-root",
     .tries = "give a file to root",
     .must = "is refused",
     .places = BY_USER,
     .run = give_away},
    {.name = "limits-raised",
     .tries = "raise hard limits of a process",
     .must = "is refused",
     .places = ANYWHERE,
     .run = raise_limits},
    {.name = "core-files",
     .tries = "have the kernel hand a core to a program of the host",
     .must = "can't: the limit keeps it from",
     .places = ANYWHERE,
     .run = core_files},
    {.name = "nice-lowered",
     .tries = "run before others",
     .must = "is refused",
     .places = ANYWHERE,
     .run = lower_nice},
    {.name = "memory-killer",
     .tries = "be spared when memory runs out",
     .must = "is refused",
     .places = ANYWHERE,
     .run = escape_killer},
};

const struct family ids_family = FAMILY(attacks);
