#include "jobs/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "overlay/overlay.h"
#include "report.h"
#include "walk/links.h"
#include "walk/names.h"

enum { COPY_BYTES = 64 * 1024 * 1024 };

struct job {
    const struct limits *limits;
    struct copy_result *result;
    struct link_table links;
    bool one_file_system;
    dev_t device; // of the folder
    int root;     // of the copy
    char *path;   // of the current file, below the folder; PATH_MAX bytes
};

// One file in the folder it lies in, on both sides.
struct place {
    int from, to;
    const char *name;
    const struct stat *info;
};

static int copy_children(struct job *job, int from, int to, size_t length, unsigned depth, struct err *err);

// A sandbox that is not paused changes its files meanwhile: a name that is gone or something else by now is
// no failure.
static bool vanished(void) {
    return errno == ENOENT || errno == ELOOP || errno == ENOTDIR;
}

static int copy_attribute(int from, int to, const char *name, struct err *err) {
    static char value[65536]; // XATTR_SIZE_MAX
    ssize_t length = fgetxattr(from, name, value, sizeof value);
    if (length < 0)
        return err_sys(err, "read the attribute", name);
    return fsetxattr(to, name, value, (size_t)length, 0) < 0 ? err_sys(err, "set the attribute", name) : 0;
}

// Owner first: changing it clears set-id bits and file capabilities (chown(2)). The time last: everything
// else changes it.
static int copy_attributes(int from, int to, const struct stat *info, struct err *err) {
    static char names[65536]; // XATTR_LIST_MAX
    if (fchown(to, info->st_uid, info->st_gid) < 0)
        return err_sys(err, "set the owner", "");
    if (fchmod(to, info->st_mode & 07777) < 0)
        return err_sys(err, "set the mode", "");
    ssize_t length = flistxattr(from, names, sizeof names);
    if (length < 0 && errno != ENOTSUP)
        return err_sys(err, "list the attributes", "");
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1)
        if (copy_attribute(from, to, names + at, err) < 0)
            return -1;
    struct timespec times[2] = {info->st_atim, info->st_mtim};
    return futimens(to, times) < 0 ? err_sys(err, "set the time", "") : 0;
}

// As copy_file_range, through memory.
static ssize_t copy_piece(int from, int to, off_t at, size_t wanted) {
    static char buffer[1024 * 1024];
    ssize_t got = pread(from, buffer, wanted < sizeof buffer ? wanted : sizeof buffer, at);
    for (ssize_t done = 0; done < got;) {
        ssize_t written = pwrite(to, buffer + done, (size_t)(got - done), at + done);
        if (written < 0)
            return -1;
        done += written;
    }
    return got;
}

// In a home what was looked at by name must be what has been opened: whoever owns the folder above can put
// something else in its place in between, e.g. a hard link to a file of root's, which would then be given to
// them. In a layer there is nothing but its user's, and what has been opened counts.
static int look_again(const struct job *job, int fd, const struct stat *before, struct stat *now,
                      struct err *err) {
    if (fstat(fd, now) < 0)
        return err_sys(err, "stat", "");
    bool same = now->st_dev == before->st_dev && now->st_ino == before->st_ino &&
                now->st_uid == before->st_uid && now->st_gid == before->st_gid &&
                (now->st_mode & S_IFMT) == (before->st_mode & S_IFMT);
    return same || !job->one_file_system
               ? 0
               : err_plain(err, FAILURE_REFUSED, "it was replaced while it was copied", "");
}

static int copy_run(struct job *job, int from, int to, off_t at, off_t end, struct err *err) {
    while (at < end) {
        off_t source = at, target = at;
        size_t wanted = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
        ssize_t got = copy_file_range(from, &source, to, &target, wanted, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EXDEV || errno == EOPNOTSUPP)) // another file system, of another kind
            got = copy_piece(from, to, at, wanted);
        if (got < 0)
            return err_sys(err, "copy", "");
        if (got == 0)
            return 0; // the file has become shorter meanwhile; what is missing is a hole
        at += got;
        job->result->bytes += (uint64_t)got;
    }
    return 0;
}

// Shares the blocks where the file system can; otherwise copies data and leaves holes.
static int copy_data(struct job *job, int from, int to, const struct stat *info, struct err *err) {
    if (info->st_size == 0 || ioctl(to, FICLONE, from) == 0)
        return 0;
    if (ftruncate(to, info->st_size) < 0)
        return err_sys(err, "set the size", "");
    for (off_t at = 0; at < info->st_size;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return 0; // a hole up to the end
        off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
        if (hole < 0 && errno == ENXIO)
            return 0; // it has become shorter in between
        if (hole < 0)
            return err_sys(err, "find data", "");
        hole = hole < info->st_size ? hole : info->st_size; // what it has grown is left out
        if (copy_run(job, from, to, data, hole, err) < 0)
            return -1;
        at = hole;
    }
    return 0;
}

static int copy_file(struct job *job, const struct place *place, struct err *err) {
    cleanup_fd int from = openat(place->from, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat info;
    if (from < 0)
        return vanished() ? 0 : err_sys(err, "open", "");
    if (look_again(job, from, place->info, &info, err) < 0)
        return -1;
    if (!S_ISREG(info.st_mode))
        return 0; // something else has taken its place
    cleanup_fd int to = openat(place->to, place->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return err_sys(err, "create", "");
    if (copy_data(job, from, to, &info, err) < 0)
        return -1;
    return copy_attributes(from, to, &info, err);
}

// Not inlined: copy_child() is on the stack once for each level.
__attribute__((noinline)) static int make_special(struct job *job, const struct place *place,
                                                  struct err *err) {
    const struct stat *info = place->info;
    if (S_ISLNK(info->st_mode)) {
        char target[PATH_MAX];
        ssize_t length = readlinkat(place->from, place->name, target, sizeof target - 1);
        if (length < 0)
            return vanished() || errno == EINVAL ? 0 : err_sys(err, "read the symbolic link", "");
        target[length] = '\0';
        return symlinkat(target, place->to, place->name) < 0 ? err_sys(err, "make the symbolic link", "") : 1;
    }
    bool device = S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode);
    if (device && !overlay_is_whiteout(info)) {
        job->result->skipped_devices++;
        return 0;
    }
    int made = mknodat(place->to, place->name, info->st_mode, info->st_rdev);
    return made < 0 ? err_sys(err, "make", "") : 1;
}

// Links, pipes, sockets and whiteouts: everything that cannot be opened for its attributes.
static int copy_special(struct job *job, const struct place *place, struct err *err) {
    const struct stat *info = place->info;
    int made = make_special(job, place, err);
    if (made <= 0)
        return made;
    if (fchownat(place->to, place->name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "set the owner", "");
    if (!S_ISLNK(info->st_mode) && fchmodat(place->to, place->name, info->st_mode & 07777, 0) < 0)
        return err_sys(err, "set the mode", "");
    struct timespec times[2] = {info->st_atim, info->st_mtim};
    if (utimensat(place->to, place->name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "set the time", "");
    return 0;
}

// 1: made as a link to a name that the file already has in the copy.
static int copy_link(struct job *job, const struct place *place, struct err *err) {
    if (place->info->st_nlink < 2)
        return 0;
    int failed = 0;
    const char *first =
        links_first(&job->links, place->info->st_dev, place->info->st_ino, job->path, &failed);
    if (failed != 0)
        return err_sys(err, "remember a hard link", "");
    if (first == NULL)
        return 0;
    if (linkat(job->root, first, place->to, place->name, 0) == 0)
        return 1;
    return errno == ENOENT ? 0 : err_sys(err, "hard link to", first); // what vanished then is a file now
}

static int copy_folder(struct job *job, const struct place *place, size_t length, unsigned depth,
                       struct err *err) {
    if (depth > job->limits->max_depth)
        return err_plain(err, FAILURE_EXCESS, "the path is deeper than the limit allows", "");
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat info;
    cleanup_fd int from = openat(place->from, place->name, flags);
    if (from < 0)
        return vanished() ? 0 : err_sys(err, "open the folder", "");
    if (look_again(job, from, place->info, &info, err) < 0)
        return -1;
    if (mkdirat(place->to, place->name, 0700) < 0)
        return err_sys(err, "make the folder", "");
    cleanup_fd int to = openat(place->to, place->name, flags);
    if (to < 0)
        return err_sys(err, "open the folder", "");
    job->path[length++] = '/';
    if (copy_children(job, from, to, length, depth + 1, err) < 0)
        return -1;
    job->path[length - 1] = '\0';
    return copy_attributes(from, to, &info, err);
}

// `length`: of the folder's path in job->path, its slash included.
static int copy_child(struct job *job, const struct place *place, size_t length, unsigned depth,
                      struct err *err) {
    size_t name_length = strlen(place->name);
    if (length + name_length + 2 > PATH_MAX)
        return err_plain(err, FAILURE_EXCESS, "the path is longer than the limit allows", "");
    memcpy(job->path + length, place->name, name_length + 1);
    if (job->one_file_system && place->info->st_dev != job->device) {
        job->result->skipped_mounts++;
        return 0;
    }
    job->result->entries++;
    if (S_ISDIR(place->info->st_mode))
        return copy_folder(job, place, length + name_length, depth, err);
    int linked = copy_link(job, place, err);
    if (linked != 0)
        return linked < 0 ? -1 : 0;
    return S_ISREG(place->info->st_mode) ? copy_file(job, place, err) : copy_special(job, place, err);
}

static int copy_children(struct job *job, int from, int to, size_t length, unsigned depth, struct err *err) {
    struct names names;
    if (names_read(from, &names, err) < 0)
        return -1;
    int result = 0;
    for (size_t index = 0; index < names.count && result == 0; index++) {
        struct stat info;
        struct place place = {from, to, names.names[index], &info};
        if (fstatat(from, place.name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
            result = copy_child(job, &place, length, depth, err);
        else if (!vanished())
            result = err_sys(err, "stat", place.name);
    }
    names_clear(&names);
    return result;
}

int copy(const char *from, const char *to, const struct limits *limits, bool one_file_system,
         struct copy_result *result, char *place, struct err *err) {
    struct job job = {.limits = limits, .result = result, .path = place, .one_file_system = one_file_system};
    struct stat info;
    place[0] = '\0';
    if (mkdir(to, 0700) < 0)
        return err_sys(err, "make the folder", to);
    cleanup_fd int source = open(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_fd int target = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (source < 0 || target < 0 || fstat(source, &info) < 0)
        return err_sys(err, "open the folder", source < 0 ? from : to);
    job.root = target;
    job.device = info.st_dev;
    int done = copy_children(&job, source, target, 0, 1, err);
    links_clear(&job.links);
    if (done < 0)
        return -1;
    place[0] = '\0';
    if (copy_attributes(source, target, &info, err) < 0)
        return -1;
    return take_fd(&target);
}
