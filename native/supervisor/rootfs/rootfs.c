#include "rootfs/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootfs/dev.h"
#include "rootfs/devpts.h"
#include "rootfs/host_folders.h"
#include "rootfs/in_root.h"
#include "rootfs/kept.h"
#include "rootfs/mounts.h"
#include "sys.h"

static int attach(int tree, const char *target, struct err *err) {
    if (sys_move_mount(tree, "", AT_FDCWD, target, SYS_MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return err_sys(err, "attach", target);
    return 0;
}

// A layer that is mounted as it is, under `name`.
static int attach_layer(const char *path, const char *name, int userns, struct err *err) {
    cleanup_fd int tree = clone_tree(path, false, userns, FAILURE_IMAGE, err);
    if (tree < 0)
        return -1;
    if (mkdir(name, 0700) != 0)
        return err_sys(err, "make folder", name);
    return attach(tree, name, err);
}

// The folder that layers lie in (…/HEX/tree): the length of its path, 0 where there is none.
static size_t base_length(const char *path) {
    size_t length = strlen(path);
    for (int slashes = 0; length > 0; length--)
        if (path[length - 1] == '/' && ++slashes == 2)
            return length - 1;
    return 0;
}

// The layers of an image lie beside each other, so one idmapped mount of the folder above serves them
// all: a mount for each made a start with 250 layers 4 ms longer. Each gets a short name, a link.
// `base` is the layer whose folder was mounted last; its number names the mount.
static int link_layer(const struct spec *spec, size_t index, size_t *base, int userns, struct err *err) {
    const char *path = spec->layers[index].path;
    size_t length = base_length(path);
    char folder[4096], target[4096], name[24];
    if (length == 0 || length >= sizeof folder)
        return err_plain(err, FAILURE_PROTOCOL, "a layer lies in no folder", path);
    memcpy(folder, path, length);
    folder[length] = '\0';
    const char *last = *base < index ? spec->layers[*base].path : "";
    if (base_length(last) != length || memcmp(last, folder, length) != 0) {
        *base = index;
        (void)snprintf(name, sizeof name, "b%zu", index);
        if (attach_layer(folder, name, userns, err) != 0)
            return -1;
    }
    (void)snprintf(name, sizeof name, "%zu", index);
    (void)snprintf(target, sizeof target, "b%zu%s", *base, path + length);
    return symlink(target, name) == 0 ? 0 : err_sys(err, "make link", name);
}

// The layers have short names beside the overlay and are named relative to the current directory:
// mount(2) takes one page of options, whatever the image store's path and the number of layers are, and
// no path of ours can hold a character that overlayfs would read as a separator.
static int mount_overlay(const struct spec *spec, int userns, struct err *err) {
    char options[4096];
    size_t used = (size_t)snprintf(options, sizeof options, "lowerdir=");
    size_t base = SIZE_MAX;
    for (size_t index = 0; index < spec->layer_count; index++) {
        char name[24];
        (void)snprintf(name, sizeof name, "%zu", index);
        const struct layer *layer = &spec->layers[index];
        int made = layer->idmapped ? link_layer(spec, index, &base, userns, err)
                                   : attach_layer(layer->path, name, -1, err);
        if (made != 0)
            return -1;
        used += (size_t)snprintf(options + used, sizeof options - used, "%s%s", index > 0 ? ":" : "", name);
    }
    cleanup_fd int upper = clone_tree(spec->upper_dir, true, -1, FAILURE_SYSTEM, err);
    if (upper < 0)
        return -1;
    if (mkdir("u", 0700) != 0 || mkdir("r", 0700) != 0)
        return err_sys(err, "make folder", spec->mountpoint);
    if (attach(upper, "u", err) != 0)
        return -1;
    // No option whose effect on disk a later layer diff would have to know of.
    (void)snprintf(options + used, sizeof options - used,
                   ",upperdir=u/upper,workdir=u/work,index=off,metacopy=off,redirect_dir=off");
    unsigned long flags = MS_NODEV | (spec->freedom.root ? 0 : MS_NOSUID);
    if (mount("overlay", "r", "overlay", flags, options) != 0)
        return err_disk(err, FAILURE_SYSTEM, "mount overlay", spec->upper_dir);
    return 0;
}

// /tmp and /run come before the binds: a home may lie below them.
static int build_temporary(const struct spec *spec, int root, struct err *err) {
    char options[128];
    (void)snprintf(options, sizeof options, "mode=1777,size=%llu,uid=%u,gid=%u",
                   (unsigned long long)spec->tmp_bytes, spec->root_uid, spec->root_gid);
    if (mount_in_root(root, "tmp", "tmpfs", MS_NOSUID | MS_NODEV, options, err) != 0)
        return -1;
    (void)snprintf(options, sizeof options, "mode=0755,size=16m,uid=%u,gid=%u", spec->root_uid,
                   spec->root_gid);
    return mount_in_root(root, "run", "tmpfs", MS_NOSUID | MS_NODEV, options, err);
}

// Makes the missing folders of a path, each below its parent as it really is inside the root.
static int make_folders(const struct spec *spec, int root, const char *path, struct err *err) {
    char prefix[4096];
    (void)snprintf(prefix, sizeof prefix, "%s", path);
    for (char *slash = strchr(prefix + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        char *end = strchr(slash + 1, '/');
        cleanup_fd int parent = open_in_root(root, prefix, err);
        if (parent < 0)
            return -1;
        *slash = '/';
        if (end != NULL)
            *end = '\0';
        if (mkdirat(parent, slash + 1, 0755) == 0)
            (void)fchownat(parent, slash + 1, spec->root_uid, spec->root_gid, AT_SYMLINK_NOFOLLOW);
        else if (errno != EEXIST)
            return err_disk(err, FAILURE_SYSTEM, "make folder to mount on", path);
        if (end != NULL)
            *end = '/';
    }
    return 0;
}

// What is writable is a home. It is opened once, without following a link at its end, and must belong to
// the user: the folder above may be one that somebody else can rename things in.
static int clone_home(const struct spec *spec, const struct bind *bind, struct err *err) {
    cleanup_fd int home = open(bind->source, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
    struct stat info;
    if (home < 0 || fstat(home, &info) != 0)
        return err_code(err, FAILURE_HOME, "open home", bind->source);
    if (info.st_uid != spec->uid)
        return err_plain(err, FAILURE_HOME, "open home: it belongs to somebody else", bind->source);
    char link[32];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", home);
    return clone_tree(link, true, -1, FAILURE_HOME, err);
}

static int add_binds(struct spec *spec, int root, struct err *err) {
    for (size_t index = 0; index < spec->bind_count; index++) {
        struct bind *bind = &spec->binds[index];
        if (!bind->writable && host_folder_make(spec, bind, err) != 0)
            return -1;
        if (!bind->writable && host_folders_can_be_replaced(spec))
            continue; // host_folders_attach()
        cleanup_fd int tree = bind->writable ? clone_home(spec, bind, err) : take_fd(&bind->tree);
        if (tree < 0)
            return -1;
        if (make_folders(spec, root, bind->target, err) != 0)
            return -1;
        cleanup_fd int target = open_in_root(root, bind->target, err);
        if (target < 0)
            return -1;
        if (sys_move_mount(tree, "", target, "", SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_T_EMPTY_PATH) !=
            0)
            return err_sys(err, "attach bind", bind->target);
    }
    return 0;
}

// Without what is mounted below it: the control groups of the whole host, debugfs and others. Only the
// supervisor may leave that out; for a user namespace it is locked together.
static int add_host_sys(const struct spec *spec, int root, struct err *err) {
    if (spec->network != NET_HOST)
        return 0;
    struct sys_mount_attr attr = {.attr_set = SYS_MOUNT_ATTR_RDONLY | SYS_MOUNT_ATTR_NOSUID |
                                              SYS_MOUNT_ATTR_NODEV | SYS_MOUNT_ATTR_NOEXEC};
    cleanup_fd int tree = sys_open_tree(AT_FDCWD, "/sys", SYS_OPEN_TREE_CLONE | O_CLOEXEC);
    if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) != 0)
        return err_sys(err, "open tree", "/sys");
    cleanup_fd int target = open_in_root(root, "sys", err);
    if (target < 0)
        return -1;
    if (sys_move_mount(tree, "", target, "", SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return err_sys(err, "attach", "/sys");
    return 0;
}

// The daemon has it mounted as well, with the options that count: a second mount is of the same file system.
static int mount_disk(const struct spec *spec, struct err *err) {
    if (spec->disk == NULL)
        return 0;
    if (mkdir("d", 0700) != 0)
        return err_sys(err, "make folder", spec->mountpoint);
    if (mount(spec->disk, "d", "ext4", MS_NOSUID | MS_NODEV, NULL) != 0)
        return err_sys(err, "mount the user's disk", spec->disk);
    return 0;
}

int rootfs_build(struct spec *spec, int userns, int devpts, struct err *err) {
    if (mount("tmpfs", spec->mountpoint, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711,size=1m") != 0)
        return err_sys(err, "mount staging folder", spec->mountpoint);
    if (chdir(spec->mountpoint) != 0)
        return err_sys(err, "enter staging folder", spec->mountpoint);
    if (mount_disk(spec, err) != 0)
        return -1;
    kept_release(spec->upper_dir);
    int mounted = mount_overlay(spec, userns, err);
    kept_take(spec->upper_dir);
    if (mounted != 0)
        return -1;
    cleanup_fd int root = open("r", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_sys(err, "open root", spec->mountpoint);
    if (dev_build(spec, root, err) != 0 || devpts_attach(devpts, spec, root, err) != 0 ||
        build_temporary(spec, root, err) != 0)
        return -1;
    if (add_binds(spec, root, err) != 0 || add_host_sys(spec, root, err) != 0)
        return -1;
    return mounts_add(spec, root, err);
}

void rootfs_detach(const struct spec *spec) {
    (void)chdir("/");
    (void)umount2(spec->mountpoint, MNT_DETACH);
}
