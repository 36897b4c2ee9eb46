#include "copy/content.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { COPY_BYTES = 64 * 1024 * 1024 };

static char names[65536]; // XATTR_LIST_MAX

static int copy_attribute(int from, int to, const char *name, struct err *err) {
    static char value[65536]; // XATTR_SIZE_MAX
    ssize_t length = fgetxattr(from, name, value, sizeof value);
    if (length < 0)
        return err_sys(err, "read the attribute", name);
    return fsetxattr(to, name, value, (size_t)length, 0) < 0 ? err_sys(err, "set the attribute", name) : 0;
}

// Owner first: changing it clears set-id bits and file capabilities (chown(2)). The time last: everything
// else changes it.
int content_copy_attributes(int from, int to, const struct stat *info, struct err *err) {
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

// Those of the file that an earlier copy was made of.
int content_clear_attributes(int to, struct err *err) {
    ssize_t length = flistxattr(to, names, sizeof names);
    if (length < 0 && errno != ENOTSUP)
        return err_sys(err, "list the attributes", "");
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1)
        if (fremovexattr(to, names + at) < 0 && errno != ENODATA)
            return err_sys(err, "take away the attribute", names + at);
    return 0;
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

static int copy_run(int from, int to, off_t at, off_t end, uint64_t *bytes, struct err *err) {
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
        *bytes += (uint64_t)got;
    }
    return 0;
}

// Shares the blocks where the file system can; otherwise copies data and leaves holes.
int content_copy(int from, int to, const struct stat *info, uint64_t *bytes, struct err *err) {
    if (info->st_size == 0)
        return 0;
    if (ioctl(to, FICLONE, from) == 0) {
        uint64_t stored = (uint64_t)info->st_blocks * 512;
        *bytes += stored < (uint64_t)info->st_size ? stored : (uint64_t)info->st_size;
        return 0;
    }
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
        if (copy_run(from, to, data, hole, bytes, err) < 0)
            return -1;
        at = hole;
    }
    return 0;
}

int content_settle(int from, struct err *err) {
    (void)lseek(from, 0, SEEK_DATA);
    unsigned how = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE;
    return sync_file_range(from, 0, 0, how) < 0 ? err_sys(err, "begin to write to the disk", "") : 0;
}
