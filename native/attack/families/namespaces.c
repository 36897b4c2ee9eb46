// Attacks on namespaces: none is the host's, and the way into another one is shut.
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

// "net:[4026531840]", as /proc/PID/ns shows it; whoever brought us in says the host's.
static enum result same_namespace(const struct attack *attack) {
    const char *kind = attack->with;
    char path[64], name[64], own[128] = {0};
    (void)snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    (void)snprintf(name, sizeof name, "host-%s", kind);
    const char *host = argument(name);
    if (host == NULL)
        return unattempted("nobody said what the host's is");
    if (readlink(path, own, sizeof own - 1) < 0)
        return unattempted("%s: %s", path, strerror(errno));
    return strcmp(own, host) == 0 ? broken("it is the host's, %s", own) : held("%s, not %s", own, host);
}

static enum result enter_init(const struct attack *attack) {
    static const char *const kinds[] = {"mnt", "pid", "net", "user", "ipc", "uts", "cgroup"};
    (void)attack;
    for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/proc/1/ns/%s", kinds[index]);
        cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return broken("%s can be opened", path);
    }
    return held("%s", strerror(errno));
}

static enum result find_interfaces(const struct attack *attack) {
    (void)attack;
    if (given("network", "host"))
        return held("the policy gives the host's network");
    struct if_nameindex *names = if_nameindex();
    if (names == NULL)
        return unattempted("if_nameindex: %s", strerror(errno));
    enum result result = held("no other than its own");
    for (struct if_nameindex *one = names; one->if_index != 0; one++) {
        // Those that the kernel makes in every namespace go nowhere.
        static const char *const empty[] = {"lo",      "tunl0",    "gre0", "gretap0", "erspan0",
                                            "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"};
        bool known = given("network", "private") && strcmp(one->if_name, "eth0") == 0;
        for (size_t index = 0; index < sizeof empty / sizeof empty[0]; index++)
            known |= strcmp(one->if_name, empty[index]) == 0;
        if (!known)
            result = broken("there is an interface %s", one->if_name);
    }
    if_freenameindex(names);
    return result;
}

// Only a single id of one's own, or what a set-id program gives.
static int map_others(void *data) {
    const char *map = data;
    if (unshare(CLONE_NEWUSER) != 0)
        return 3;
    return write_text("/proc/self/uid_map", map) == 0 ? 0 : (errno == EPERM ? 1 : 2);
}

static enum result map_foreign_ids(const struct attack *attack) {
    (void)attack;
    char next[32], many[32];
    (void)snprintf(next, sizeof next, "0 %u 1\n", getuid() + 1);
    (void)snprintf(many, sizeof many, "0 %u 2\n", getuid());
    char *maps[] = {"0 0 1\n", next, many, "0 0 65536\n"};
    for (size_t index = 0; index < sizeof maps / sizeof maps[0]; index++) {
        int status = in_child(map_others, maps[index]);
        if (status == 3)
            return unattempted("no namespace to map ids in");
        if (status != 1)
            return broken("\"%.*s\" was not refused", (int)strcspn(maps[index], "\n"), maps[index]);
    }
    return held("every map but one's own id is refused");
}

static int keep_groups(void *data) {
    (void)data;
    char map[32];
    (void)snprintf(map, sizeof map, "0 %u 1\n", getgid());
    if (unshare(CLONE_NEWUSER) != 0)
        return 3;
    return write_text("/proc/self/gid_map", map) == 0 ? 0 : 1;
}

static enum result drop_groups(const struct attack *attack) {
    (void)attack;
    int status = in_child(keep_groups, NULL);
    if (status == 3)
        return unattempted("no namespace to map groups in");
    return status == 1 ? held("gid_map: refused before setgroups is") : broken("gid_map was written");
}

#define OWN(kind)                                                                                            \
    {                                                                                                        \
        .name = "own-" kind, .tries = "find the host's " kind " namespace to be one's own",                  \
        .must = "finds another", .places = ANYWHERE, .run = same_namespace, .with = (kind)                   \
    }

static const struct attack attacks[] = {
    OWN("mnt"),
    OWN("pid"),
    OWN("user"),
    OWN("ipc"),
    OWN("uts"),
    OWN("cgroup"),
    OWN("net"),
    {.name = "init-namespaces",
     .tries = "open the namespaces of PID 1, to enter them",
     .must = "is refused",
     .places = NOT_NESTED,
     .run = enter_init},
    {.name = "interfaces",
     .tries = "find a network interface that leads outside",
     .must = "finds the loopback, and its own if it has a network",
     .places = ANYWHERE,
     .run = find_interfaces},
    {.name = "map-foreign-ids",
     .tries = "map ids of others into a user namespace",
     .must = "is refused",
     .places = NESTING_USER | BOTH_USER,
     .run = map_foreign_ids},
    {.name = "drop-groups",
     .tries = "map groups and stay able to drop some, past files that exclude them",
     .must = "is refused",
     .places = NESTING_USER | BOTH_USER,
     .run = drop_groups},
};

const struct family namespaces_family = FAMILY(attacks);
