// Attacks on mounts: the parts that a sandbox is made of can't be changed, uncovered or written to from
// inside.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

static enum result mount_tmpfs(const struct attack *attack) {
    (void)attack;
    return refused(mount("none", ".", "tmpfs", 0, NULL), "mount a tmpfs");
}

static enum result bind_folder(const struct attack *attack) {
    (void)attack;
    return refused(mount("/usr", ".", NULL, MS_BIND, NULL), "bind /usr");
}

// Every mount that the kernel lists but those in `made` (their own): calls back until one says that it is
// open.
static enum result each_mount(enum result (*look)(char *fields[], size_t count)) {
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0, seen = 0;
    enum result result = HELD;
    while (file != NULL && result == HELD && getline(&line, &size, file) > 0) {
        char *fields[64], *rest = NULL;
        size_t count = 0;
        for (char *word = strtok_r(line, " \n", &rest); word != NULL && count < 64;
             word = strtok_r(NULL, " \n", &rest))
            fields[count++] = word;
        if (count < 9)
            continue;
        seen++;
        result = look(fields, count);
    }
    free(line);
    if (file != NULL)
        (void)fclose(file);
    if (result != HELD)
        return result;
    return seen > 5 ? held("%zu mounts", seen) : unattempted("only %zu mounts are listed", seen);
}

static bool has_option(const char *options, const char *option) {
    size_t length = strlen(option);
    for (const char *one = options; one != NULL; one = strchr(one, ',')) {
        one += *one == ',';
        if (strncmp(one, option, length) == 0 && (one[length] == ',' || one[length] == '\0'))
            return true;
    }
    return false;
}

// Where root is allowed, the root file system has set-id programs.
static enum result look_nosuid(char *fields[], size_t count) {
    (void)count;
    bool may = strcmp(fields[4], "/") == 0 && (place & WITHOUT_ROOT) == 0;
    return may || has_option(fields[5], "nosuid") ? HELD : broken("%s is not nosuid", fields[4]);
}

static enum result every_mount_is_nosuid(const struct attack *attack) {
    (void)attack;
    return each_mount(look_nosuid);
}

// The sandbox's own /dev and its terminals are made of devices.
static enum result look_nodev(char *fields[], size_t count) {
    (void)count;
    bool may = strcmp(fields[4], "/dev") == 0 || strcmp(fields[4], "/dev/pts") == 0;
    return may || has_option(fields[5], "nodev") ? HELD : broken("%s is not nodev", fields[4]);
}

static enum result every_mount_is_nodev(const struct attack *attack) {
    (void)attack;
    return each_mount(look_nodev);
}

// The layers' folders and the machine's files.
static enum result look_read_only(char *fields[], size_t count) {
    (void)count;
    bool must = strcmp(fields[4], "/sys") == 0;
    return !must || has_option(fields[5], "ro") ? HELD : broken("%s can be written to", fields[4]);
}

static enum result sys_is_read_only(const struct attack *attack) {
    (void)attack;
    return each_mount(look_read_only);
}

static enum result remount(const struct attack *attack) {
    const char *path = attack->with;
    return refused(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL), path);
}

static enum result uncover(const struct attack *attack) {
    const char *path = attack->with;
    return refused(umount2(path, MNT_DETACH), path);
}

static enum result escape_by_chroot(const struct attack *attack) {
    (void)attack;
    cleanup_fd int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mkdir("jail", 0700) != 0)
        return unattempted("mkdir: %s", strerror(errno));
    struct stat before, after;
    if (stat("/", &before) != 0)
        return unattempted("stat: %s", strerror(errno));
    int done = chroot("jail");
    (void)rmdir("jail");
    if (done != 0)
        return held("chroot: %s", strerror(errno));
    if (fchdir(root) != 0)
        return unattempted("fchdir: %s", strerror(errno));
    for (int up = 0; up < 64; up++)
        (void)chdir("..");
    if (stat(".", &after) != 0)
        return unattempted("stat: %s", strerror(errno));
    return before.st_ino == after.st_ino && before.st_dev == after.st_dev
               ? held("the root is where everything ends")
               : broken("there is a folder above the root");
}

static enum result above_the_root(const struct attack *attack) {
    (void)attack;
    struct stat root, above;
    if (stat("/", &root) != 0 || stat("/../../../..", &above) != 0)
        return unattempted("stat: %s", strerror(errno));
    return root.st_ino == above.st_ino && root.st_dev == above.st_dev ? held("the same folder")
                                                                      : broken("another folder");
}

struct device {
    mode_t kind;
    unsigned major, minor;
};

static enum result make_device(const struct attack *attack) {
    const struct device *device = attack->with;
    (void)unlink("node");
    if (mknod("node", device->kind | 0666, makedev(device->major, device->minor)) != 0)
        return held("mknod: %s", strerror(errno));
    cleanup_fd int fd = open("node", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int number = errno;
    (void)unlink("node");
    return fd < 0 ? held("open: %s", strerror(number)) : broken("a device that works");
}

#define REMOUNT(word, path)                                                                                  \
    {                                                                                                        \
        .name = "remount-" word, .tries = "take the flags off the mount of " path,                           \
        .must = "is refused: it is locked", .places = ANYWHERE, .run = remount, .with = (path)               \
    }
#define UNCOVER(word, path)                                                                                  \
    {                                                                                                        \
        .name = "uncover-" word, .tries = "unmount " path " to see what is below",                           \
        .must = "is refused: it is locked", .places = ANYWHERE, .run = uncover, .with = (path)               \
    }
#define DEVICE(word, path, kind, first, second)                                                              \
    {                                                                                                        \
        .name = "device-" word, .tries = "make the device " path " and open it", .must = "is refused",       \
        .places = ANYWHERE, .run = make_device, .with = &(const struct device) {                             \
            kind, first, second                                                                              \
        }                                                                                                    \
    }

static const struct attack attacks[] = {
    {.name = "mount-tmpfs",
     .tries = "mount a tmpfs",
     .must = "is refused",
     .places = WITHOUT_NESTING | NESTING_USER | BOTH_USER,
     .run = mount_tmpfs},
    {.name = "mount-bind",
     .tries = "bind a folder elsewhere",
     .must = "is refused",
     .places = WITHOUT_NESTING | NESTING_USER | BOTH_USER,
     .run = bind_folder},
    {.name = "mounts-nosuid",
     .tries = "find a mount where set-id programs have their effect",
     .must = "finds none, but the root file system where the policy allows root",
     .places = NOT_NESTED,
     .run = every_mount_is_nosuid},
    {.name = "mounts-nodev",
     .tries = "find a mount where devices work",
     .must = "finds /dev and its terminals alone",
     .places = NOT_NESTED,
     .run = every_mount_is_nodev},
    {.name = "mounts-read-only",
     .tries = "find /sys writable",
     .must = "finds it read-only",
     .places = NOT_NESTED,
     .run = sys_is_read_only},
    REMOUNT("root", "/"),
    REMOUNT("dev", "/dev"),
    REMOUNT("tmp", "/tmp"),
    UNCOVER("root", "/"),
    UNCOVER("dev", "/dev"),
    UNCOVER("tmp", "/tmp"),
    {.name = "escape-by-chroot",
     .tries = "walk up from a folder outside of a new root",
     .must = "ends at the sandbox's root",
     .places = ANYWHERE,
     .run = escape_by_chroot},
    {.name = "above-the-root",
     .tries = "walk up from the root",
     .must = "ends at the root",
     .places = ANYWHERE,
     .run = above_the_root},
    DEVICE("null", "null", S_IFCHR, 1, 3),
    DEVICE("mem", "mem", S_IFCHR, 1, 1),
    DEVICE("loop", "loop0", S_IFBLK, 7, 0),
    DEVICE("disk", "vda", S_IFBLK, 254, 0),
};

const struct family mounts_family = FAMILY(attacks);
