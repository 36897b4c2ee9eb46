// Places to mount on in a view, and copies of the host's trees on them.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "connection/make.h"
#include "sys.h"

static int open_below(int root, const char *path) {
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

int view_point(int root, const char *path, bool folder) {
    char prefix[4096];
    if ((size_t)snprintf(prefix, sizeof prefix, "%s", path) >= sizeof prefix) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *slash = strchr(prefix + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        bool last = slash == NULL;
        int there = open_below(root, prefix);
        if (there < 0 && errno == ENOENT) {
            if (!last || folder)
                (void)mkdirat(root, prefix + 1, 0755);
            else
                close_fd(
                    openat(root, prefix + 1, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444));
            there = open_below(root, prefix);
        }
        if (there < 0 || last)
            return there;
        close_fd(there);
        *slash = '/';
    }
}

int view_show(int root, const char *path, const char *target, enum view_kind kind, struct err *err) {
    static const uint64_t attributes[] = {
        [VIEW_READ] = SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV | SYS_MOUNT_ATTR_RDONLY,
        [VIEW_BOOK] = SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV | SYS_MOUNT_ATTR_NOEXEC,
        [VIEW_TERMINALS] = SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NOEXEC};
    // As everything in this namespace it is a slave by now: what the host unmounts goes here too.
    struct sys_mount_attr attr = {.attr_set = attributes[kind]};
    struct stat info;
    cleanup_fd int tree = sys_open_tree(AT_FDCWD, path, SYS_OPEN_TREE_CLONE | O_CLOEXEC | SYS_AT_RECURSIVE);
    if (tree < 0)
        return errno == ENOENT ? 0 : err_sys(err, "open tree", path);
    if (fstat(tree, &info) != 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH | SYS_AT_RECURSIVE, &attr) != 0)
        return err_sys(err, "set mount attributes", path);
    cleanup_fd int point = view_point(root, target, S_ISDIR(info.st_mode));
    if (point < 0 ||
        sys_move_mount(tree, "", point, "", SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return err_sys(err, "attach in the view", target);
    return 0;
}
