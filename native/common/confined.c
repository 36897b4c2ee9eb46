#include "confined.h"

#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>

// linux/landlock.h of a kernel that has all of it; headers may be older.
enum landlock {
    RULE_PATH_BENEATH = 1,
    RULE_PORT = 2,
    GET_VERSION = 1,
    EXECUTE = 1 << 0,
    READ_FILE = 1 << 2,
    READ_FOLDER = 1 << 3,
    MAKE_BLOCK_DEVICE = 1 << 11,
    FILES_OF_1 = (1 << 13) - 1,
    REFER_OF_2 = 1 << 13, // without it nothing can be linked or moved between folders
    TRUNCATE_OF_3 = 1 << 14,
    CONNECT_OF_4 = 1 << 1,
    NETWORK_OF_4 = 3,
    DEVICES_OF_5 = 1 << 15,
    SCOPES_OF_6 = 3, // abstract sockets and signals
};

struct ruleset {
    uint64_t files, network, scopes;
};

struct beneath {
    uint64_t allowed;
    int32_t folder;
} __attribute__((packed));

struct port {
    uint64_t allowed, number;
};

int confined_calls(const struct sock_filter *filter, size_t count, struct err *err) {
    const struct sock_fprog program = {.len = (unsigned short)count,
                                       .filter = (struct sock_filter *)(uintptr_t)filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return err_sys(err, "install a system call filter", NULL);
    return 0;
}

// The groups first, which takes a capability; the user last, with whom all capabilities go (capabilities(7)).
// Then what a program could give back (no_new_privs), and who could reach in (dumpable, which setresuid() has
// cleared, too).
int confined_ids(uid_t id, struct err *err) {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return err_sys(err, "drop a capability from the bounding set", NULL);
    }
    if (setgroups(0, NULL) != 0 || setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0)
        return err_sys(err, "give up root's ids", NULL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(err, "set no_new_privs", NULL);
    return 0;
}

// Negative where there is none (ENOSYS, EOPNOTSUPP).
static long landlock_version(void) {
    return syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
}

static uint64_t files_of(long version) {
    return FILES_OF_1 | (uint64_t)((version >= 2 ? REFER_OF_2 : 0) | (version >= 3 ? TRUNCATE_OF_3 : 0) |
                                   (version >= 5 ? DEVICES_OF_5 : 0));
}

int confined_rules(long least, int *rules, struct err *err) {
    long version = landlock_version();
    if (version < least)
        return 0;
    struct ruleset set = {.files = files_of(version)};
    size_t size = sizeof set.files; // a kernel refuses what it does not know, were it zero or not
    if (version >= 4) {
        set.network = NETWORK_OF_4;
        size = offsetof(struct ruleset, scopes);
    }
    if (version >= 6) {
        set.scopes = SCOPES_OF_6;
        size = sizeof set;
    }
    *rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    return *rules >= 0 ? 0 : err_sys(err, "make rules (Landlock)", NULL);
}

int confined_below(int rules, int folder, const char *path, enum confined_access access, struct err *err) {
    if (rules < 0)
        return 0;
    const uint64_t never = EXECUTE | DEVICES_OF_5 | MAKE_BLOCK_DEVICE;
    struct beneath beneath = {.folder = folder, .allowed = READ_FILE};
    if (access == CONFINED_RUN)
        beneath.allowed |= EXECUTE;
    if (access == CONFINED_READ)
        beneath.allowed |= READ_FOLDER;
    if (access == CONFINED_WRITE)
        beneath.allowed = files_of(landlock_version()) & ~never;
    if (syscall(SYS_landlock_add_rule, rules, RULE_PATH_BENEATH, &beneath, 0) != 0)
        return err_sys(err, "allow a folder (Landlock)", path);
    return 0;
}

int confined_port(int rules, uint64_t number, struct err *err) {
    if (rules < 0 || landlock_version() < 4)
        return 0;
    struct port port = {.allowed = CONNECT_OF_4, .number = number};
    if (syscall(SYS_landlock_add_rule, rules, RULE_PORT, &port, 0) != 0)
        return err_sys(err, "allow a port (Landlock)", NULL);
    return 0;
}

int confined_restrict(int rules, struct err *err) {
    if (rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        return err_sys(err, "restrict (Landlock)", NULL);
    return 0;
}

int confined_servant(uid_t id, rlim_t descriptors, const struct sock_filter *filter, size_t count,
                     struct err *err) {
    const struct rlimit most = {.rlim_cur = descriptors, .rlim_max = descriptors}, none = {0};
    if (setrlimit(RLIMIT_NOFILE, &most) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        return err_sys(err, "setrlimit", NULL);
    if (confined_ids(id, err) != 0)
        return -1;
    // Another id clears it (prctl(2)).
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_sys(err, "end with the parent", NULL);
    return confined_calls(filter, count, err);
}
