// Mounts users' disk images: a loop device behind each, and a mount that is in no mount namespace, only a
// descriptor of the daemon's. When that is closed, be it by SIGKILL, nothing is left, unless a sandbox has
// the same file system mounted.
//
// Two loop devices behind one file would destroy it. So whoever attaches one holds a lock on the open file
// (flock(2)), which the loop device then keeps: it belongs to the open file that the kernel writes through.
#include "files/disk_image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "later.h"
#include "sys.h"

enum {
    CONFIG_SET_FLAG = 0,   // FSCONFIG_SET_FLAG, linux/mount.h
    CONFIG_SET_STRING = 1, // FSCONFIG_SET_STRING
    CONFIG_CREATE = 6,     // FSCONFIG_CMD_CREATE
    BLOCK_BYTES = 4096,
    TRIES = 250, // with 20 ms between
};
#define OPEN_CLOEXEC 1u                   // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC
#define RESIZE_FS _IOW('f', 16, uint64_t) // EXT4_IOC_RESIZE_FS

// What may use the blocks that are kept back is CAP_SYS_RESOURCE alone: not id 0, by which overlayfs writes.
#define RESERVED_FOR "4294967294"

static void wait_a_moment(void) {
    const struct timespec moment = {.tv_nsec = 20 * 1000 * 1000};
    (void)nanosleep(&moment, NULL);
}

// ---- lock(path): {fd, free}. free: it is behind no loop device, and cannot come to be while fd is open.

napi_value disk_lock(napi_env env, napi_callback_info info) {
    napi_value values[1], result = NULL, value;
    size_t count = 1;
    char path[LATER_MOST_BYTES];
    size_t length;
    if (napi_get_cb_info(env, info, &count, values, NULL, NULL) != napi_ok || count != 1 ||
        napi_get_value_string_utf8(env, values[0], path, sizeof path, &length) != napi_ok)
        return NULL;
    cleanup_fd int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        (void)napi_throw_error(env, fd < 0 ? strerrorname_np(errno) : "EINVAL", path);
        return NULL;
    }
    bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
    (void)napi_create_object(env, &result);
    (void)napi_create_int32(env, take_fd(&fd), &value);
    (void)napi_set_named_property(env, result, "fd", value);
    (void)napi_get_boolean(env, is_free, &value);
    (void)napi_set_named_property(env, result, "free", value);
    return result;
}

// ---- mount(fd): {mount, device}

// The descriptor keeps the device from being cleared until it is mounted.
static int attach_new(int file, char *device, size_t size) {
    cleanup_fd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return -1;
    for (int attempt = 0; attempt < TRIES; attempt++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return -1;
        (void)snprintf(device, size, "/dev/loop%d", number);
        cleanup_fd int loop = open(device, O_RDWR | O_CLOEXEC);
        struct loop_config config = {.fd = (uint32_t)file, .block_size = BLOCK_BYTES};
        // Without the page cache of the file below where it can do without: everything would be in it twice.
        config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
        if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) == 0)
            return take_fd(&loop);
        if (loop >= 0 && errno == EINVAL) { // a file system below that knows no such thing
            config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
            if (ioctl(loop, LOOP_CONFIGURE, &config) == 0)
                return take_fd(&loop);
        }
        // Somebody else took it meanwhile, or udev has not made its file yet.
        if (errno != EBUSY && errno != ENOENT && errno != ENXIO)
            return -1;
        if (errno != EBUSY)
            wait_a_moment();
    }
    return -1;
}

static int open_if_behind(const char *name, const struct stat *file, char *device, size_t size) {
    struct loop_info64 seen;
    (void)snprintf(device, size, "/dev/%.32s", name);
    cleanup_fd int loop = open(device, O_RDWR | O_CLOEXEC);
    if (loop < 0 || ioctl(loop, LOOP_GET_STATUS64, &seen) != 0)
        return -1;
    return seen.lo_inode == file->st_ino && seen.lo_device == file->st_dev ? take_fd(&loop) : -1;
}

// Only devices that are in use have the folder "loop" there.
static int find_attached(int file, char *device, size_t size) {
    struct stat status;
    DIR *blocks = fstat(file, &status) == 0 ? opendir("/sys/block") : NULL;
    if (blocks == NULL)
        return -1;
    int loop = -1;
    struct dirent *entry;
    while (loop < 0 && (entry = readdir(blocks)) != NULL) {
        char path[320];
        (void)snprintf(path, sizeof path, "/sys/block/%s/loop", entry->d_name);
        if (strncmp(entry->d_name, "loop", 4) == 0 && access(path, F_OK) == 0)
            loop = open_if_behind(entry->d_name, &status, device, size);
    }
    (void)closedir(blocks);
    return loop;
}

// What has the lock and is behind no device is about to be, or is just being cleared.
static int attach(struct later *later) {
    for (int attempt = 0; attempt < TRIES; attempt++) {
        errno = 0;
        if (flock(later->in, LOCK_EX | LOCK_NB) == 0)
            return attach_new(later->in, later->text, sizeof later->text);
        if (errno != EWOULDBLOCK)
            return -1;
        int loop = find_attached(later->in, later->text, sizeof later->text);
        if (loop >= 0)
            return loop;
        wait_a_moment();
    }
    errno = EBUSY;
    return -1;
}

// The kernel's own words, "e ext4: …".
static void note_reason(struct later *later, int context) {
    int number = errno;
    ssize_t length = read(context, later->why, sizeof later->why - 1);
    later->why[length > 0 ? length : 0] = '\0';
    later->why[strcspn(later->why, "\n")] = '\0';
    errno = number;
}

static int configure(int context, const char *device) {
    static const char *const settings[][2] = {{"errors", "remount-ro"}, {"resuid", RESERVED_FOR}};
    if (syscall(SYS_fsconfig, context, CONFIG_SET_STRING, "source", device, 0) != 0 ||
        syscall(SYS_fsconfig, context, CONFIG_SET_FLAG, "discard", NULL, 0) != 0)
        return -1;
    for (size_t index = 0; index < sizeof settings / sizeof *settings; index++)
        if (syscall(SYS_fsconfig, context, CONFIG_SET_STRING, settings[index][0], settings[index][1], 0) != 0)
            return -1;
    return (int)syscall(SYS_fsconfig, context, CONFIG_CREATE, NULL, NULL, 0);
}

static void run_mount(struct later *later) {
    cleanup_fd int loop = attach(later);
    if (loop < 0) {
        later_failed(later, "attach a loop device");
        return;
    }
    cleanup_fd int context = (int)syscall(SYS_fsopen, "ext4", OPEN_CLOEXEC);
    if (context < 0) {
        later_failed(later, "fsopen");
        return;
    }
    if (configure(context, later->text) != 0) {
        note_reason(later, context);
        later_failed(later, "mount");
        return;
    }
    later->out =
        (int)syscall(SYS_fsmount, context, OPEN_CLOEXEC, SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV);
    if (later->out < 0)
        later_failed(later, "fsmount");
}

static napi_value mounted(napi_env env, const struct later *later) {
    napi_value result = NULL, value;
    (void)napi_create_object(env, &result);
    (void)napi_create_int32(env, later->out, &value);
    (void)napi_set_named_property(env, result, "mount", value);
    (void)napi_create_string_utf8(env, later->text, NAPI_AUTO_LENGTH, &value);
    (void)napi_set_named_property(env, result, "device", value);
    return result;
}

napi_value disk_mount(napi_env env, napi_callback_info info) {
    napi_value values[1];
    size_t count = 1;
    struct later *later = later_new(run_mount, mounted);
    if (later == NULL || napi_get_cb_info(env, info, &count, values, NULL, NULL) != napi_ok || count != 1 ||
        napi_get_value_int32(env, values[0], &later->in) != napi_ok) {
        free(later);
        (void)napi_throw_type_error(env, NULL, "expected a descriptor");
        return NULL;
    }
    return later_start(env, later, "diskMount");
}

// ---- grow(device, mount, bytes): the file has that size already

static void run_grow(struct later *later) {
    cleanup_fd int loop = open(later->path, O_RDWR | O_CLOEXEC);
    if (loop < 0 || ioctl(loop, LOOP_SET_CAPACITY, 0) != 0) {
        later_failed(later, "set the size of the loop device");
        return;
    }
    char root[48];
    (void)snprintf(root, sizeof root, "/proc/self/fd/%d/.", later->in);
    cleanup_fd int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t blocks = later->numbers[0] / BLOCK_BYTES;
    if (folder < 0 || ioctl(folder, RESIZE_FS, &blocks) != 0)
        later_failed(later, "grow the file system");
}

napi_value disk_grow(napi_env env, napi_callback_info info) {
    napi_value values[3];
    size_t count = 3, length;
    int64_t bytes;
    struct later *later = later_new(run_grow, NULL);
    if (later == NULL || napi_get_cb_info(env, info, &count, values, NULL, NULL) != napi_ok || count != 3 ||
        napi_get_value_string_utf8(env, values[0], later->path, sizeof later->path, &length) != napi_ok ||
        napi_get_value_int32(env, values[1], &later->in) != napi_ok ||
        napi_get_value_int64(env, values[2], &bytes) != napi_ok || bytes < 0) {
        free(later);
        (void)napi_throw_type_error(env, NULL, "expected a device, a descriptor and a size");
        return NULL;
    }
    later->numbers[0] = (unsigned long long)bytes;
    return later_start(env, later, "diskGrow");
}
