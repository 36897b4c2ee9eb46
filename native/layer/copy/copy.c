#include "copy/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "copy/content.h"
#include "copy/file.h"
#include "report.h"
#include "walk/names.h"
#include "walk/remove.h"

// A folder on both sides. `prune`: names of the copy that the tree has not are taken away.
struct pair {
    int from, to;
    bool prune;
};

static int copy_children(struct copy *job, const struct pair *pair, size_t length, unsigned depth,
                         struct err *err);

// Not inlined, for the stack's sake. Several names of a file in the tree must be names of one file in the
// copy.
__attribute__((noinline)) static bool is_same(struct copy *job, const struct place *place,
                                              const struct stat *there) {
    if (!copied_is(&job->copied, there, place->info))
        return false;
    if (place->info->st_nlink < 2 || S_ISDIR(place->info->st_mode))
        return true;
    int failed = 0;
    struct stat other;
    const char *first =
        links_first(&job->links, place->info->st_dev, place->info->st_ino, job->path, &failed);
    if (first == NULL)
        return failed == 0;
    return fstatat(job->to, first, &other, AT_SYMLINK_NOFOLLOW) == 0 && other.st_ino == there->st_ino;
}

// Whether a pass has nothing to do with what is no folder: 1. What it has to do with otherwise is taken away.
__attribute__((noinline)) static int is_up_to_date(struct copy *job, const struct place *place,
                                                   struct err *err) {
    struct stat there;
    if (job->copied.pass == 0)
        return 0;
    if (fstatat(place->to, place->name, &there, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_sys(err, "stat the copy", "");
    if (S_ISDIR(place->info->st_mode) && S_ISDIR(there.st_mode))
        return 0;
    if (is_same(job, place, &there)) {
        job->result.bytes += copied_count(&job->copied, &there);
        return 1;
    }
    return tree_remove_all(place->to, place->name, err);
}

static bool is_same_time(const struct timespec *one, const struct timespec *other) {
    return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

// A folder of which nothing has changed, and in which nothing was made or removed just now, has all that
// already.
__attribute__((noinline)) static int finish_folder(struct copy *job, int from, int to,
                                                   const struct stat *info, bool same, struct err *err) {
    struct stat there;
    if (same && fstat(to, &there) == 0 && is_same_time(&there.st_mtim, &info->st_mtim))
        return 0;
    if ((job->copied.pass > 0 && content_clear_attributes(to, err) < 0) ||
        content_copy_attributes(from, to, info, err) < 0)
        return -1;
    return file_remember(job, to, NULL, info, 0, err);
}

// `info`: of the folder, before anything in it is looked at.
static int copy_into(struct copy *job, int from, int to, const struct stat *info, size_t length,
                     unsigned depth, struct err *err) {
    struct stat there;
    bool same = job->copied.pass > 0 && fstat(to, &there) == 0 && copied_is(&job->copied, &there, info);
    const struct pair pair = {from, to, job->copied.pass > 0 && !same};
    const struct limits *limits = job->options->limits;
    bool beyond = job->options->for_image && (depth > limits->max_depth + 1 || length > limits->max_path + 1);
    if (!beyond && copy_children(job, &pair, length, depth, err) < 0)
        return -1;
    return finish_folder(job, from, to, info, same, err);
}

static int copy_folder(struct copy *job, const struct place *place, size_t length, unsigned depth,
                       struct err *err) {
    if (depth > job->options->limits->max_depth && !job->options->for_image)
        return err_plain(err, FAILURE_EXCESS, "the path is deeper than the limit allows", "");
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat info;
    cleanup_fd int from = openat(place->from, place->name, flags);
    if (from < 0)
        return file_vanished() ? 0 : err_sys(err, "open the folder", "");
    if (file_look_again(job, from, place->info, &info, err) < 0)
        return -1;
    if (mkdirat(place->to, place->name, 0700) < 0 && (errno != EEXIST || job->copied.pass == 0))
        return err_sys(err, "make the folder", "");
    cleanup_fd int to = openat(place->to, place->name, flags);
    if (to < 0)
        return err_sys(err, "open the folder", "");
    job->path[length++] = '/';
    if (copy_into(job, from, to, &info, length, depth + 1, err) < 0)
        return -1;
    job->path[length - 1] = '\0';
    return 0;
}

static int count_entry(struct copy *job, struct err *err) {
    const struct limits *limits = job->options->limits;
    job->result.entries++;
    if (!job->options->for_image)
        return 0;
    if (job->result.entries > limits->max_entries)
        return err_plain(err, FAILURE_EXCESS, "the folder has more entries than the limit allows", "");
    if (job->result.bytes > limits->max_bytes)
        return err_plain(err, FAILURE_EXCESS, "the archive would be larger than the limit of bytes allows",
                         "");
    return 0;
}

// `length`: of the folder's path in job->path, its slash included.
static int copy_child(struct copy *job, const struct place *place, size_t length, unsigned depth,
                      struct err *err) {
    size_t name_length = strlen(place->name);
    if (length + name_length + 2 > PATH_MAX)
        return err_plain(err, FAILURE_EXCESS, "the path is longer than the limit allows", "");
    memcpy(job->path + length, place->name, name_length + 1);
    if (job->options->one_file_system && place->info->st_dev != job->device) {
        job->result.skipped_mounts++;
        return 0;
    }
    if (count_entry(job, err) < 0)
        return -1;
    int done = is_up_to_date(job, place, err);
    if (done != 0)
        return done < 0 ? -1 : 0;
    if (S_ISDIR(place->info->st_mode))
        return copy_folder(job, place, length + name_length, depth, err);
    int linked = file_copy_link(job, place, err);
    if (linked != 0)
        return linked < 0 ? -1 : 0;
    return S_ISREG(place->info->st_mode) ? file_copy(job, place, err) : file_copy_special(job, place, err);
}

// `names`: those of the tree, sorted.
__attribute__((noinline)) static int prune(struct copy *job, int to, const struct names *names,
                                           struct err *err) {
    struct names there;
    if (names_read(to, &there, err) < 0)
        return -1;
    int result = 0;
    for (size_t index = 0, other = 0; index < there.count && result == 0; index++) {
        while (other < names->count && strcmp(names->names[other], there.names[index]) < 0)
            other++;
        if (other < names->count && strcmp(names->names[other], there.names[index]) == 0)
            continue;
        result = tree_remove_all(to, there.names[index], err);
        job->result.changed++;
    }
    names_clear(&there);
    return result;
}

static int copy_children(struct copy *job, const struct pair *pair, size_t length, unsigned depth,
                         struct err *err) {
    struct names names;
    if (names_read(pair->from, &names, err) < 0)
        return -1;
    int result = pair->prune ? prune(job, pair->to, &names, err) : 0;
    for (size_t index = 0; index < names.count && result == 0; index++) {
        struct stat info;
        struct place place = {pair->from, pair->to, names.names[index], &info};
        if (fstatat(pair->from, place.name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
            result = copy_child(job, &place, length, depth, err);
        else if (!file_vanished())
            result = err_sys(err, "stat", place.name);
    }
    names_clear(&names);
    return result;
}

int copy_open(struct copy *copy, const char *from, const char *to, const struct copy_options *options,
              char *place, struct err *err) {
    *copy = (struct copy){.options = options, .from = CLOSED_FD, .to = CLOSED_FD, .path = place};
    struct stat info;
    place[0] = '\0';
    if (mkdir(to, 0700) < 0)
        return err_sys(err, "make the folder", to);
    copy->from = open(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    copy->to = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (copy->from < 0 || copy->to < 0 || fstat(copy->from, &info) < 0)
        return err_sys(err, "open the folder", copy->from < 0 ? from : to);
    copy->device = info.st_dev;
    copied_open(&copy->copied, copy->from);
    return 0;
}

void copy_close(struct copy *copy) {
    close_fd_at(&copy->from);
    close_fd_at(&copy->to);
    links_clear(&copy->links);
    copied_close(&copy->copied);
}

int copy_pass(struct copy *copy, struct err *err) {
    struct stat info;
    copy->result = (struct copy_result){0};
    if (fstat(copy->from, &info) < 0)
        return err_sys(err, "stat", "");
    int done = copy_into(copy, copy->from, copy->to, &info, 0, 1, err);
    links_clear(&copy->links);
    if (done < 0)
        return -1;
    copy->path[0] = '\0';
    copy->copied.pass++;
    return 0;
}
