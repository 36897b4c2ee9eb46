#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"

enum {
    MOVE_TO_EMPTY_PATH = 0x40, // MOVE_MOUNT_T_EMPTY_PATH, linux/mount.h
    ATTR_NOEXEC = 0x08,        // MOUNT_ATTR_NOEXEC
    CAPABILITY_VERSION_3 = 0x20080522,
    CAPABILITY_LAST = 63,
};

// Order matters (mount_namespaces(7), pivot_root(2)): private propagation first, or the mounts below
// would appear on the host; the folder mounted on itself, because pivot_root wants a mount point; the
// old root detached last, after which no path and no ".." leads to it.
int confine_enter(const char *path, struct err *err) {
    if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID) < 0)
        return err_sys(err, "unshare namespaces", "");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_sys(err, "make mounts private", "/");
    // Opened here and not earlier: a descriptor from another mount namespace cannot be cloned.
    cleanup_fd int folder = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return err_sys(err, "open the folder", path);
    cleanup_fd int tree = sys_open_tree(folder, "", SYS_OPEN_TREE_CLONE | AT_EMPTY_PATH | O_CLOEXEC);
    if (tree < 0)
        return err_sys(err, "open_tree", path);
    struct sys_mount_attr attributes = {.attr_set =
                                            SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV | ATTR_NOEXEC};
    if (sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attributes) < 0)
        return err_sys(err, "mount_setattr", path);
    if (sys_move_mount(tree, "", folder, "", SYS_MOVE_MOUNT_F_EMPTY_PATH | MOVE_TO_EMPTY_PATH) < 0)
        return err_sys(err, "move_mount", path);
    if (fchdir(tree) < 0 || sys_pivot_root(".", ".") < 0)
        return err_sys(err, "pivot_root", path);
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return err_sys(err, "detach the old root", "");
    return 0;
}

// The bounding set goes first: lowering it needs CAP_SETPCAP, which capset() then takes away.
int confine_drop(uint64_t keep, struct err *err) {
    for (int capability = 0; capability <= CAPABILITY_LAST; capability++) {
        // EINVAL: a number this kernel does not know, so there is nothing to give up.
        if ((keep & CAP_BIT(capability)) == 0 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 &&
            errno != EINVAL)
            return err_sys(err, "drop a capability from the bounding set", "");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(err, "set no_new_privs", "");
    struct {
        uint32_t version;
        int pid;
    } header = {CAPABILITY_VERSION_3, 0};
    uint32_t low = (uint32_t)keep;
    uint32_t high = (uint32_t)(keep >> 32);
    struct {
        uint32_t effective, permitted, inheritable;
    } sets[2] = {{low, low, 0}, {high, high, 0}};
    if (syscall(SYS_capset, &header, sets) < 0)
        return err_sys(err, "capset", "");
    return 0;
}

static int set_limit(int resource, uint64_t value, const char *name, struct err *err) {
    struct rlimit limit = {.rlim_cur = (rlim_t)value, .rlim_max = (rlim_t)value};
    return setrlimit(resource, &limit) < 0 ? err_sys(err, "setrlimit", name) : 0;
}

int confine_limit(const struct limits *limits, struct err *err) {
    if (limits->max_memory > 0 && set_limit(RLIMIT_AS, limits->max_memory, "RLIMIT_AS", err) < 0)
        return -1;
    return set_limit(RLIMIT_CORE, 0, "RLIMIT_CORE", err);
}
