// Attacks on files: the host's are read-only and stay as they are, and nothing made inside has more rights
// than its maker.
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

static const char *folder_of_home(void) {
    const char *home = getenv("HOME");
    return home != NULL && access(home, W_OK) == 0 ? home : ".";
}

// A new file of ours where files stay, whose name is gone already.
static int new_file(char *path, size_t size) {
    (void)snprintf(path, size, "%s/.dockersh-attack-XXXXXX", folder_of_home());
    return mkostemp(path, O_CLOEXEC);
}

static enum result make_in_folder(const struct attack *attack) {
    char path[256];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/dockersh-attack", (const char *)attack->with);
    if (stat(attack->with, &info) != 0)
        return held("there is no %s in this image", (const char *)attack->with);
    cleanup_fd int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)unlink(path);
    return refused(fd, path);
}

static enum result link_program(const struct attack *attack) {
    (void)attack;
    int result = linkat(AT_FDCWD, "/proc/self/exe", AT_FDCWD, "linked", AT_SYMLINK_FOLLOW);
    if (result == 0)
        (void)unlink("linked");
    return refused(result, "linkat");
}

// Set by hand on a file of ours, that would be rights in the sandbox or on the host.
static enum result set_attribute(const struct attack *attack) {
    const char *name = attack->with;
    // A capability of version 2: CAP_SYS_ADMIN, permitted and effective.
    static const unsigned char value[20] = {1, 0, 0, 2, 0, 0, 0x20};
    char path[256];
    cleanup_fd int fd = new_file(path, sizeof path);
    if (fd < 0)
        return unattempted("make a file: %s", strerror(errno));
    int result = fsetxattr(fd, name, value, sizeof value, 0);
    (void)unlink(path);
    return refused(result, name);
}

static enum result set_flag(const struct attack *attack) {
    char path[256];
    cleanup_fd int fd = new_file(path, sizeof path);
    if (fd < 0)
        return unattempted("make a file: %s", strerror(errno));
    int flags = *(const int *)attack->with;
    int result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
    (void)unlink(path);
    return refused(result, "FS_IOC_SETFLAGS");
}

static enum result set_project(const struct attack *attack) {
    (void)attack;
    char path[256];
    cleanup_fd int fd = new_file(path, sizeof path);
    if (fd < 0)
        return unattempted("make a file: %s", strerror(errno));
    struct fsxattr attributes = {.fsx_projid = 4242};
    int result = ioctl(fd, FS_IOC_FSSETXATTR, &attributes);
    (void)unlink(path);
    return refused(result, "FS_IOC_FSSETXATTR");
}

// A copy of this program with the bits set, run from where it lies: who it then is, its exit status says.
static int run_copy(void *data) {
    const char *path = data;
    char *const argv[] = {(char *)(uintptr_t)path, NULL};
    (void)execv(path, argv);
    return 120;
}

static bool copy_program(int to) {
    cleanup_fd int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    static char bytes[65536];
    ssize_t got;
    while (from >= 0 && (got = read(from, bytes, sizeof bytes)) > 0) {
        if (write(to, bytes, (size_t)got) != got)
            return false;
    }
    return from >= 0;
}

static enum result setid_file(const struct attack *attack) {
    (void)attack;
    char path[256];
    int fd = new_file(path, sizeof path);
    if (fd < 0)
        return unattempted("make a file: %s", strerror(errno));
    bool made = copy_program(fd) && fchmod(fd, 06755) == 0;
    struct stat info;
    bool seen = fstat(fd, &info) == 0;
    close_fd(fd);
    // Without arguments it says how it is used: that it ran at all is enough.
    int status = made ? in_child(run_copy, path) : -1;
    (void)unlink(path);
    if (!made || !seen || status != 64)
        return unattempted("the copy did not run: %d", status);
    return info.st_uid == geteuid() && info.st_gid == getegid() ? held("it is its maker's")
                                                                : broken("it is somebody else's");
}

static enum result read_secrets(const struct attack *attack) {
    const char *path = attack->with;
    char text[4096];
    if (read_text(path, text, sizeof text) < 0)
        return held("%s: %s", path, strerror(errno));
    if (strstr(text, ":$") != NULL)
        return broken("%s has somebody's password", path);
    return held("no password in it");
}

static enum result escape_by_link(const struct attack *attack) {
    (void)attack;
    static const char *const targets[] = {"/proc/1/root/etc/shadow",
                                          "/proc/self/root/../../../../etc/dockersh",
                                          "../../../../../../../../var/lib/dockersh"};
    for (size_t index = 0; index < sizeof targets / sizeof targets[0]; index++) {
        (void)unlink("way");
        if (symlink(targets[index], "way") != 0)
            return unattempted("symlink: %s", strerror(errno));
        cleanup_fd int fd = open("way", O_RDONLY | O_CLOEXEC);
        (void)unlink("way");
        if (fd >= 0)
            return broken("%s leads somewhere", targets[index]);
    }
    return held("%s", strerror(errno));
}

// With a folder open that is then moved, ".." leads where the kernel says, which is never above the root.
static enum result escape_by_move(const struct attack *attack) {
    (void)attack;
    if (mkdir("deep", 0700) != 0 || mkdir("deep/er", 0700) != 0)
        return unattempted("mkdir: %s", strerror(errno));
    cleanup_fd int inner = open("deep/er", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)rename("deep/er", "moved");
    struct stat root, top;
    cleanup_fd int at = dup(inner);
    for (int up = 0; up < 64 && at >= 0; up++) {
        int next = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close_fd(at);
        at = next;
    }
    (void)rmdir("moved");
    (void)rmdir("deep");
    if (at < 0 || fstat(at, &top) != 0 || stat("/", &root) != 0)
        return unattempted("openat: %s", strerror(errno));
    return root.st_ino == top.st_ino && root.st_dev == top.st_dev ? held("it ends at the root")
                                                                  : broken("it ends elsewhere");
}

#define MAKES(word, path)                                                                                    \
    {                                                                                                        \
        .name = "make-in-" word, .tries = "make a file in " path, .must = "is refused", .places = BY_USER,   \
        .run = make_in_folder, .with = (path)                                                                \
    }
#define ATTRIBUTE(word, key, where)                                                                          \
    {                                                                                                        \
        .name = "attribute-" word, .tries = "set " key " on a file", .must = "is refused",                   \
        .places = (where), .run = set_attribute, .with = (key)                                               \
    }

static const struct attack attacks[] = {
    MAKES("root", "/"),
    MAKES("usr", "/usr/bin"),
    MAKES("lib", "/usr/lib"),
    MAKES("etc", "/etc"),
    MAKES("dev", "/dev"),
    MAKES("run", "/run"),
    {.name = "link-program",
     .tries = "keep a program of the host's by a hard link",
     .must = "is refused",
     .places = NOT_NESTED & ~(ROOT_ROOT | BOTH_ROOT),
     .run = link_program},
    ATTRIBUTE("capability", "security.capability", BY_USER),
    ATTRIBUTE("trusted", "trusted.overlay.opaque", ANYWHERE),
    {.name = "file-immutable",
     .tries = "make a file that nobody can remove",
     .must = "is refused",
     .places = ANYWHERE,
     .run = set_flag,
     .with = &(const int){FS_IMMUTABLE_FL}},
    {.name = "file-project",
     .tries = "take a file out of the count of the disk's limit",
     .must = "is refused",
     .places = ANYWHERE,
     .run = set_project},
    {.name = "setid-file",
     .tries = "make a set-id program that is somebody else's",
     .must = "belongs to its maker",
     .places = BY_USER,
     .run = setid_file},
    {.name = "passwords",
     .tries = "read passwords in /etc/shadow",
     .must = "finds none",
     .places = BY_USER,
     .run = read_secrets,
     .with = "/etc/shadow"},
    {.name = "escape-by-link",
     .tries = "leave the sandbox by a symbolic link",
     .must = "leads nowhere",
     .places = BY_USER,
     .run = escape_by_link},
    {.name = "escape-by-move",
     .tries = "leave the sandbox by a folder that is moved while it is open",
     .must = "ends at the root",
     .places = ANYWHERE,
     .run = escape_by_move},
};

const struct family files_family = FAMILY(attacks);
