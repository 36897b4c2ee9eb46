#include "project.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "names.h"

// A folder first and then what is in it. What is made in it or moved to it meanwhile has the id already,
// because the kernel refuses to move anything else there: nothing can be carried past this.
static int mark_folder(int folder, uint32_t id, char *place, struct err *err);

static int mark_open(int fd, bool is_folder, uint32_t id, struct err *err) {
    struct fsxattr attributes;
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
        return err_sys(err, "read the project", "");
    uint32_t flags = attributes.fsx_xflags & ~(uint32_t)FS_XFLAG_PROJINHERIT;
    if (is_folder && id != 0)
        flags |= FS_XFLAG_PROJINHERIT;
    if (attributes.fsx_projid == id && attributes.fsx_xflags == flags)
        return 0;
    attributes.fsx_projid = id;
    attributes.fsx_xflags = flags;
    return ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0 ? err_sys(err, "set the project", "") : 0;
}

static int make_beside(int folder, const char *name, const char *target, const struct stat *info) {
    return S_ISLNK(info->st_mode) ? symlinkat(target, folder, name)
                                  : mknodat(folder, name, info->st_mode, info->st_rdev);
}

// Links, pipes, sockets and whiteouts cannot be opened for it. One that is made here has the folder's id,
// and takes the old one's place.
static int make_anew(int folder, const char *name, const struct stat *info, struct err *err) {
    char target[PATH_MAX], fresh[40];
    ssize_t length = S_ISLNK(info->st_mode) ? readlinkat(folder, name, target, sizeof target - 1) : 0;
    if (length < 0)
        return err_sys(err, "read the symbolic link", "");
    target[length] = '\0';
    int made = -1;
    errno = EEXIST;
    for (unsigned number = 0; made < 0 && errno == EEXIST; number++) { // a name may be the user's own
        (void)snprintf(fresh, sizeof fresh, ".dockersh-project-%u", number);
        made = make_beside(folder, fresh, target, info);
    }
    const struct timespec times[2] = {info->st_atim, info->st_mtim};
    if (made < 0 || fchownat(folder, fresh, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        (!S_ISLNK(info->st_mode) && fchmodat(folder, fresh, info->st_mode & 07777, 0) < 0) ||
        utimensat(folder, fresh, times, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "make anew", "");
    return renameat(folder, fresh, folder, name) < 0 ? err_sys(err, "put in place", "") : 0;
}

static int mark_entry(int folder, const char *name, uint32_t id, char *place, struct err *err) {
    struct stat info;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return errno == ENOENT ? 0 : err_sys(err, "stat", name);
    bool is_folder = S_ISDIR(info.st_mode);
    if (!is_folder && !S_ISREG(info.st_mode))
        return id == 0 ? 0 : make_anew(folder, name, &info, err);
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    cleanup_fd int fd = openat(folder, name, flags | (is_folder ? O_DIRECTORY : 0));
    if (fd < 0)
        return errno == ENOENT ? 0 : err_sys(err, "open", name);
    return is_folder ? mark_folder(fd, id, place, err) : mark_open(fd, false, id, err);
}

static int mark_folder(int folder, uint32_t id, char *place, struct err *err) {
    struct stat info;
    struct names names;
    if (fstat(folder, &info) < 0)
        return err_sys(err, "stat", "");
    if (mark_open(folder, true, id, err) < 0 || names_read(folder, &names, err) < 0)
        return -1;
    int result = 0;
    for (size_t index = 0; index < names.count && result == 0; index++) {
        result = mark_entry(folder, names.names[index], id, place, err);
        if (result < 0 && place[0] == '\0')
            (void)snprintf(place, PATH_MAX, "%s", names.names[index]);
    }
    names_clear(&names);
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    (void)futimens(folder, times); // what was made anew has changed it
    return result;
}

int project_mark(const char *path, uint32_t id, char *place, struct err *err) {
    place[0] = '\0';
    cleanup_fd int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return err_sys(err, "open the folder", path);
    return mark_folder(folder, id, place, err);
}
