#include "rootfs/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootfs/in_root.h"
#include "sys.h"

static bool only_roots(int folder) {
    struct stat info;
    return fstat(folder, &info) == 0 && info.st_uid == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// Walks to the source component by component. In a folder that only root can write to, nobody else can
// put a link or another folder in the way between one look and the next; so each one on the way must be
// such a folder. The last one may be anybody's: what is in it is what the sandbox shall see.
static int open_source(const char *source, struct err *err) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s", source);
    cleanup_fd int folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *rest = NULL;
    for (char *name = strtok_r(path, "/", &rest); folder >= 0 && name != NULL;
         name = strtok_r(NULL, "/", &rest)) {
        if (!only_roots(folder))
            return err_plain(err, FAILURE_MOUNT, "others than root can change a folder on the way to",
                             source);
        int next = openat(folder, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
        if (next < 0)
            return err_code(err, FAILURE_MOUNT, "open source of the mount", source);
        close_fd(folder);
        folder = next;
    }
    return folder >= 0 ? take_fd(&folder) : err_code(err, FAILURE_MOUNT, "open source of the mount", source);
}

// Without any symbolic link: below the home, the user has a say in what is there.
static int open_plain(int root, const char *path) {
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

// Changing the ids that files are made with takes these capabilities off (capabilities(7)); the folder that
// the new one is in may be closed to everybody but the user.
static int file_capabilities_again(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &head, data) != 0)
        return -1;
    data[0].effective = data[0].permitted;
    data[1].effective = data[1].permitted;
    return (int)syscall(SYS_capset, &head, data);
}

// It is born the sandbox's root's. Given away afterwards it could be something else: in a home of the host's,
// the user can rename a folder of root's to where this one was made.
static int make_folder(const struct spec *spec, int folder, const char *name) {
    (void)setfsgid(spec->root_gid);
    (void)setfsuid(spec->root_uid);
    int made = file_capabilities_again();
    if (made == 0)
        made = mkdirat(folder, name, 0755);
    int failure = errno;
    (void)setfsuid(0); // with which the capabilities are back
    (void)setfsgid(0);
    errno = failure;
    return made;
}

// Opens the target, making what is missing of it.
static int open_target(const struct spec *spec, int root, const char *target, struct err *err) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s", target);
    cleanup_fd int folder = open_plain(root, "/");
    char *rest = NULL;
    for (char *name = strtok_r(path, "/", &rest); folder >= 0 && name != NULL;
         name = strtok_r(NULL, "/", &rest)) {
        if (make_folder(spec, folder, name) != 0 && errno != EEXIST)
            return err_disk(err, FAILURE_MOUNT, "make target of the mount", target);
        char prefix[4096];
        (void)snprintf(prefix, sizeof prefix, "%.*s", (int)(name - path + (ptrdiff_t)strlen(name)), target);
        int next = open_plain(root, prefix);
        if (next < 0)
            return err_code(err, FAILURE_MOUNT, "open target of the mount", target);
        close_fd(folder);
        folder = next;
    }
    return folder >= 0 ? take_fd(&folder) : err_code(err, FAILURE_MOUNT, "open target of the mount", target);
}

static int add_one(const struct spec *spec, const struct bind *mount, int root, struct err *err) {
    cleanup_fd int source = open_source(mount->source, err);
    if (source < 0)
        return -1;
    char link[32];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", source);
    cleanup_fd int tree = clone_tree(link, mount->writable, -1, FAILURE_MOUNT, err);
    if (tree < 0)
        return -1;
    cleanup_fd int target = open_target(spec, root, mount->target, err);
    if (target < 0)
        return -1;
    if (sys_move_mount(tree, "", target, "", SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return err_code(err, FAILURE_MOUNT, "attach the mount", mount->target);
    return 0;
}

int mounts_add(const struct spec *spec, int root, struct err *err) {
    for (size_t index = 0; index < spec->mount_count; index++) {
        if (add_one(spec, &spec->mounts[index], root, err) != 0)
            return -1;
    }
    return 0;
}
