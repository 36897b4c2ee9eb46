#include "copy/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "cleanup.h"
#include "copy/content.h"
#include "overlay/overlay.h"
#include "report.h"

// A sandbox that is not paused changes its files meanwhile: a name that is gone or something else by now is
// no failure.
bool file_vanished(void) {
    return errno == ENOENT || errno == ELOOP || errno == ENOTDIR;
}

// In a home what was looked at by name must be what has been opened: whoever owns the folder above can put
// something else in its place in between, e.g. a hard link to a file of root's, which would then be given to
// them. In a layer there is nothing but its user's, and what has been opened counts.
int file_look_again(const struct copy *job, int fd, const struct stat *before, struct stat *now,
                    struct err *err) {
    if (fstat(fd, now) < 0)
        return err_sys(err, "stat", "");
    bool same = now->st_dev == before->st_dev && now->st_ino == before->st_ino &&
                now->st_uid == before->st_uid && now->st_gid == before->st_gid &&
                (now->st_mode & S_IFMT) == (before->st_mode & S_IFMT);
    return same || !job->options->one_file_system
               ? 0
               : err_plain(err, FAILURE_REFUSED, "it was replaced while it was copied", "");
}

// What was made in the copy, as `to` or `name` in it, is what this file was when it was looked at.
int file_remember(struct copy *job, int to, const char *name, const struct stat *source, uint64_t bytes,
                  struct err *err) {
    struct stat there;
    job->result.changed++;
    if (!job->options->follow)
        return 0;
    if (name == NULL ? fstat(to, &there) < 0 : fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "stat the copy", "");
    return copied_add(&job->copied, &there, source, bytes) < 0 ? err_sys(err, "remember a file", "") : 0;
}

int file_copy(struct copy *job, const struct place *place, struct err *err) {
    cleanup_fd int from = openat(place->from, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat info;
    if (from < 0)
        return file_vanished() ? 0 : err_sys(err, "open", "");
    if (file_look_again(job, from, place->info, &info, err) < 0)
        return -1;
    if (!S_ISREG(info.st_mode))
        return 0; // something else has taken its place
    cleanup_fd int to = openat(place->to, place->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return err_sys(err, "create", "");
    uint64_t bytes = 0;
    if (job->options->follow && !job->last && content_settle(from, err) < 0)
        return -1;
    if (content_copy(from, to, &info, &bytes, err) < 0 || content_copy_attributes(from, to, &info, err) < 0)
        return -1;
    job->result.bytes += bytes;
    job->result.changed_bytes += bytes;
    return file_remember(job, to, NULL, &info, bytes, err);
}

// Not inlined: copy_child() is on the stack once for each level.
__attribute__((noinline)) static int make_special(struct copy *job, const struct place *place,
                                                  struct err *err) {
    const struct stat *info = place->info;
    if (S_ISLNK(info->st_mode)) {
        char target[PATH_MAX];
        ssize_t length = readlinkat(place->from, place->name, target, sizeof target - 1);
        if (length < 0)
            return file_vanished() || errno == EINVAL ? 0 : err_sys(err, "read the symbolic link", "");
        target[length] = '\0';
        return symlinkat(target, place->to, place->name) < 0 ? err_sys(err, "make the symbolic link", "") : 1;
    }
    bool device = S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode);
    if (device && !overlay_is_whiteout(info)) {
        job->result.skipped_devices++;
        return 0;
    }
    int made = mknodat(place->to, place->name, info->st_mode, info->st_rdev);
    return made < 0 ? err_sys(err, "make", "") : 1;
}

// Links, pipes, sockets and whiteouts: everything that cannot be opened for its attributes.
int file_copy_special(struct copy *job, const struct place *place, struct err *err) {
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
    return file_remember(job, place->to, place->name, info, 0, err);
}

// 1: made as a link to a name that the file already has in the copy.
int file_copy_link(struct copy *job, const struct place *place, struct err *err) {
    if (place->info->st_nlink < 2)
        return 0;
    int failed = 0;
    const char *first =
        links_first(&job->links, place->info->st_dev, place->info->st_ino, job->path, &failed);
    if (failed != 0)
        return err_sys(err, "remember a hard link", "");
    if (first == NULL)
        return 0;
    if (linkat(job->to, first, place->to, place->name, 0) == 0)
        return 1;
    return errno == ENOENT ? 0 : err_sys(err, "hard link to", first); // what vanished then is a file now
}
