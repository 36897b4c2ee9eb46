#include "start/masks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootfs/in_root.h"
#include "sys.h"

// What only the host's root may read is not here: its owner has no id inside, so nobody can open it.
static const char *const in_proc[] = {
    "acpi",       "asound",        "bus",        "config.gz",   "driver",      "fs",
    "interrupts", "irq",           "kallsyms",   "kcore",       "key-users",   "keys",
    "kmsg",       "latency_stats", "schedstat",  "sched_debug", "scsi",        "slabinfo",
    "pressure",   "softirqs",      "timer_list", "timer_stats", "vmallocinfo", "sysrq-trigger"};
static const char *const in_sys[] = {
    "firmware",          "kernel/boot_params",      "kernel/irq", "kernel/notes", "kernel/slab",
    "kernel/vmcoreinfo", "devices/virtual/powercap"};

// What is covered already in the folder: what the next one of its kind is covered with, by one call.
struct covered {
    const char *folder, *file;
};

static int cover_first(int folder, const char *name, bool is_folder, int device_folder) {
    // What shm and mqueue are mounted on later: an empty folder, and one with an empty file (dev.c).
    cleanup_fd int tree =
        sys_open_tree(device_folder, is_folder ? "shm" : "mqueue/empty", SYS_OPEN_TREE_CLONE | O_CLOEXEC);
    struct sys_mount_attr attr = {.attr_set = SYS_MOUNT_ATTR_RDONLY | SYS_MOUNT_ATTR_NOSUID |
                                              SYS_MOUNT_ATTR_NODEV | SYS_MOUNT_ATTR_NOEXEC};
    if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) != 0)
        return -1;
    return sys_move_mount(tree, "", folder, name, SYS_MOVE_MOUNT_F_EMPTY_PATH);
}

// `folder` is the current one.
static int cover(int folder, const char *name, int device_folder, struct covered *covered) {
    struct stat info;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -1;
    if ((info.st_mode & (S_IROTH | S_IWOTH)) == 0)
        return 0;
    if (S_ISLNK(info.st_mode)) { // mount(2) would cover what it leads to
        errno = ELOOP;
        return -1;
    }
    bool is_folder = S_ISDIR(info.st_mode);
    const char **like = is_folder ? &covered->folder : &covered->file;
    if (*like != NULL) // with the same flags
        return mount(*like, name, NULL, MS_BIND, NULL);
    *like = name;
    return cover_first(folder, name, is_folder, device_folder);
}

static int cover_all(int folder, const char *const *names, size_t count, int device_folder, struct err *err) {
    struct covered covered = {0};
    if (fchdir(folder) != 0)
        return err_sys(err, "enter folder", NULL);
    for (size_t index = 0; index < count; index++)
        if (cover(folder, names[index], device_folder, &covered) != 0)
            return err_sys(err, "cover", names[index]);
    return 0;
}

// Without nesting nobody inside may write to any of it but the sandbox's root, who owns what belongs to its
// namespaces: limits on IPC and processes, settings of its network.
static int make_settings_read_only(int proc, struct err *err) {
    cleanup_fd int tree = sys_open_tree(proc, "sys", SYS_OPEN_TREE_CLONE | O_CLOEXEC);
    struct sys_mount_attr attr = {.attr_set = SYS_MOUNT_ATTR_RDONLY};
    if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) != 0 ||
        sys_move_mount(tree, "", proc, "sys", SYS_MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return err_sys(err, "make /proc/sys read-only", NULL);
    return 0;
}

int masks_add(const struct spec *spec, int root, struct err *err) {
    if (spec->freedom.nesting)
        return 0;
    cleanup_fd int proc = open_in_root(root, "proc", err);
    cleanup_fd int sys = open_in_root(root, "sys", err);
    cleanup_fd int dev = open_in_root(root, "dev", err);
    if (proc < 0 || sys < 0 || dev < 0)
        return -1;
    if (cover_all(proc, in_proc, sizeof in_proc / sizeof in_proc[0], dev, err) != 0 ||
        cover_all(sys, in_sys, sizeof in_sys / sizeof in_sys[0], dev, err) != 0)
        return -1;
    return make_settings_read_only(proc, err);
}
