#include "unpack/unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "attributes/attributes.h"
#include "report.h"
#include "unpack/place.h"
#include "unpack/tree.h"

struct job {
    const struct id_map *uids, *gids; // empty: the archive's ids are kept as they are
    struct tree tree;
    struct tar_reader reader;
    struct placing placing;
    uint64_t holes; // in files so far, bytes
    // Times that ask most of the file system: the first, the last, and one of the finest.
    struct timespec oldest, newest, finest;
};

static bool is_before(const struct timespec *left, const struct timespec *right) {
    return left->tv_sec != right->tv_sec ? left->tv_sec < right->tv_sec : left->tv_nsec < right->tv_nsec;
}

// How many digits of the nanoseconds count.
static int fineness(long nanoseconds) {
    int digits = 9;
    while (digits > 0 && nanoseconds % 10 == 0) {
        nanoseconds /= 10;
        digits--;
    }
    return digits;
}

static void remember_time(struct job *job, const struct timespec *time) {
    bool first = job->tree.entries == 1;
    if (first || is_before(time, &job->oldest))
        job->oldest = *time;
    if (first || is_before(&job->newest, time))
        job->newest = *time;
    if (first || fineness(time->tv_nsec) > fineness(job->finest.tv_nsec))
        job->finest = *time;
}

// Whether the file system gives the times back as they are: many hold none after 2038, some no fractions.
// Tried with the root, whose own time is set later.
static int try_times(const struct job *job, int root, bool *kept, struct err *err) {
    const struct timespec *const tried[] = {&job->oldest, &job->newest, &job->finest};
    *kept = true;
    for (size_t index = 0; index < sizeof tried / sizeof *tried && job->tree.entries > 0; index++) {
        const struct timespec times[2] = {*tried[index], *tried[index]};
        struct stat info;
        if (futimens(root, times) < 0 || fstat(root, &info) < 0)
            return err_sys(err, "set the time", "");
        if (info.st_mtim.tv_sec != times[1].tv_sec || info.st_mtim.tv_nsec != times[1].tv_nsec)
            *kept = false;
    }
    return 0;
}

// Folders whose names say that they are deleted hold nothing that could be unpacked; what aufs kept in such
// of its own, old images still have. -1: refused, 0: to be left out, 1: to be unpacked.
static int check_parents(const struct tree_path *path, struct err *err) {
    static const char own[] = WHITEOUT_PREFIX WHITEOUT_PREFIX;
    for (const char *at = path->path; at < path->name; at += strcspn(at, "/") + 1) {
        if (strncmp(at, own, sizeof own - 1) == 0)
            return 0;
        if (strncmp(at, WHITEOUT_PREFIX, sizeof WHITEOUT_PREFIX - 1) == 0)
            return err_plain(err, FAILURE_REFUSED, "an entry in a folder that is a whiteout", "");
    }
    return 1;
}

// Holes take nothing of the disk, but are zeros when the layer is packed again.
static int check_holes(struct job *job, const struct tar_entry *entry, struct err *err) {
    uint64_t holes = entry->size > entry->stored ? entry->size - entry->stored : 0;
    if (holes > job->tree.limits->max_bytes - job->holes)
        return err_plain(err, FAILURE_EXCESS, "the holes in files are larger than the limit of bytes allows",
                         "");
    job->holes += holes;
    return 0;
}

// The root of a sandbox is its own: whose the layer says that it is plays no part.
static void own_root(struct tar_entry *entry, const struct tree_path *path) {
    if (path->name[0] != '\0')
        return;
    entry->uid = entry->uid > ID_MAX ? 0 : entry->uid;
    entry->gid = entry->gid > ID_MAX ? 0 : entry->gid;
}

static int unpack_entry(struct job *job, struct tar_entry *entry, struct err *err) {
    struct placing *placing = &job->placing;
    placing->entry = entry;
    if (tree_count(&job->tree, err) < 0 || tree_clean(&job->tree, entry->path, &placing->path, err) < 0)
        return -1;
    own_root(entry, &placing->path);
    if (attributes_check_ids(entry, err) < 0)
        return -1;
    // A user's own data is packed with its holes.
    if (job->uids->count == 0 ? check_holes(job, entry, err) < 0
                              : attributes_to_host(entry, job->uids, job->gids, err) < 0)
        return -1;
    remember_time(job, &entry->mtime);
    // The same archive gives the same tree, whenever it is unpacked: no folder has the time of this moment.
    job->tree.implied = entry->mtime;
    if (job->tree.entries == 1 && tree_remember_root(&job->tree, err) < 0)
        return -1;
    int wanted = check_parents(&placing->path, err);
    if (wanted <= 0)
        return wanted;
    placing->parent = tree_parent(&job->tree, &placing->path, err);
    return placing->parent < 0 ? -1 : place(placing, err);
}

static void remember_place(struct job *job, struct tar_entry *entry, struct unpack_place *place) {
    free(place->path);
    place->path = entry->path != NULL ? strdup(entry->path) : NULL;
    place->offset = job->reader.entry_at;
}

static int unpack_entries(struct job *job, struct unpack_place *at, struct err *err) {
    for (;;) {
        struct tar_entry entry __attribute__((cleanup(tar_entry_clear)));
        int found = tar_reader_next(&job->reader, &entry, err);
        if (found <= 0) {
            if (found < 0)
                remember_place(job, &entry, at);
            return found;
        }
        int result = unpack_entry(job, &entry, err);
        if (result < 0)
            remember_place(job, &entry, at);
        tree_path_clear(&job->placing.path);
        if (result < 0)
            return -1;
    }
}

int unpack(int fd, int root, int marker, const struct unpack_options *options, struct unpack_result *result,
           struct unpack_place *at, struct err *err) {
    const struct limits *limits = options->limits;
    struct job job = {.uids = &options->uids,
                      .gids = &options->gids,
                      .placing = {.tree = &job.tree, .reader = &job.reader, .result = result}};
    tree_open(&job.tree, root, marker, limits);
    (void)id_map_host(&options->uids, 0, &job.tree.uid);
    (void)id_map_host(&options->gids, 0, &job.tree.gid);
    int done = tar_reader_open(&job.reader, fd, limits->max_bytes, err);
    job.reader.open_end = limits->open_end;
    if (done == 0)
        done = unpack_entries(&job, at, err);
    // An archive without entries is a layer too, and the same whenever it is unpacked: from 1970.
    if (done == 0 && job.tree.entries == 0)
        done = tree_remember_root(&job.tree, err);
    if (done == 0)
        done = try_times(&job, root, &result->times_kept, err);
    if (done == 0)
        done = tree_finish(&job.tree, err);
    if (done == 0 && result->whiteouts > 0)
        done = marker_ask_whiteouts(marker, root, err);
    result->entries = job.tree.entries;
    result->implied = job.tree.implied_folders;
    result->bytes = job.reader.offset;
    tar_reader_close(&job.reader);
    tree_close(&job.tree);
    return done;
}
