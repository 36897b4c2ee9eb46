#include "files/own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

struct reading {
    napi_async_work work;
    napi_deferred deferred;
    char home[4096], name[256];
    uint32_t uid, gid, most;
    bool strict;
    char *data;
    size_t length;
    int error; // errno; ENOENT: there is none
    const char *problem;
};

// setfsuid(2) concerns the calling thread alone, and takes its capabilities over files away until the ids
// are root's again: what the user could not read, this can't either.
static int open_as_user(const struct reading *reading, int at, const char *name, uint64_t flags) {
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
    (void)setfsgid(reading->gid);
    (void)setfsuid(reading->uid);
    int fd = -1;
    errno = EPERM;
    if ((uint32_t)setfsuid((uid_t)-1) == reading->uid && (uint32_t)setfsgid((gid_t)-1) == reading->gid)
        fd = (int)syscall(SYS_openat2, at, name, &how, sizeof how);
    int number = errno;
    (void)setfsuid(0);
    (void)setfsgid(0);
    errno = number;
    return fd;
}

// The home itself lies where only root gets, or is named by the user database; it must be the user's.
static int open_home(const struct reading *reading) {
    cleanup_fd int home = open(reading->home, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
    struct stat info;
    if (home < 0 || fstat(home, &info) != 0)
        return -1;
    if (info.st_uid != reading->uid) {
        errno = ENOENT;
        return -1;
    }
    return take_fd(&home);
}

// As sshd's StrictModes has it for keys: nobody but the user may change the file, or put another in its
// place.
static bool others_may_change(int fd) {
    struct stat info;
    return fd >= 0 && fstat(fd, &info) == 0 && (info.st_mode & 022) != 0;
}

// Opens the file; where it is to be the user's alone, the one folder that it may lie in is opened before it.
static int open_file(struct reading *reading, int home) {
    const uint64_t flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    if (!reading->strict)
        return open_as_user(reading, home, reading->name, flags);
    char folder[sizeof reading->name];
    (void)snprintf(folder, sizeof folder, "%s", reading->name);
    char *slash = strchr(folder, '/');
    cleanup_fd int between = -1;
    if (slash != NULL) {
        *slash = '\0';
        between = open_as_user(reading, home, folder, O_PATH | O_DIRECTORY);
        if (between < 0)
            return -1;
    }
    cleanup_fd int fd = open_as_user(reading, slash != NULL ? between : home,
                                     reading->name + (slash != NULL ? slash + 1 - folder : 0), flags);
    if (fd >= 0 && (others_may_change(home) || others_may_change(between) || others_may_change(fd)))
        reading->problem = "or a folder that it is in may be changed by others";
    return take_fd(&fd);
}

static void read_all(struct reading *reading, int fd) {
    // One byte more than there may be: a file that grows while it is read shows by it.
    reading->data = malloc((size_t)reading->most + 1);
    while (reading->data != NULL && reading->length <= reading->most) {
        ssize_t got = read(fd, reading->data + reading->length, reading->most + 1 - reading->length);
        if (got < 0)
            reading->error = errno;
        if (got <= 0)
            break;
        reading->length += (size_t)got;
    }
    if (reading->data == NULL)
        reading->error = ENOMEM;
    if (reading->length > reading->most)
        reading->problem = "is too large";
}

static void perform(napi_env env, void *data) {
    (void)env;
    struct reading *reading = data;
    cleanup_fd int home = open_home(reading);
    cleanup_fd int fd = home < 0 ? -1 : open_file(reading, home);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        reading->error = errno;
        return;
    }
    if (reading->problem != NULL)
        return;
    if (!S_ISREG(info.st_mode))
        reading->problem = "is no regular file";
    else if (info.st_uid != reading->uid) // a hard link to somebody else's that a group lets us read
        reading->problem = "is not yours";
    else if (info.st_size > (off_t)reading->most)
        reading->problem = "is too large";
    else
        read_all(reading, fd);
}

static void set_text(napi_env env, napi_value object, const char *name, const char *text) {
    napi_value value;
    if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok)
        (void)napi_set_named_property(env, object, name, value);
}

static void finish(napi_env env, napi_status status, void *data) {
    struct reading *reading = data;
    napi_value result = NULL, buffer;
    if (status != napi_ok && reading->error == 0)
        reading->error = ECANCELED;
    if (reading->error == ENOENT || reading->error == ENOTDIR) {
        (void)napi_get_null(env, &result);
    } else {
        (void)napi_create_object(env, &result);
        if (reading->problem != NULL)
            set_text(env, result, "problem", reading->problem);
        else if (reading->error != 0)
            set_text(env, result, "problem",
                     reading->error == ELOOP || reading->error == EXDEV
                         ? "is reached by a link or lies elsewhere"
                         : strerrorname_np(reading->error));
        else if (napi_create_buffer_copy(env, reading->length, reading->data, NULL, &buffer) == napi_ok)
            (void)napi_set_named_property(env, result, "data", buffer);
    }
    (void)napi_resolve_deferred(env, reading->deferred, result);
    (void)napi_delete_async_work(env, reading->work);
    free(reading->data);
    free(reading);
}

static bool text_of(napi_env env, napi_value value, char *text, size_t size) {
    size_t length;
    return napi_get_value_string_utf8(env, value, text, size, &length) == napi_ok && length + 1 < size;
}

napi_value read_own_file(napi_env env, napi_callback_info info) {
    napi_value values[6], promise = NULL, name;
    size_t count = 6;
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL || napi_get_cb_info(env, info, &count, values, NULL, NULL) != napi_ok || count != 6 ||
        !text_of(env, values[0], reading->home, sizeof reading->home) ||
        !text_of(env, values[1], reading->name, sizeof reading->name) ||
        napi_get_value_uint32(env, values[2], &reading->uid) != napi_ok ||
        napi_get_value_uint32(env, values[3], &reading->gid) != napi_ok ||
        napi_get_value_uint32(env, values[4], &reading->most) != napi_ok ||
        napi_get_value_bool(env, values[5], &reading->strict) != napi_ok || reading->uid == 0 ||
        napi_create_promise(env, &reading->deferred, &promise) != napi_ok ||
        napi_create_string_utf8(env, "readOwnFile", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_async_work(env, NULL, name, perform, finish, reading, &reading->work) != napi_ok ||
        napi_queue_async_work(env, reading->work) != napi_ok) {
        free(reading);
        (void)napi_throw_type_error(env, NULL,
                                    "home, name, uid, gid, a size and whether it is strict are needed");
        return NULL;
    }
    return promise;
}
