#include "unpack/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attributes/attributes.h"
#include "cleanup.h"
#include "overlay/overlay.h"
#include "report.h"

enum { ZERO_RUN = 64 * 1024 };

static const char WHITEOUT[] = WHITEOUT_PREFIX;
static const char OPAQUE[] = ".wh..wh..opq";

static int stat_name(const struct placing *job, struct stat *info) {
    return fstatat(job->parent, job->path.name, info, AT_SYMLINK_NOFOLLOW);
}

// A name that an earlier entry took is freed: the last entry of a name counts.
static int make_way(struct placing *job, struct err *err) {
    return tree_remove(job->tree, job->parent, job->path.name, err);
}

static bool all_zero(const uint8_t *bytes, size_t length) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t length, off_t at, struct err *err) {
    while (length > 0) {
        ssize_t wrote = pwrite(fd, bytes, length, at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return err_sys(err, "write", "");
        bytes += wrote;
        length -= (size_t)wrote;
        at += wrote;
    }
    return 0;
}

// Long runs of zeros become holes: an archive has no canonical way to say "hole", so most say zeros.
static int write_segment(struct placing *job, int fd, const struct tar_segment *segment, struct err *err) {
    uint64_t at = segment->offset;
    for (uint64_t left = segment->length; left > 0;) {
        const uint8_t *bytes;
        size_t limit = left < ZERO_RUN ? (size_t)left : ZERO_RUN;
        ssize_t got = tar_reader_data(job->reader, &bytes, limit, err);
        if (got < 0)
            return -1;
        if (got == 0)
            return err_plain(err, FAILURE_DAMAGED, "less data than the header says", "");
        size_t length = (size_t)got;
        bool hole = length >= 4096 && all_zero(bytes, length);
        if (!hole && write_all(fd, bytes, length, (off_t)at, err) < 0)
            return -1;
        at += length;
        left -= length;
    }
    return 0;
}

// The mode that the file is to have, so that it need not be set again; one with set-id bits only once it has
// its owner.
static mode_t first_mode(const struct tar_entry *entry) {
    return (entry->mode & 07000) == 0 ? (mode_t)(entry->mode & 0777) : 0600;
}

static int create_file(struct placing *job, struct err *err) {
    for (int round = 0;; round++) {
        int fd = openat(job->parent, job->path.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        first_mode(job->entry));
        if (fd >= 0)
            return fd;
        if (errno != EEXIST || round > 0)
            return err_sys(err, "create", "");
        if (make_way(job, err) < 0)
            return -1;
    }
}

static int place_file(struct placing *job, struct err *err) {
    const struct tar_entry *entry = job->entry;
    cleanup_fd int fd = create_file(job, err);
    if (fd < 0)
        return -1;
    for (size_t index = 0; index < entry->segment_count; index++)
        if (write_segment(job, fd, &entry->segments[index], err) < 0)
            return -1;
    // Each change of an inode costs more than this look at what need not be changed.
    struct stat made;
    if (fstat(fd, &made) < 0)
        return err_sys(err, "stat", "");
    if (made.st_size != (off_t)entry->size && ftruncate(fd, (off_t)entry->size) < 0)
        return err_sys(err, "set the size", "");
    if (attributes_set(fd, entry, &made, &job->result->skipped_xattrs, err) < 0)
        return -1;
    struct timespec times[2] = {entry->mtime, entry->mtime};
    return futimens(fd, times) < 0 ? err_sys(err, "set the time", "") : 0;
}

static int ask_opaque(struct placing *job, const char *name, struct err *err) {
    cleanup_fd int folder = openat(job->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return err_sys(err, "open the folder", name);
    return marker_ask_opaque(job->tree->marker, folder, err);
}

// A folder that is there already keeps what is in it. One that takes a whiteout's place hides the
// folder below, as the whiteout did.
static int make_folder(struct placing *job, struct err *err) {
    const char *name = job->path.name;
    if (mkdirat(job->parent, name, 0700) == 0)
        return 0;
    struct stat info;
    if (errno != EEXIST || stat_name(job, &info) < 0)
        return err_sys(err, "make the folder", "");
    if (S_ISDIR(info.st_mode))
        return 0;
    if (make_way(job, err) < 0)
        return -1;
    if (mkdirat(job->parent, name, 0700) < 0)
        return err_sys(err, "make the folder", "");
    return overlay_is_whiteout(&info) ? ask_opaque(job, name, err) : 0;
}

static int place_folder(struct placing *job, struct err *err) {
    bool root = job->path.name[0] == '\0';
    if (!root && make_folder(job, err) < 0)
        return -1;
    cleanup_fd int folder =
        openat(job->parent, root ? "." : job->path.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return err_sys(err, "open the folder", "");
    // One that was there already loses what an earlier entry said of it.
    if (attributes_clear(folder, err) < 0 ||
        attributes_set(folder, job->entry, NULL, &job->result->skipped_xattrs, err) < 0)
        return -1;
    return tree_remember_folder(job->tree, job->path.name, job->entry, err);
}

// Owner, mode and time of what has no descriptor to set them through. Nobody else can reach the folder,
// so the name still means what was just made. Attributes on links and pipes are not kept: the user
// namespace of attributes does not exist there (xattr(7)).
static int finish_by_name(struct placing *job, bool has_mode, struct err *err) {
    const struct tar_entry *entry = job->entry;
    const char *name = job->path.name;
    job->result->skipped_xattrs += entry->xattr_count;
    if (fchownat(job->parent, name, (uid_t)entry->uid, (gid_t)entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "set the owner", "");
    if (has_mode && fchmodat(job->parent, name, entry->mode, 0) < 0)
        return err_sys(err, "set the mode", "");
    struct timespec times[2] = {entry->mtime, entry->mtime};
    if (utimensat(job->parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "set the time", "");
    return 0;
}

static int place_symlink(struct placing *job, struct err *err) {
    const char *target = job->entry->link;
    int made = symlinkat(target, job->parent, job->path.name);
    if (made < 0 && errno == EEXIST) {
        if (make_way(job, err) < 0)
            return -1;
        made = symlinkat(target, job->parent, job->path.name);
    }
    if (made < 0)
        return err_sys(err, "make the symbolic link", "");
    return finish_by_name(job, false, err);
}

static int place_fifo(struct placing *job, struct err *err) {
    int made = mkfifoat(job->parent, job->path.name, 0600);
    if (made < 0 && errno == EEXIST) {
        if (make_way(job, err) < 0)
            return -1;
        made = mkfifoat(job->parent, job->path.name, 0600);
    }
    if (made < 0)
        return err_sys(err, "make the pipe", "");
    return finish_by_name(job, true, err);
}

// A hard link may only join files of this very layer: its target is looked up below the root, the last
// component not followed, and whiteouts are no files.
static int place_hardlink(struct placing *job, struct err *err) {
    struct tree_path target __attribute__((cleanup(tree_path_clear))) = {0};
    if (tree_clean(job->tree, job->entry->link, &target, err) < 0)
        return -1;
    cleanup_fd int folder = tree_find_parent(job->tree, &target, err);
    if (folder < 0)
        return -1;
    struct stat info, present;
    if (fstatat(folder, target.name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? err_plain(err, FAILURE_REFUSED, "hard link to what this layer does not have",
                                           target.path)
                               : err_sys(err, "hard link to", target.path);
    if (S_ISDIR(info.st_mode) || S_ISCHR(info.st_mode))
        return err_plain(err, FAILURE_REFUSED, "hard link to what is no file", target.path);
    int made = linkat(folder, target.name, job->parent, job->path.name, 0);
    if (made < 0 && errno == EEXIST) {
        if (stat_name(job, &present) == 0 && present.st_ino == info.st_ino && present.st_dev == info.st_dev)
            return 0;
        if (make_way(job, err) < 0)
            return -1;
        made = linkat(folder, target.name, job->parent, job->path.name, 0);
    }
    return made < 0 ? err_sys(err, "hard link to", target.path) : 0;
}

// OCI image specification, layer.md, "Whiteouts". Whiteouts speak of the layers below only, wherever in
// the archive they stand: what this layer has under the same name stays.
static int place_whiteout(struct placing *job, struct err *err) {
    const char *hidden = job->path.name + sizeof WHITEOUT - 1;
    job->result->whiteouts++;
    if (strcmp(job->path.name, OPAQUE) == 0)
        return ask_opaque(job, ".", err);
    if (strncmp(hidden, WHITEOUT, sizeof WHITEOUT - 1) == 0)
        return 0; // aufs' own bookkeeping
    if (hidden[0] == '\0' || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
        return err_plain(err, FAILURE_REFUSED, "a whiteout that hides no name", "");
    if (mknodat(job->parent, hidden, S_IFCHR, makedev(0, 0)) == 0)
        return 0;
    struct stat info;
    if (errno != EEXIST || fstatat(job->parent, hidden, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "make the whiteout", "");
    if (!S_ISDIR(info.st_mode))
        return 0;
    return ask_opaque(job, hidden, err) < 0 ? -1 : tree_remember_whiteout(job->tree, hidden, err);
}

// No device is made. One that takes the place of what a layer below has hides that, as it would with others.
static int place_device(struct placing *job, struct err *err) {
    job->result->skipped_devices++;
    job->result->whiteouts++;
    if (mknodat(job->parent, job->path.name, S_IFCHR, makedev(0, 0)) == 0)
        return 0;
    struct stat info;
    if (errno != EEXIST || stat_name(job, &info) < 0)
        return err_sys(err, "leave out the device", "");
    if (overlay_is_whiteout(&info))
        return 0;
    if (make_way(job, err) < 0)
        return -1;
    if (mknodat(job->parent, job->path.name, S_IFCHR, makedev(0, 0)) < 0)
        return err_sys(err, "leave out the device", "");
    return 0;
}

int place(struct placing *job, struct err *err) {
    const struct tar_entry *entry = job->entry;
    if (job->path.name[0] == '\0' && entry->kind != TAR_DIRECTORY)
        return err_plain(err, FAILURE_REFUSED, "the root of the layer is no folder", "");
    if (strncmp(job->path.name, WHITEOUT, sizeof WHITEOUT - 1) == 0)
        return place_whiteout(job, err);
    switch (entry->kind) {
    case TAR_FILE:
        return place_file(job, err);
    case TAR_HARDLINK:
        return place_hardlink(job, err);
    case TAR_SYMLINK:
        return place_symlink(job, err);
    case TAR_DIRECTORY:
        return place_folder(job, err);
    case TAR_FIFO:
        return place_fifo(job, err);
    case TAR_DEVICE:
        return place_device(job, err);
    }
    return err_plain(err, FAILURE_REFUSED, "unknown type of entry", "");
}
