#include "rootfs/host_folders.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootfs/in_root.h"
#include "sys.h"

// By its descriptor: no path of the host's is shown inside (/proc/self/mountinfo), and none holds a character
// that overlayfs would read as a separator.
static int set_lower(int context, int instead, int source) {
    char lower[64];
    (void)snprintf(lower, sizeof lower, "/proc/self/fd/%d:/proc/self/fd/%d", instead, source);
    return sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, "lowerdir", lower);
}

// An overlay without an upper folder takes two at least. The upper one of them is what the identity layer has
// at the target: programs that stand there instead of the host's, or nothing. It is most likely on the host's
// own file system: then files keep the device number of their folders.
static int open_instead(const struct spec *spec, const struct bind *bind, struct err *err) {
    cleanup_fd int layer = open(spec->layers[0].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int instead = openat(layer, bind->target + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return instead >= 0 ? instead : err_sys(err, "open folder of the identity layer", bind->target);
}

int host_folder_make(const struct spec *spec, struct bind *bind, struct err *err) {
    static const char *const off[] = {"index", "metacopy", "redirect_dir", "xino"};
    cleanup_fd int source = open(bind->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (source < 0)
        return err_code(err, FAILURE_IMAGE, "open tree", bind->source);
    cleanup_fd int instead = open_instead(spec, bind, err);
    if (instead < 0)
        return -1;
    cleanup_fd int context = sys_fsopen("overlay", SYS_FSOPEN_CLOEXEC);
    bool made = context >= 0 && sys_fsconfig(context, SYS_FSCONFIG_SET_FLAG, "ro", NULL) == 0 &&
                set_lower(context, instead, source) == 0;
    for (size_t index = 0; made && index < sizeof off / sizeof off[0]; index++)
        made = sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, off[index], "off") == 0;
    if (!made || sys_fsconfig(context, SYS_FSCONFIG_CMD_CREATE, NULL, NULL) != 0)
        return err_sys(err, "mount overlay over the host's", bind->source);
    cleanup_fd int tree = sys_fsmount(context, SYS_FSMOUNT_CLOEXEC,
                                      SYS_MOUNT_ATTR_RDONLY | SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV);
    if (tree < 0)
        return err_sys(err, "mount overlay over the host's", bind->source);
    bind->context = take_fd(&context);
    bind->tree = take_fd(&tree);
    return 0;
}

static bool is_below(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static bool has_mounts_below(const struct spec *spec, const char *folder) {
    for (size_t index = 0; index < spec->bind_count; index++)
        if (is_below(spec->binds[index].target, folder))
            return true;
    for (size_t index = 0; index < spec->mount_count; index++)
        if (is_below(spec->mounts[index].target, folder))
            return true;
    return false;
}

bool host_folders_can_be_replaced(const struct spec *spec) {
    if (spec->freedom.root && spec->freedom.nesting)
        return false;
    for (size_t index = 0; index < spec->bind_count; index++)
        if (!spec->binds[index].writable && has_mounts_below(spec, spec->binds[index].target))
            return false;
    return true;
}

static int attach(void *subject, struct err *err) {
    struct bind *bind = subject;
    cleanup_fd int tree = take_fd(&bind->tree);
    if (sys_move_mount(tree, "", AT_FDCWD, bind->target, SYS_MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return err_sys(err, "attach", bind->target);
    return 0;
}

int host_folders_attach(struct spec *spec, int init_pidfd, struct err *err) {
    for (size_t index = 0; index < spec->bind_count; index++) {
        struct bind *bind = &spec->binds[index];
        if (bind->tree >= 0 && do_in_mounts(init_pidfd, attach, bind, err) != 0)
            return -1;
    }
    return 0;
}

// First beneath the old one, which is then taken off: at no moment is there none. What is in use of the old
// one stays until it is used no more.
static int replace(void *subject, struct err *err) {
    struct bind *bind = subject;
    cleanup_fd int tree = take_fd(&bind->tree);
    if (sys_move_mount(tree, "", AT_FDCWD, bind->target,
                       SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_BENEATH) != 0)
        return err_sys(err, "attach", bind->target); // before Linux 6.5
    if (umount2(bind->target, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
        return err_sys(err, "detach", bind->target);
    return 0;
}

// An overlay that is configured anew, to what it was, forgets every name that is not in use.
static void forget_names(int context) {
    if (sys_fsconfig(context, SYS_FSCONFIG_SET_FLAG, "ro", NULL) == 0)
        (void)sys_fsconfig(context, SYS_FSCONFIG_CMD_RECONFIGURE, NULL, NULL);
}

void host_folders_renew(struct spec *spec, int init_pidfd) {
    struct err ignored = {0}; // the old one stays then
    for (size_t index = 0; index < spec->bind_count; index++) {
        struct bind *bind = &spec->binds[index];
        struct bind next = *bind;
        if (bind->context < 0)
            continue;
        // Of one that is replaced as well: namespaces that were made inside keep it.
        forget_names(bind->context);
        next.context = next.tree = CLOSED_FD;
        if (!host_folders_can_be_replaced(spec) || host_folder_make(spec, &next, &ignored) != 0)
            continue;
        if (do_in_mounts(init_pidfd, replace, &next, &ignored) == 0) {
            close_fd(bind->context);
            bind->context = take_fd(&next.context);
        }
        close_fd(next.context);
    }
}
