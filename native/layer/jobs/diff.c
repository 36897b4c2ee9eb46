#include "jobs/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "overlay/below.h"
#include "overlay/deep.h"
#include "overlay/overlay.h"
#include "report.h"
#include "walk/names.h"

enum { SHOWN_PREFIX = 300 }; // more than any name has

struct job {
    const struct diff_options *options;
    char *path;  // PATH_MAX bytes, begins with a slash
    size_t told; // length of the folder's path up to which changes have been told
    struct deep_result deep;
};

static int diff_folder(struct job *job, int upper, const struct below *below, size_t length, unsigned depth,
                       struct err *err);

// The sandbox may run: what was there can be gone, or something else, by the time it is looked at.
static bool vanished(void) {
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
}

static int tell(struct job *job, char kind, struct err *err) {
    // Folders above count as changed too, because something in them has; those that are not listed yet are
    // listed here.
    for (char *slash = strchr(job->path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - job->path);
        if (length <= job->told)
            continue;
        *slash = '\0';
        int printed = printf("C %s", job->path);
        *slash = '/';
        if (printed < 0 || putchar('\0') < 0)
            return err_sys(err, "write the changes", "");
        job->told = length;
    }
    if (printf("%c %s", kind, job->path) < 0 || putchar('\0') < 0)
        return err_sys(err, "write the changes", "");
    return 0;
}

static bool same_time(const struct timespec *left, const struct timespec *right) {
    return left->tv_sec == right->tv_sec && left->tv_nsec == right->tv_nsec;
}

// Folders are copied up whenever something in them changes.
static bool same_folder(const struct job *job, const struct stat *upper, const struct stat *lower) {
    return upper->st_mode == lower->st_mode &&
           id_map_inside(&job->options->uids, upper->st_uid) == lower->st_uid &&
           id_map_inside(&job->options->gids, upper->st_gid) == lower->st_gid &&
           same_time(&upper->st_mtim, &lower->st_mtim);
}

static int put_name(struct job *job, size_t length, const char *name, struct err *err) {
    size_t name_length = strlen(name);
    if (length + name_length + 2 > PATH_MAX)
        return err_plain(err, FAILURE_EXCESS, "the path is longer than the limit allows", "");
    memcpy(job->path + length, name, name_length + 1);
    return 0;
}

static int tell_name(struct job *job, char kind, size_t length, const char *name, struct err *err) {
    return put_name(job, length, name, err) < 0 ? -1 : tell(job, kind, err);
}

// Where the upper folder hides the lower ones, what it does not have itself is deleted.
static int tell_hidden(struct job *job, int upper, const struct below *below, size_t length,
                       struct err *err) {
    for (size_t index = 0; index < below->count; index++) {
        struct names names;
        if (names_read(below->folders[index], &names, err) < 0)
            return -1;
        int result = 0;
        for (size_t at = 0; at < names.count && result == 0; at++) {
            const char *name = names.names[at];
            bool known = below_has(upper, name); // as itself, or higher up, where it was looked at already
            for (size_t above = 0; above < index && !known; above++)
                known = below_has(below->folders[above], name);
            struct below rest = {.folders = below->folders + index, .count = below->count - index};
            struct stat info;
            int seen = known ? 0 : below_look(&rest, name, &info, err);
            result = seen > 0 ? tell_name(job, 'D', length, name, err) : seen;
        }
        names_clear(&names);
        if (result < 0)
            return -1;
    }
    return 0;
}

// Lists what is too deep for any path. No image goes as deep, so it hides nothing. Only the first folders of
// its path are written: all of them would make the list grow with the square of the depth.
static int diff_deep(struct job *job, int upper, size_t length, struct err *err) {
    char prefix[SHOWN_PREFIX + 1];
    size_t cut = length <= SHOWN_PREFIX ? length : SHOWN_PREFIX;
    while (job->path[cut] != '/' && job->path[cut] != '\0')
        cut--;
    uint64_t between = 0;
    for (size_t at = cut; at < length; at++)
        between += job->path[at] == '/' ? 1 : 0;
    memcpy(prefix, job->path, cut);
    prefix[cut] = '\0';
    return deep_list(upper, prefix, between, &job->deep, err);
}

static int diff_subfolder(struct job *job, int parent, const char *name, const struct below *below,
                          size_t length, unsigned depth, struct err *err) {
    cleanup_fd int upper = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct below inner __attribute__((cleanup(below_clear))) = {0};
    if (upper < 0)
        return vanished() ? 0 : err_sys(err, "open the folder", "");
    if (depth > job->options->limits->max_depth || length > job->options->limits->max_path)
        return diff_deep(job, upper, length, err);
    if (below_descend(below, name, &inner, err) < 0)
        return -1;
    job->path[length] = '/';
    job->path[length + 1] = '\0';
    bool opaque = overlay_is_opaque(upper);
    if (opaque && tell_hidden(job, upper, &inner, length + 1, err) < 0)
        return -1;
    if (opaque)
        below_clear(&inner);
    return diff_folder(job, upper, &inner, length + 1, depth + 1, err);
}

static int diff_entry(struct job *job, int upper, const char *name, const struct below *below, size_t length,
                      unsigned depth, struct err *err) {
    struct stat info, lower;
    if (put_name(job, length, name, err) < 0)
        return -1;
    if (fstatat(upper, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return vanished() ? 0 : err_sys(err, "stat", "");
    int seen = below_look(below, name, &lower, err);
    if (seen < 0)
        return -1;
    if (overlay_is_whiteout(&info))
        return seen > 0 ? tell(job, 'D', err) : 0;
    bool folder = S_ISDIR(info.st_mode);
    bool same = seen > 0 && folder && S_ISDIR(lower.st_mode) && same_folder(job, &info, &lower);
    if (!same && tell(job, seen > 0 ? 'C' : 'A', err) < 0)
        return -1;
    if (!folder)
        return 0;
    size_t full = length + strlen(name);
    if (!same)
        job->told = full;
    int done = diff_subfolder(job, upper, name, below, full, depth, err);
    if (job->told >= length)
        job->told = length - 1; // back in this folder, which has been told if anything in it has
    return done;
}

static int diff_folder(struct job *job, int upper, const struct below *below, size_t length, unsigned depth,
                       struct err *err) {
    struct names names;
    if (names_read(upper, &names, err) < 0)
        return -1;
    int result = 0;
    for (size_t index = 0; index < names.count && result == 0; index++)
        result = diff_entry(job, upper, names.names[index], below, length, depth, err);
    names_clear(&names);
    return result;
}

int diff(const char *upper, const struct diff_options *options, char *place, struct err *err) {
    struct job job = {.options = options, .path = place};
    struct below below __attribute__((cleanup(below_clear))) = {0};
    memcpy(place, "/", 2);
    cleanup_fd int root = open(upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (root < 0)
        return err_sys(err, "open the folder", upper);
    if (below_open(options->lowers, options->lower_count, &below, err) < 0 ||
        diff_folder(&job, root, &below, 1, 1, err) < 0)
        return -1;
    if (fflush(stdout) != 0)
        return err_sys(err, "write the changes", "");
    memcpy(place, "/", 2);
    if (job.deep.unseen == 0)
        return 0;
    return err_plain(err, FAILURE_EXCESS, "some folders are too deep to be listed, all else has been", "");
}
