#include "jobs/chain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes/attributes.h"
#include "cleanup.h"
#include "overlay/below.h"
#include "overlay/marks.h"
#include "overlay/overlay.h"
#include "report.h"
#include "walk/names.h"

enum { MOST_TEXT = 1024 * 1024 };

struct job {
    const struct limits *limits;
    struct chain_result *result;
    bool whiteouts; // some layer has them, so that what only one has must be looked at as well
    char *path;     // of the current folder; PATH_MAX bytes
};

// A folder of the image, and the one in tree/ once something of it is needed there.
struct frame {
    struct frame *parent; // NULL for the root
    const char *name;
    int seen; // borrowed: the folder whose attributes count
    int made; // CLOSED_FD until then
};

static int visit(struct job *job, struct frame *frame, const struct below *folders, size_t length,
                 unsigned depth, struct err *err);

static int copy_attributes(int from, int to, struct err *err) {
    struct tar_entry entry __attribute__((cleanup(tar_entry_clear))) = {0};
    struct stat info;
    uint64_t skipped = 0;
    if (fstat(from, &info) < 0)
        return err_sys(err, "stat the folder", "");
    entry.mode = info.st_mode & 07777;
    entry.uid = info.st_uid;
    entry.gid = info.st_gid;
    const struct id_map same = {0};
    if (attributes_read(from, &same, &same, &entry, &skipped, err) < 0 ||
        attributes_set(to, &entry, NULL, &skipped, err) < 0 || attributes_set_default(to, &entry, err) < 0)
        return -1;
    struct timespec times[2] = {info.st_mtim, info.st_mtim};
    return futimens(to, times) < 0 ? err_sys(err, "set the time of the folder", "") : 0;
}

// Makes the folder and those above it that are missing.
static int make(struct job *job, struct frame *frame, struct err *err) {
    if (frame->made >= 0)
        return 0;
    if (make(job, frame->parent, err) < 0)
        return -1;
    int parent = frame->parent->made;
    if (mkdirat(parent, frame->name, 0700) < 0)
        return err_sys(err, "make the folder", "");
    frame->made = openat(parent, frame->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    job->result->folders++;
    return frame->made < 0 ? err_sys(err, "open the folder", "") : 0;
}

// The topmost folder that an entry speaks of counts; where there is none, the first that was made. An opaque
// folder hides what the one below holds, and not what it is. Returns a descriptor of the caller's; `down` is
// how many folders further down it was.
static int find_seen(const struct below *folders, const char *name, size_t *down, struct err *err) {
    int seen = CLOSED_FD;
    *down = 0;
    for (size_t index = 0; index < folders->count; index++) {
        int folder = openat(folders->folders[index], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0 && errno == ENOENT)
            continue;
        if (folder < 0 && (errno == ENOTDIR || errno == ELOOP))
            break; // a file or a whiteout: the one above is another folder than those below
        if (folder < 0) {
            close_fd(seen);
            return err_sys(err, "open below", name);
        }
        *down += seen >= 0 ? 1 : 0;
        close_fd(seen);
        seen = folder;
        if (!is_marked(seen, IMPLIED_FOLDER))
            break;
    }
    return seen;
}

static int visit_child(struct job *job, struct frame *parent, const struct below *folders, const char *name,
                       size_t length, unsigned depth, struct err *err) {
    struct below inner __attribute__((cleanup(below_clear))) = {0};
    size_t name_length = strlen(name);
    if (length + name_length + 2 > PATH_MAX || depth > job->limits->max_depth)
        return err_plain(err, FAILURE_EXCESS, "the path is longer or deeper than the limit allows", "");
    memcpy(job->path + length, name, name_length + 1);
    if (below_descend(folders, name, &inner, err) < 0)
        return -1;
    bool implied = inner.count > 0 && is_marked(inner.folders[0], IMPLIED_FOLDER);
    // What only one layer has is as that layer says, and so is everything in it.
    if (inner.count == 0 || (inner.count == 1 && !implied && !job->whiteouts))
        return 0;
    size_t down = 0;
    cleanup_fd int seen = implied ? find_seen(folders, name, &down, err) : CLOSED_FD;
    if (implied && seen < 0)
        return -1;
    struct frame frame = {.parent = parent, .name = name, .made = CLOSED_FD};
    frame.seen = implied ? seen : inner.folders[0];
    int done = down > 0 ? make(job, &frame, err) : 0;
    job->path[length + name_length] = '/';
    if (done == 0)
        done = visit(job, &frame, &inner, length + name_length + 1, depth + 1, err);
    // Last: making the folders in it changes its time.
    if (done == 0 && frame.made >= 0)
        done = copy_attributes(frame.seen, frame.made, err);
    close_fd(frame.made);
    return done;
}

static int visit_alone(struct job *job, struct frame *frame, int folder, struct err *err);

static int alone_entry(struct job *job, struct frame *frame, int folder, const struct dirent *entry,
                       struct err *err) {
    struct stat info;
    bool known = entry->d_type != DT_UNKNOWN && entry->d_type != DT_CHR;
    if (!known && fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "stat", entry->d_name);
    if (!known && overlay_is_whiteout(&info))
        return make(job, frame, err);
    if (known ? entry->d_type != DT_DIR : !S_ISDIR(info.st_mode))
        return 0;
    struct frame inner = {.parent = frame, .name = entry->d_name, .made = CLOSED_FD};
    cleanup_fd int seen = openat(folder, inner.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (seen < 0)
        return err_sys(err, "open the folder", inner.name);
    int done = visit_alone(job, &inner, seen, err);
    if (done == 0 && inner.made >= 0)
        done = copy_attributes(seen, inner.made, err);
    close_fd(inner.made);
    return done;
}

// A folder that only one layer has, looked through for whiteouts.
static int visit_alone(struct job *job, struct frame *frame, int folder, struct err *err) {
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    if (stream == NULL) {
        close_fd(copy);
        return err_sys(err, "read the folder", "");
    }
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(stream)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = alone_entry(job, frame, folder, entry, err);
    if (result == 0 && errno != 0)
        result = err_sys(err, "read the folder", "");
    (void)closedir(stream);
    return result;
}

// `length`: of the folder's path, its slash included.
static int visit(struct job *job, struct frame *frame, const struct below *folders, size_t length,
                 unsigned depth, struct err *err) {
    int result = 0;
    if (folders->count == 1)
        return job->whiteouts ? visit_alone(job, frame, folders->folders[0], err) : 0;
    // What the lowest has and the others have not, one layer alone has.
    size_t end = folders->count - (job->whiteouts ? 0 : 1);
    for (size_t index = 0; index < end && result == 0; index++) {
        struct names names;
        if (names_read(folders->folders[index], &names, err) < 0)
            return -1;
        for (size_t at = 0; at < names.count && result == 0; at++) {
            bool known = false; // higher up, where it was looked at already
            for (size_t above = 0; above < index && !known; above++)
                known = below_has(folders->folders[above], names.names[at]);
            if (!known)
                result = visit_child(job, frame, folders, names.names[at], length, depth, err);
        }
        names_clear(&names);
    }
    return result;
}

static int copy_text(int from, int to, struct err *err) {
    char bytes[16 * 1024];
    for (size_t all = 0; all < MOST_TEXT;) {
        ssize_t got = read(from, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(err, "read", "");
        if (got == 0)
            break;
        if (write(to, bytes, (size_t)got) != got)
            return err_sys(err, "write", "");
        all += (size_t)got;
    }
    return fsync(to) < 0 ? err_sys(err, "write to the disk", "") : 0;
}

// `etc`: the folders that make it up. A link is not followed: what it says is meant for the inside.
static int take_text(const struct below *etc, const char *name, int out, struct err *err) {
    struct stat info;
    for (size_t index = 0; index < etc->count; index++) {
        cleanup_fd int from =
            openat(etc->folders[index], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (from < 0 && errno == ENOENT)
            continue;
        // A link, a whiteout, a folder, too large: none to read, and it hides what is further down.
        if (from < 0 && (errno == ELOOP || errno == ENXIO || errno == ENODEV))
            return 0;
        if (from < 0 || fstat(from, &info) < 0)
            return err_sys(err, "open", name);
        if (!S_ISREG(info.st_mode) || info.st_size > MOST_TEXT)
            return 0;
        cleanup_fd int to = openat(out, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        return to < 0 ? err_sys(err, "create", name) : copy_text(from, to, err);
    }
    return 0;
}

static int take_accounts(const struct below *roots, int out, struct err *err) {
    struct below etc __attribute__((cleanup(below_clear))) = {0};
    if (below_descend(roots, "etc", &etc, err) < 0 || take_text(&etc, "passwd", out, err) < 0)
        return -1;
    return take_text(&etc, "group", out, err);
}

static int make_tree(struct job *job, const struct below *roots, int out, struct err *err) {
    if (mkdirat(out, "tree", 0755) < 0)
        return err_sys(err, "make the folder", "tree");
    cleanup_fd int tree = openat(out, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (tree < 0)
        return err_sys(err, "open the folder", "tree");
    struct frame root = {.name = "", .seen = roots->folders[0], .made = tree};
    if (visit(job, &root, roots, 0, 1, err) < 0 || copy_attributes(root.seen, tree, err) < 0)
        return -1;
    return job->result->folders == 0 || syncfs(tree) == 0 ? 0 : err_sys(err, "write to the disk", "");
}

int chain(const char *out, const char *const *layers, size_t count, const struct limits *limits,
          struct chain_result *result, char *place, struct err *err) {
    struct job job = {.limits = limits, .result = result, .path = place};
    struct below roots __attribute__((cleanup(below_clear))) = {0};
    place[0] = '\0';
    if (below_open(layers, count, &roots, err) < 0)
        return -1;
    result->layers = roots.count;
    for (size_t index = 0; index < roots.count; index++)
        job.whiteouts = job.whiteouts || is_marked(roots.folders[index], HAS_WHITEOUTS);
    if (mkdir(out, 0700) < 0)
        return err_sys(err, "make the folder", out);
    cleanup_fd int folder = open(out, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return err_sys(err, "open the folder", out);
    if (make_tree(&job, &roots, folder, err) < 0)
        return -1;
    place[0] = '\0';
    return take_accounts(&roots, folder, err);
}
