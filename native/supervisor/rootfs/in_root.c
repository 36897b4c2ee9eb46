#include "rootfs/in_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"

int open_in_root(int root, const char *path, struct err *err) {
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    return fd >= 0 ? fd : err_code(err, FAILURE_IMAGE, "find folder in the image", path);
}

int mount_in_root(int root, const char *path, const char *type, unsigned long flags, const char *options,
                  struct err *err) {
    cleanup_fd int target = open_in_root(root, path, err);
    if (target < 0)
        return -1;
    char link[32];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", target);
    if (mount(type, link, type, flags, options) != 0)
        return err_sys(err, "mount", path);
    return 0;
}

int clone_tree(const char *source, bool writable, int userns, enum failure code, struct err *err) {
    unsigned recursive = userns < 0 ? SYS_AT_RECURSIVE : 0;
    cleanup_fd int tree = sys_open_tree(AT_FDCWD, source, SYS_OPEN_TREE_CLONE | O_CLOEXEC | recursive);
    if (tree < 0)
        return err_code(err, code, "open tree", source);
    struct sys_mount_attr attr = {.attr_set = SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV |
                                              (writable ? 0 : SYS_MOUNT_ATTR_RDONLY)};
    if (userns >= 0) {
        attr.attr_set |= SYS_MOUNT_ATTR_IDMAP;
        attr.userns_fd = (uint64_t)userns;
    }
    if (sys_mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &attr) != 0)
        return err_sys(err, "set mount attributes", source);
    return take_fd(&tree);
}

int do_in_mounts(int init_pidfd, int (*work)(void *subject, struct err *err), void *subject,
                 struct err *err) {
    cleanup_fd int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(init_pidfd, CLONE_NEWNS) != 0)
        return err_sys(err, "enter the sandbox's mount namespace", NULL);
    int done = work(subject, err);
    if (setns(own, CLONE_NEWNS) != 0)
        _exit(1); // nothing of ours may go on in there; the sandbox ends with its supervisor
    return done;
}
