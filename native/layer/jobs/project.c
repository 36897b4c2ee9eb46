#include "jobs/project.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "walk/names.h"

// A folder first and then what is in it. What is made in it or moved to it meanwhile has the id already,
// because the kernel refuses to move anything else there: nothing can be carried past this.
//
// Only the folder at hand is open, however deep it lies, and the way back is "..", which must lead to the
// folder that it came from: no tree takes more descriptors or stack than another. Links are not followed,
// mounts not entered, and nothing is opened that opening would do something to.

// While they are set, neither the project can be changed nor what is in the folder.
enum { HOLDING_FLAGS = FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND };

struct level {
    struct names names;
    size_t next; // of them
    dev_t device;
    ino_t inode;
    struct timespec times[2];
    uint32_t held; // flags to put back
};

struct walk {
    uint32_t id;
    int folder; // that of the last level
    struct level *levels;
    size_t depth;
};

static int open_in(int folder, const char *name, int flags) {
    struct open_how how = {.flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
                           .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
    return (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
}

static int put_back(int fd, uint32_t held, struct err *err) {
    struct fsxattr attributes;
    if (held == 0)
        return 0;
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
        return err_sys(err, "read the flags", "");
    attributes.fsx_xflags |= held;
    return ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0 ? err_sys(err, "put back the flags", "") : 0;
}

// Flags that are in the way are taken off; `held` says which.
static int mark_open(int fd, bool is_folder, uint32_t id, uint32_t *held, struct err *err) {
    struct fsxattr attributes;
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
        return err_sys(err, "read the project", "");
    uint32_t before = attributes.fsx_xflags;
    uint32_t flags = before & ~(uint32_t)FS_XFLAG_PROJINHERIT;
    if (is_folder && id != 0)
        flags |= FS_XFLAG_PROJINHERIT;
    bool done = attributes.fsx_projid == id && before == flags;
    if (done && (!is_folder || (before & HOLDING_FLAGS) == 0))
        return 0;
    attributes.fsx_projid = id;
    attributes.fsx_xflags = flags & ~(uint32_t)HOLDING_FLAGS;
    if (ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0)
        return err_sys(err, "set the project", "");
    *held = before & HOLDING_FLAGS;
    return 0;
}

static int mark_file(int fd, uint32_t id, struct err *err) {
    uint32_t held = 0;
    return mark_open(fd, false, id, &held, err) < 0 ? -1 : put_back(fd, held, err);
}

static int make_beside(int folder, const char *name, const char *target, const struct stat *info) {
    return S_ISLNK(info->st_mode) ? symlinkat(target, folder, name)
                                  : mknodat(folder, name, info->st_mode, info->st_rdev);
}

static int give_attributes(int folder, const char *name, const struct stat *info) {
    const struct timespec times[2] = {info->st_atim, info->st_mtim};
    if (fchownat(folder, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (!S_ISLNK(info->st_mode) && fchmodat(folder, name, info->st_mode & 07777, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW);
}

static bool is_still(int folder, const char *name, const struct stat *info) {
    struct stat now;
    return fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 &&
           now.st_dev == info->st_dev && now.st_ino == info->st_ino;
}

// Links, pipes, sockets and whiteouts cannot be opened for it. One that is made here has the folder's id,
// and takes the old one's place. The kernel neither exchanges nor moves files of two projects: a file that
// somebody puts in a link's place at just that instant is lost, which is one reason why nobody may be at work
// here.
static int make_anew(int folder, const char *name, const struct stat *info, struct err *err) {
    char target[PATH_MAX], fresh[40];
    ssize_t length = S_ISLNK(info->st_mode) ? readlinkat(folder, name, target, sizeof target - 1) : 0;
    if (length < 0)
        return errno == ENOENT || errno == EINVAL ? 0 : err_sys(err, "read the symbolic link", "");
    target[length] = '\0';
    int made = -1;
    errno = EEXIST;
    for (unsigned number = 0; made < 0 && errno == EEXIST; number++) { // a name may be the user's own
        (void)snprintf(fresh, sizeof fresh, ".dockersh-project-%u", number);
        made = make_beside(folder, fresh, target, info);
    }
    if (made < 0)
        return errno == ENOENT ? 0 : err_sys(err, "make anew", ""); // ENOENT: the folder has been removed
    int result = 0;
    if (give_attributes(folder, fresh, info) < 0)
        result = errno == ENOENT ? 0 : err_sys(err, "make anew", "");
    else if (is_still(folder, name, info)) { // what is gone does not come back
        if (renameat(folder, fresh, folder, name) == 0)
            return 0;
        result = errno == EISDIR || errno == ENOENT ? 0 : err_sys(err, "put in place", "");
    }
    (void)unlinkat(folder, fresh, 0);
    return result;
}

// Takes `folder`.
static int enter(struct walk *walk, int folder, struct err *err) {
    struct stat info;
    struct level level = {0};
    cleanup_fd int opened = folder;
    if (fstat(opened, &info) < 0)
        return err_sys(err, "stat", "");
    if ((walk->depth & (walk->depth - 1)) == 0) {
        size_t room = walk->depth == 0 ? 1 : walk->depth * 2;
        struct level *grown = reallocarray(walk->levels, room, sizeof *grown);
        if (grown == NULL)
            return err_sys(err, "remember a folder", "");
        walk->levels = grown;
    }
    level.device = info.st_dev;
    level.inode = info.st_ino;
    level.times[0] = info.st_atim;
    level.times[1] = info.st_mtim;
    int marked = mark_open(opened, true, walk->id, &level.held, err);
    close_fd(walk->folder);
    walk->folder = take_fd(&opened);
    walk->levels[walk->depth++] = level; // whatever happens now: leave() puts back what has been changed
    if (marked < 0)
        return -1;
    bool read = names_read(walk->folder, &walk->levels[walk->depth - 1].names, err) == 0;
    return read || err->number == ENOENT ? 0 : -1; // ENOENT: it has been removed
}

static int leave(struct walk *walk, struct err *err) {
    struct level *level = &walk->levels[--walk->depth];
    names_clear(&level->names);
    cleanup_fd int folder = take_fd(&walk->folder);
    if (folder < 0)
        return -1;                        // the way back is lost
    (void)futimens(folder, level->times); // what was made anew has changed it
    if (put_back(folder, level->held, err) < 0)
        return -1;
    if (walk->depth == 0)
        return 0;
    struct stat info;
    const struct level *above = &walk->levels[walk->depth - 1];
    cleanup_fd int up = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (up < 0 || fstat(up, &info) < 0)
        return err_sys(err, "open the folder above", "");
    if (info.st_dev != above->device || info.st_ino != above->inode)
        return err_plain(err, FAILURE_REFUSED, "the folder was moved while its files were counted", "");
    walk->folder = take_fd(&up);
    return 0;
}

// Something else has the name by now, or nothing. What came to be there belongs to the project from birth.
static bool replaced(void) {
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO || errno == EXDEV;
}

static int mark_entry(struct walk *walk, const char *name, struct err *err) {
    struct stat info, now;
    cleanup_fd int found = open_in(walk->folder, name, O_PATH);
    if (found < 0) // EXDEV: something is mounted there, which is none of the user's files
        return errno == ENOENT || errno == EXDEV ? 0 : err_sys(err, "look at", name);
    if (fstat(found, &info) < 0)
        return err_sys(err, "stat", name);
    bool is_folder = S_ISDIR(info.st_mode);
    if (!is_folder && !S_ISREG(info.st_mode))
        return walk->id == 0 ? 0 : make_anew(walk->folder, name, &info, err);
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | (is_folder ? O_DIRECTORY : 0);
    cleanup_fd int fd = open_in(walk->folder, name, flags);
    if (fd < 0)
        return replaced() ? 0 : err_sys(err, "open", name);
    if (fstat(fd, &now) < 0)
        return err_sys(err, "stat", name);
    if (now.st_dev != info.st_dev || now.st_ino != info.st_ino)
        return 0;
    return is_folder ? enter(walk, take_fd(&fd), err) : mark_file(fd, walk->id, err);
}

// As far as it fits.
static void tell_place(const struct walk *walk, char *place) {
    size_t used = 0;
    place[0] = '\0';
    for (size_t index = 0; index < walk->depth; index++) {
        const struct level *level = &walk->levels[index];
        const char *name = level->next > 0 ? level->names.names[level->next - 1] : "";
        size_t length = strlen(name);
        if (length == 0 || used + length + 2 > PATH_MAX)
            return;
        used += (size_t)snprintf(place + used, PATH_MAX - used, "%s%s", used > 0 ? "/" : "", name);
    }
}

int project_mark(const char *path, uint32_t id, char *place, struct err *err) {
    struct walk walk = {.id = id, .folder = CLOSED_FD};
    place[0] = '\0';
    int top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top < 0)
        return err_sys(err, "open the folder", path);
    int result = enter(&walk, top, err);
    while (result == 0 && walk.depth > 0) {
        struct level *level = &walk.levels[walk.depth - 1];
        if (level->next == level->names.count)
            result = leave(&walk, err);
        else
            result = mark_entry(&walk, level->names.names[level->next++], err);
    }
    if (result < 0)
        tell_place(&walk, place);
    struct err later;
    while (walk.depth > 0)
        (void)leave(&walk, &later);
    close_fd(walk.folder);
    free(walk.levels);
    return result;
}
