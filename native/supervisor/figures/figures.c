#include "figures/figures.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootfs/in_root.h"
#include "sys.h"

// One sandbox is all that a supervisor has.
static struct {
    int trees[MAX_FIGURES]; // until they are attached
    bool attached[MAX_FIGURES];
    size_t count;
} held;

void figures_take(const struct spec *spec, int *fds, unsigned count) {
    if (spec->figure_count != count)
        return;
    for (; held.count < count; held.count++)
        held.trees[held.count] = take_fd(&fds[held.count]);
}

static int target_of(const struct spec *spec, size_t index, char *path, size_t size) {
    int length = snprintf(path, size, "/%s", spec->figures[index]);
    return length > 0 && (size_t)length < size ? 0 : -1;
}

static int attach(void *subject, struct err *err) {
    const struct spec *spec = subject;
    char path[128];
    for (size_t index = 0; index < held.count; index++)
        held.attached[index] =
            target_of(spec, index, path, sizeof path) == 0 &&
            sys_move_mount(held.trees[index], "", AT_FDCWD, path, SYS_MOVE_MOUNT_F_EMPTY_PATH) == 0;
    (void)err;
    return 0;
}

void figures_attach(const struct spec *spec, int init_pidfd) {
    struct err ignored = {0};
    if (held.count > 0)
        (void)do_in_mounts(init_pidfd, attach, (void *)(uintptr_t)spec, &ignored);
    for (size_t index = 0; index < held.count; index++)
        close_fd_at(&held.trees[index]);
}

// The path ends at a mount point, so that nobody asks what is mounted there; and it is not waited for until
// it is in use no more.
static int detach(void *subject, struct err *err) {
    const struct spec *spec = subject;
    char path[128];
    for (size_t index = 0; index < held.count; index++) {
        if (held.attached[index] && target_of(spec, index, path, sizeof path) == 0)
            (void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    (void)err;
    return 0;
}

void figures_are(const struct spec *spec, int init_pidfd, struct wire_reader *reader) {
    struct err ignored = {0};
    struct wire_field field;
    uint64_t now = 0;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_FIGURES_OF)
            (void)wire_u64(&field, &now);
    }
    if (held.count == 0 || now == spec->figures_of)
        return;
    (void)do_in_mounts(init_pidfd, detach, (void *)(uintptr_t)spec, &ignored);
    held.count = 0;
}
