#include "jobs/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes/attributes.h"
#include "cleanup.h"
#include "overlay/overlay.h"
#include "report.h"
#include "tar/write.h"
#include "tar/write_file.h"
#include "walk/links.h"
#include "walk/names.h"

enum {
    MOST_TOLD = 10, // files that are left out by name; the others are counted
};

struct job {
    struct tar_writer writer;
    struct link_table links;
    const struct pack_options *options;
    const struct limits *limits;
    struct pack_result *result;
    dev_t device; // the file system that is packed; mounts in it are left out
    char *path;   // of the current file, below the folder; PATH_MAX bytes
    uint8_t *buffer;
};

static int pack_children(struct job *job, int folder, size_t length, unsigned depth, struct err *err);

// What is opened may be changed or replaced by somebody else meanwhile: a name that is gone, or is a
// link by now, is no failure.
static bool vanished(void) {
    return errno == ENOENT || errno == ELOOP || errno == ENOTDIR;
}

// No image can hold it: what a user makes must not keep the administrator from taking the rest. An
// administrator's own folder is refused instead. job->path names the file.
static int leave_out(struct job *job, enum failure why, const char *what, struct err *err) {
    if (!job->options->overlay)
        return err_plain(err, why, what, "");
    if (++job->result->left_out <= MOST_TOLD)
        note_left_out(job->path, what);
    return 0;
}

static int fill(struct job *job, const struct stat *info, enum tar_kind kind, struct tar_entry *entry,
                struct err *err) {
    entry->kind = kind;
    entry->mode = info->st_mode & 07777;
    entry->uid = id_map_inside(&job->options->uids, info->st_uid);
    entry->gid = id_map_inside(&job->options->gids, info->st_gid);
    entry->mtime = info->st_mtim;
    entry->path = strdup(job->path);
    if (entry->path == NULL)
        return err_sys(err, "remember a path", "");
    return attributes_check_ids(entry, err);
}

static int read_attributes(struct job *job, int fd, struct tar_entry *entry, struct err *err) {
    return attributes_read(fd, &job->options->uids, &job->options->gids, entry, &job->result->skipped_xattrs,
                           err);
}

static int write_entry(struct job *job, const struct tar_entry *entry, struct err *err) {
    if (++job->result->entries > job->limits->max_entries)
        return err_plain(err, FAILURE_EXCESS, "the folder has more entries than the limit allows", "");
    // Holes of a layer count as well: its archive has zeros for them.
    uint64_t size = tar_entry_held(entry);
    if (size > job->limits->max_bytes || job->writer.offset > job->limits->max_bytes - size)
        return err_plain(err, FAILURE_EXCESS, "the archive would be larger than the limit of bytes allows",
                         "");
    return tar_write_entry(&job->writer, entry, err);
}

// 1: written as a link to a name the file already has in the archive.
static int write_link(struct job *job, const struct stat *info, struct err *err) {
    if (info->st_nlink < 2)
        return 0;
    int failed = 0;
    const char *first = links_first(&job->links, info->st_dev, info->st_ino, job->path, &failed);
    if (failed != 0)
        return err_sys(err, "remember a hard link", "");
    if (first == NULL)
        return 0;
    struct tar_entry entry __attribute__((cleanup(tar_entry_clear))) = {0};
    entry.link = strdup(first);
    if (entry.link == NULL)
        return err_sys(err, "remember a hard link", "");
    if (fill(job, info, TAR_HARDLINK, &entry, err) < 0 || write_entry(job, &entry, err) < 0)
        return -1;
    return 1;
}

// O_NONBLOCK: what was a file a moment ago may be a pipe by now, and opening must not wait for a writer.
static int pack_file(struct job *job, int parent, const char *name, struct err *err) {
    cleanup_fd int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return vanished() ? 0 : err_sys(err, "open", "");
    struct stat info;
    if (fstat(fd, &info) < 0)
        return err_sys(err, "stat", "");
    if (!S_ISREG(info.st_mode))
        return 0;
    int linked = write_link(job, &info, err);
    if (linked != 0)
        return linked < 0 ? -1 : 0;
    struct tar_entry entry __attribute__((cleanup(tar_entry_clear))) = {0};
    if (fill(job, &info, TAR_FILE, &entry, err) < 0 || read_attributes(job, fd, &entry, err) < 0)
        return -1;
    entry.size = (uint64_t)info.st_size;
    bool sparse = job->options->part != NULL && (uint64_t)info.st_blocks * 512 < entry.size;
    if (sparse && tar_find_data(fd, &entry, err) < 0)
        return -1;
    if (write_entry(job, &entry, err) < 0)
        return -1;
    bool shrank = false;
    int written = tar_write_file(&job->writer, job->buffer, fd, &entry, &shrank, err);
    job->result->changed += shrank ? 1 : 0;
    return written;
}

// Links and pipes: everything the header can say. Not inlined: pack_child() is on the stack once for each
// level.
__attribute__((noinline)) static int pack_special(struct job *job, int parent, const char *name,
                                                  const struct stat *info, struct err *err) {
    int linked = write_link(job, info, err);
    if (linked != 0)
        return linked < 0 ? -1 : 0;
    struct tar_entry entry __attribute__((cleanup(tar_entry_clear))) = {0};
    if (S_ISLNK(info->st_mode)) {
        char target[PATH_MAX];
        ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
        if (length < 0)
            return vanished() || errno == EINVAL ? 0 : err_sys(err, "read the symbolic link", "");
        target[length] = '\0';
        entry.link = strdup(target);
        if (entry.link == NULL)
            return err_sys(err, "remember a symbolic link", "");
    }
    if (fill(job, info, S_ISLNK(info->st_mode) ? TAR_SYMLINK : TAR_FIFO, &entry, err) < 0)
        return -1;
    return write_entry(job, &entry, err);
}

static int write_folder(struct job *job, int folder, const struct stat *info, struct err *err) {
    struct tar_entry entry __attribute__((cleanup(tar_entry_clear))) = {0};
    if (fill(job, info, TAR_DIRECTORY, &entry, err) < 0 || read_attributes(job, folder, &entry, err) < 0)
        return -1;
    return write_entry(job, &entry, err);
}

// OCI image specification, layer.md, "Whiteouts": an empty file. It has no owner and no time that would mean
// anything; fixed ones make the archive the same whenever it is packed.
static int write_marker(struct job *job, size_t length, const char *prefix, const char *name,
                        struct err *err) {
    size_t prefix_length = strlen(prefix);
    size_t name_length = strlen(name);
    if (length + prefix_length + name_length > job->limits->max_path ||
        prefix_length + name_length > NAME_MAX)
        return leave_out(job, FAILURE_EXCESS, "the name is too long for the mark of what is deleted", err);
    memcpy(job->path + length, prefix, prefix_length);
    memcpy(job->path + length + prefix_length, name, name_length + 1);
    struct tar_entry entry = {.kind = TAR_FILE, .path = job->path};
    return write_entry(job, &entry, err);
}

// `length`: of the folder's path, its slash included.
static int write_opaque(struct job *job, int folder, size_t length, struct err *err) {
    if (!job->options->overlay || !overlay_is_opaque(folder))
        return 0;
    return write_marker(job, length, ".wh.", ".wh..opq", err);
}

// A folder on another file system is a mount point: the folder is kept, what is mounted on it is not.
static int pack_folder(struct job *job, int parent, const char *name, size_t length, unsigned depth,
                       struct err *err) {
    cleanup_fd int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;
    if (folder < 0)
        return vanished() ? 0 : err_sys(err, "open the folder", "");
    if (fstat(folder, &info) < 0)
        return err_sys(err, "stat the folder", "");
    if (depth > job->limits->max_depth)
        return leave_out(job, FAILURE_EXCESS, "the path is deeper than the limit allows", err);
    job->path[length++] = '/';
    job->path[length] = '\0';
    if (write_folder(job, folder, &info, err) < 0 || write_opaque(job, folder, length, err) < 0)
        return -1;
    return info.st_dev == job->device ? pack_children(job, folder, length, depth + 1, err) : 0;
}

// `length`: of the folder's path in job->path, its slash included.
static int pack_child(struct job *job, int folder, const char *name, size_t length, unsigned depth,
                      struct err *err) {
    size_t name_length = strlen(name);
    if (length + name_length + 2 > PATH_MAX)
        return err_plain(err, FAILURE_EXCESS, "the path is longer than the limit allows", "");
    memcpy(job->path + length, name, name_length + 1);
    if (length + name_length > job->limits->max_path)
        return leave_out(job, FAILURE_EXCESS, "the path is longer than the limit allows", err);
    if (strncmp(name, ".wh.", 4) == 0)
        return leave_out(job, FAILURE_REFUSED, "a name that means a deleted file in layers", err);
    struct stat info;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return vanished() ? 0 : err_sys(err, "stat", "");
    switch (info.st_mode & S_IFMT) {
    case S_IFDIR:
        return pack_folder(job, folder, name, length + name_length, depth, err);
    case S_IFREG:
        return pack_file(job, folder, name, err);
    case S_IFLNK:
    case S_IFIFO:
        return pack_special(job, folder, name, &info, err);
    case S_IFSOCK:
        job->result->skipped_sockets++;
        return 0;
    default:
        if (job->options->overlay && overlay_is_whiteout(&info))
            return write_marker(job, length, ".wh.", name, err);
        job->result->skipped_devices++;
        return 0;
    }
}

static int pack_children(struct job *job, int folder, size_t length, unsigned depth, struct err *err) {
    struct names names;
    if (names_read(folder, &names, err) < 0)
        return -1;
    int result = 0;
    for (size_t index = 0; index < names.count && result == 0; index++)
        result = pack_child(job, folder, names.names[index], length, depth, err);
    names_clear(&names);
    return result;
}

static int pack_tree(struct job *job, int root, struct err *err) {
    struct stat info;
    if (fstat(root, &info) < 0)
        return err_sys(err, "stat the folder", "");
    job->device = info.st_dev;
    const char *part = job->options->part;
    size_t length = part != NULL ? strlen(part) + 1 : 0;
    (void)snprintf(job->path, PATH_MAX, "%s/", part != NULL ? part : ".");
    if (write_folder(job, root, &info, err) < 0 || write_opaque(job, root, length, err) < 0)
        return -1;
    if (pack_children(job, root, length, 1, err) < 0)
        return -1;
    return part != NULL ? tar_write_flush(&job->writer, err) : tar_write_end(&job->writer, err);
}

int pack(const char *path, int out, const struct pack_options *options, struct pack_result *result,
         char *place, struct err *err) {
    struct job job = {.options = options, .limits = options->limits, .result = result, .path = place};
    place[0] = '\0';
    cleanup_fd int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_sys(err, "open the folder", path);
    job.buffer = malloc(TAR_FILE_BUFFER);
    int done = job.buffer == NULL ? err_sys(err, "allocate a buffer", "") : 0;
    if (done == 0)
        done = tar_writer_open(&job.writer, out, err);
    job.writer.skip_zeros = options->skip_zeros;
    if (done == 0)
        done = pack_tree(&job, root, err);
    result->bytes = job.writer.offset;
    tar_writer_close(&job.writer);
    links_clear(&job.links);
    free(job.buffer);
    return done;
}
