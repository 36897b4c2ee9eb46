// Attacks by root of a user namespace of the user's own, on mounts and on the sandbox's control groups.
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

// linux/mount.h and sys/mount.h can't be included together.
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
#define READ_ONLY 1ul

// File systems of the machine's, of which there is one for all.
static enum result mount_machines(const struct attack *attack) {
    const char *type = attack->with;
    if (mount("none", "/tmp", type, 0, NULL) == 0)
        return broken("%s was mounted", type);
    return held("%s: %s", type, errno == ENODEV ? "this kernel has none" : strerror(errno));
}

static enum result mount_device(const struct attack *attack) {
    (void)attack;
    static const char *const types[] = {"ext4", "xfs", "vfat", "iso9660", "squashfs", "btrfs"};
    static const char *const devices[] = {"/dev/loop0", "/dev/vda", "/dev/sda", "/dev/null"};
    for (size_t type = 0; type < sizeof types / sizeof types[0]; type++) {
        for (size_t device = 0; device < sizeof devices / sizeof devices[0]; device++) {
            if (mount(devices[device], "/tmp", types[type], READ_ONLY, NULL) == 0)
                return broken("%s was mounted as %s", devices[device], types[type]);
        }
    }
    return held("%s", strerror(errno));
}

static enum result open_below(const char *below, const char *const *paths) {
    for (; *paths != NULL; paths++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", below, *paths);
        cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
            return broken("%s can be written to", *paths);
    }
    return held("%s", strerror(errno));
}

static enum result fresh_proc(const struct attack *attack) {
    static const char *const paths[] = {"sys/kernel/core_pattern",
                                        "sys/kernel/sysrq",
                                        "sys/fs/file-max",
                                        "sys/vm/overcommit_memory",
                                        "sysrq-trigger",
                                        "irq/default_smp_affinity",
                                        NULL};
    (void)attack;
    if (mount("proc", "/tmp", "proc", 0, NULL) != 0)
        return unattempted("mount proc: %s", strerror(errno));
    return open_below("/tmp", paths);
}

static enum result fresh_sysfs(const struct attack *attack) {
    static const char *const paths[] = {"power/state", "kernel/profiling", "kernel/uevent_helper",
                                        "kernel/mm/ksm/run", NULL};
    (void)attack;
    if (mount("sysfs", "/tmp", "sysfs", 0, NULL) != 0)
        return held("mount sysfs: %s", strerror(errno));
    return open_below("/tmp", paths);
}

// Whatever is mounted is a tree of this sandbox's own groups, and root's.
static enum result old_cgroup(const struct attack *attack) {
    static const char *const files[] = {"release_agent",    "notify_on_release", "memory.limit_in_bytes",
                                        "pids.max",         "cgroup.procs",      "devices.allow",
                                        "cpu.cfs_quota_us", "freezer.state",     NULL};
    const char *controller = attack->with;
    if (mount("none", "/tmp", "cgroup", 0, controller) != 0)
        return held("mount: %s", strerror(errno));
    if (mkdir("/tmp/x", 0700) == 0)
        return broken("a group was made");
    return open_below("/tmp", files);
}

// Below what is mounted over it: the kernel copies no tree without what covers it (mount_namespaces(7)).
static enum result copy_uncovered(const struct attack *attack) {
    (void)attack;
    cleanup_fd int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree >= 0)
        return broken("open_tree gave the root without what is mounted in it");
    if (mount("/", "/tmp", NULL, 4096 /* MS_BIND */, NULL) == 0)
        return broken("the root was bound without what is mounted in it");
    return held("%s", strerror(errno));
}

static enum result change_attributes(const struct attack *attack) {
    (void)attack;
    static const uint64_t flags[] = {MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV};
    for (size_t index = 0; index < 2; index++) {
        struct mount_attr attr = {.attr_clr = flags[index]};
        if (syscall(SYS_mount_setattr, AT_FDCWD, "/dev/shm/..", 0, &attr, sizeof attr) == 0 && index == 0)
            return broken("nosuid was taken off /dev");
        if (syscall(SYS_mount_setattr, AT_FDCWD, "/tmp", 0, &attr, sizeof attr) == 0)
            return broken("a flag was taken off /tmp");
    }
    return held("mount_setattr: %s", strerror(errno));
}

// A control group's file that is root's.
static enum result write_group(const struct attack *attack) {
    const char *path = attack->with;
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        return broken("%s can be written to", path);
    struct stat info;
    if (errno == ENOENT && stat("/sys/fs/cgroup/cgroup.procs", &info) == 0)
        return held("there is none: that controller is of version 1");
    return errno == ENOENT ? unattempted("there is no %s", path) : held("%s", strerror(errno));
}

static enum result change_sessions(const struct attack *attack) {
    (void)attack;
    struct stat info;
    if (stat("/sys/fs/cgroup/sessions/kept", &info) != 0)
        return unattempted("no group that sessions begin in: %s", strerror(errno));
    if (mkdir("/sys/fs/cgroup/sessions/x", 0700) == 0) {
        (void)rmdir("/sys/fs/cgroup/sessions/x");
        return broken("a group was made in it");
    }
    if (rename("/sys/fs/cgroup/sessions", "/sys/fs/cgroup/moved") == 0)
        return broken("it was renamed");
    return refused(rmdir("/sys/fs/cgroup/sessions"), "mkdir in it, rename and rmdir");
}

static enum result groups_above(const struct attack *attack) {
    (void)attack;
    struct stat info;
    static const char *const paths[] = {"/tmp/inside", "/tmp/supervisors", "/tmp/dockersh.slice",
                                        "/tmp/init.scope"};
    if (mount("none", "/tmp", "cgroup2", 0, NULL) != 0)
        return held("mount cgroup2: %s", strerror(errno));
    for (size_t index = 0; index < sizeof paths / sizeof paths[0]; index++) {
        if (stat(paths[index], &info) == 0)
            return broken("%s can be seen", paths[index]);
    }
    return held("its own groups alone");
}

#define MACHINES(type)                                                                                       \
    {                                                                                                        \
        .name = "mount-" type, .tries = "mount " type ", of which the machine has one",                      \
        .must = "is refused", .places = NESTED, .run = mount_machines, .with = (type)                        \
    }
#define OLD_CGROUP(controller)                                                                               \
    {                                                                                                        \
        .name = "cgroup-v1-" controller,                                                                     \
        .tries = "mount the hierarchy of " controller " and change a group, or name a release agent",        \
        .must = "is refused (CVE-2022-0492)", .places = NESTED, .run = old_cgroup, .with = (controller)      \
    }
#define GROUP(word, file)                                                                                    \
    {                                                                                                        \
        .name = "cgroup-" word, .tries = "write to " file, .must = "is refused",                             \
        .places = WITH_NESTING & ~NESTED, .run = write_group, .with = ("/sys/fs/cgroup/" file)               \
    }

static const struct attack attacks[] = {
    MACHINES("debugfs"),
    MACHINES("tracefs"),
    MACHINES("securityfs"),
    MACHINES("configfs"),
    MACHINES("pstore"),
    MACHINES("efivarfs"),
    MACHINES("devtmpfs"),
    MACHINES("selinuxfs"),
    MACHINES("hugetlbfs"),
    {.name = "mount-device",
     .tries = "mount a file system from a device",
     .must = "is refused",
     .places = NESTED,
     .run = mount_device},
    {.name = "fresh-proc",
     .tries = "write to the machine's files in a proc of one's own",
     .must = "is refused",
     .places = NESTED,
     .run = fresh_proc},
    {.name = "fresh-sysfs",
     .tries = "write to the machine's files in a sysfs of one's own",
     .must = "is refused",
     .places = NESTED,
     .run = fresh_sysfs},
    OLD_CGROUP("memory"),
    OLD_CGROUP("pids"),
    OLD_CGROUP("cpu"),
    OLD_CGROUP("devices"),
    OLD_CGROUP("freezer"),
    {.name = "copy-uncovered",
     .tries = "copy the root file system without what is mounted over parts of it",
     .must = "is refused",
     .places = NESTED,
     .run = copy_uncovered},
    {.name = "mount-attributes",
     .tries = "take nosuid and nodev off by mount_setattr",
     .must = "is refused",
     .places = NESTED,
     .run = change_attributes},
    {.name = "cgroups-above",
     .tries = "see control groups above one's own by a mount of them",
     .must = "sees none",
     .places = NESTED,
     .run = groups_above},
    GROUP("descendants", "cgroup.max.descendants"),
    GROUP("depth", "cgroup.max.depth"),
    GROUP("controllers", "cgroup.subtree_control"),
    GROUP("kill", "cgroup.kill"),
    GROUP("freeze", "cgroup.freeze"),
    GROUP("memory", "memory.max"),
    GROUP("pids", "pids.max"),
    GROUP("cpu", "cpu.max"),
    GROUP("sessions-kill", "sessions/cgroup.kill"),
    GROUP("sessions-freeze", "sessions/cgroup.freeze"),
    GROUP("sessions-type", "sessions/cgroup.type"),
    GROUP("sessions-controllers", "sessions/cgroup.subtree_control"),
    {.name = "cgroup-sessions",
     .tries = "make, rename or remove groups where sessions begin",
     .must = "is refused",
     .places = WITH_NESTING & ~NESTED,
     .run = change_sessions},
};

const struct family nested_family = FAMILY(attacks);
