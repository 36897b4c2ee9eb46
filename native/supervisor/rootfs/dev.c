#include "rootfs/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootfs/in_root.h"

#define OWN_INODES ((size_t)64)
#define INODES_PER_DEVICE ((size_t)4) // with the folders above it

static int make_device(int dev, const char *name, unsigned major, unsigned minor, const struct spec *spec,
                       struct err *err) {
    if (mknodat(dev, name, S_IFCHR | 0666, makedev(major, minor)) != 0)
        return err_sys(err, "make device", name);
    if (fchmodat(dev, name, 0666, 0) != 0)
        return err_sys(err, "set mode of device", name);
    if (fchownat(dev, name, spec->root_uid, spec->root_gid, 0) != 0)
        return err_sys(err, "set owner of device", name);
    return 0;
}

// The folder that a device's node is made in, below /dev; `name` becomes the last part of it. Nobody else has
// written to this file system yet.
static int open_folder(int dev, const char **name, struct err *err) {
    cleanup_fd int folder = openat(dev, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *slash;
    while (folder >= 0 && (slash = strchr(*name, '/')) != NULL) {
        char part[NAME_MAX + 1];
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - *name), *name);
        if (mkdirat(folder, part, 0755) != 0 && errno != EEXIST)
            return err_code(err, FAILURE_DEVICE, "make folder in /dev", part);
        int next = openat(folder, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close_fd(folder);
        folder = next;
        *name = slash + 1;
    }
    return folder >= 0 ? take_fd(&folder) : err_code(err, FAILURE_DEVICE, "open folder in /dev", *name);
}

// A device of the host that policy gives the sandbox. The node belongs to the host's root, who has no id
// inside: so nobody inside, root included, can give it another mode, and what may only be read stays so.
static int add_device(int dev, const struct device *device, struct err *err) {
    const char *name = device->name;
    cleanup_fd int folder = open_folder(dev, &name, err);
    if (folder < 0)
        return -1;
    mode_t mode = device->writable ? 0666 : 0444;
    if (mknodat(folder, name, S_IFCHR | mode, makedev(device->major, device->minor)) != 0 ||
        fchmodat(folder, name, mode, 0) != 0)
        return err_code(err, FAILURE_DEVICE, "make the device", device->name);
    return 0;
}

// /dev is a tmpfs of the host's root, because only there device nodes work; the sandbox's user
// namespace can neither add to it nor unlock it.
int dev_build(const struct spec *spec, int root, struct err *err) {
    static const struct {
        const char *name;
        unsigned minor;
        unsigned major;
    } devices[] = {{"null", 3, 1},   {"zero", 5, 1},    {"full", 7, 1},
                   {"random", 8, 1}, {"urandom", 9, 1}, {"tty", 0, 5}};
    static const struct {
        const char *name, *target;
    } links[] = {{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
                 {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},         {"core", "/proc/kcore"}};
    static const char *const folders[] = {"pts", "shm", "mqueue"};
    char options[96];
    (void)snprintf(options, sizeof options, "mode=0755,size=64k,nr_inodes=%zu,uid=%u,gid=%u",
                   OWN_INODES + spec->device_count * INODES_PER_DEVICE, spec->root_uid, spec->root_gid);
    if (mount_in_root(root, "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, options, err) != 0)
        return -1;
    cleanup_fd int dev = open_in_root(root, "dev", err);
    if (dev < 0)
        return -1;
    for (size_t index = 0; index < sizeof devices / sizeof devices[0]; index++) {
        if (make_device(dev, devices[index].name, devices[index].major, devices[index].minor, spec, err) != 0)
            return -1;
    }
    for (size_t index = 0; index < sizeof links / sizeof links[0]; index++) {
        if (symlinkat(links[index].target, dev, links[index].name) != 0)
            return err_sys(err, "make link in /dev", links[index].name);
    }
    for (size_t index = 0; index < sizeof folders / sizeof folders[0]; index++) {
        if (mkdirat(dev, folders[index], 0755) != 0)
            return err_sys(err, "make folder in /dev", folders[index]);
    }
    // Below what is mounted there later: what covers a file (masks.c). The host's root's, who has no id
    // inside.
    cleanup_fd int empty = openat(dev, "mqueue/empty", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (empty < 0)
        return err_sys(err, "make file in /dev", "mqueue/empty");
    for (size_t index = 0; index < spec->device_count; index++) {
        if (add_device(dev, &spec->devices[index], err) != 0)
            return -1;
    }
    return 0;
}
