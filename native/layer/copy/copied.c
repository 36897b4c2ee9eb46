#include "copy/copied.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <time.h>

// Kernels before 6.13 take times from a clock that ticks every 1 to 10 ms, and file systems with small inodes
// keep whole seconds: of what has changed just before it was looked at, a second change may have the same
// time.
enum { FINE_MARGIN_NS = 50000000, COARSE_MARGIN_S = 2 };

struct copied_file {
    ino_t there; // 0: free
    dev_t dev;
    ino_t ino;
    struct timespec changed;
    uint64_t size, bytes;
    unsigned pass; // in which it was counted last
    bool settled;
};

void copied_open(struct copied *copied, int source) {
    struct statfs info;
    *copied = (struct copied){0};
    if (fstatfs(source, &info) < 0)
        return;
    // Memory file systems never say that a mapped page was written to, some others not before it goes to the
    // disk.
    static const unsigned long known[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                          F2FS_SUPER_MAGIC};
    for (size_t index = 0; index < sizeof known / sizeof *known; index++)
        copied->tells_changes = copied->tells_changes || (unsigned long)info.f_type == known[index];
}

void copied_close(struct copied *copied) {
    free(copied->files);
    *copied = (struct copied){0};
}

static struct copied_file *slot_of(struct copied_file *files, size_t room, ino_t there) {
    size_t at = (size_t)(((uint64_t)there * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (room - 1);
    while (files[at].there != 0 && files[at].there != there)
        at = (at + 1) & (room - 1);
    return &files[at];
}

static struct copied_file *find(const struct copied *copied, ino_t there) {
    return copied->room == 0 ? NULL : slot_of(copied->files, copied->room, there);
}

static int grow(struct copied *copied) {
    size_t room = copied->room == 0 ? 256 : copied->room * 2;
    struct copied_file *files = calloc(room, sizeof *files);
    if (files == NULL)
        return -1;
    for (size_t index = 0; index < copied->room; index++)
        if (copied->files[index].there != 0)
            *slot_of(files, room, copied->files[index].there) = copied->files[index];
    free(copied->files);
    copied->files = files;
    copied->room = room;
    return 0;
}

static bool is_settled(const struct timespec *changed) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
        return false;
    int64_t age = (now.tv_sec - changed->tv_sec) * INT64_C(1000000000) + now.tv_nsec - changed->tv_nsec;
    return age > (changed->tv_nsec == 0 ? COARSE_MARGIN_S * INT64_C(1000000000) : FINE_MARGIN_NS);
}

int copied_add(struct copied *copied, const struct stat *there, const struct stat *source, uint64_t bytes) {
    if (copied->used * 2 >= copied->room && grow(copied) < 0)
        return -1;
    struct copied_file *file = slot_of(copied->files, copied->room, there->st_ino);
    copied->used += file->there == 0 ? 1 : 0;
    *file = (struct copied_file){.there = there->st_ino,
                                 .dev = source->st_dev,
                                 .ino = source->st_ino,
                                 .changed = source->st_ctim,
                                 .size = (uint64_t)source->st_size,
                                 .bytes = bytes,
                                 .pass = copied->pass,
                                 .settled = is_settled(&source->st_ctim)};
    return 0;
}

bool copied_is(const struct copied *copied, const struct stat *there, const struct stat *source) {
    const struct copied_file *file = find(copied, there->st_ino);
    if (file == NULL || file->there == 0 || !file->settled)
        return false;
    if (!copied->tells_changes && S_ISREG(source->st_mode))
        return false;
    return file->dev == source->st_dev && file->ino == source->st_ino &&
           file->changed.tv_sec == source->st_ctim.tv_sec &&
           file->changed.tv_nsec == source->st_ctim.tv_nsec && file->size == (uint64_t)source->st_size &&
           (there->st_mode & S_IFMT) == (source->st_mode & S_IFMT);
}

uint64_t copied_count(struct copied *copied, const struct stat *there) {
    struct copied_file *file = find(copied, there->st_ino);
    if (file == NULL || file->there == 0 || file->pass == copied->pass)
        return 0;
    file->pass = copied->pass;
    return file->bytes;
}
