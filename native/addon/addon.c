// Gives the daemon the system calls that Node has no API for: SOCK_SEQPACKET sockets that carry descriptors,
// the peer's credentials, and user look-ups by uid. Loaded by dockershd only (src/isolation/addon.ts).
// Nothing here decides anything; every failure becomes an Error with syscall, code and the object.
//
// Descriptors cross into JavaScript as plain numbers; src/lib/fd.ts owns them from there.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <node_api.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "clients.h"
#include "files/disk_image.h"
#include "files/own_file.h"
#include "files/project_quota.h"
#include "files/unnamed_file.h"
#include "poller.h"
#include "watch.h"
#include "wire.h"

static napi_value throw_errno(napi_env env, const char *syscall_name, const char *object) {
    int number = errno;
    char text[512];
    (void)snprintf(text, sizeof text, "%s%s%s: %s", syscall_name, object[0] != '\0' ? " " : "", object,
                   strerror(number));
    napi_value message, error, value;
    if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok ||
        napi_create_error(env, NULL, message, &error) != napi_ok)
        return NULL;
    (void)napi_create_string_utf8(env, syscall_name, NAPI_AUTO_LENGTH, &value);
    (void)napi_set_named_property(env, error, "syscall", value);
    (void)napi_create_string_utf8(env, strerrorname_np(number), NAPI_AUTO_LENGTH, &value);
    (void)napi_set_named_property(env, error, "code", value);
    (void)napi_create_int32(env, number, &value);
    (void)napi_set_named_property(env, error, "errno", value);
    (void)napi_throw(env, error);
    return NULL;
}

static bool arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *values) {
    size_t count = wanted;
    if (napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count >= wanted)
        return true;
    (void)napi_throw_type_error(env, NULL, "too few arguments");
    return false;
}

static bool number_of(napi_env env, napi_value value, int *number) {
    int32_t result;
    if (napi_get_value_int32(env, value, &result) != napi_ok) {
        (void)napi_throw_type_error(env, NULL, "expected a number");
        return false;
    }
    *number = result;
    return true;
}

static bool text_of(napi_env env, napi_value value, char *text, size_t size) {
    size_t length;
    if (napi_get_value_string_utf8(env, value, text, size, &length) == napi_ok && length + 1 < size)
        return true;
    (void)napi_throw_type_error(env, NULL, "expected a short string");
    return false;
}

static napi_value number_value(napi_env env, double number) {
    napi_value value = NULL;
    (void)napi_create_double(env, number, &value);
    return value;
}

static napi_value fd_array(napi_env env, const int *fds, unsigned count) {
    napi_value array = NULL;
    (void)napi_create_array_with_length(env, count, &array);
    for (unsigned index = 0; index < count; index++)
        (void)napi_set_element(env, array, index, number_value(env, fds[index]));
    return array;
}

// socketPair(): [fd, fd]
static napi_value socket_pair(napi_env env, napi_callback_info info) {
    (void)info;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return throw_errno(env, "socketpair", "");
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK); // ours; the other end belongs to a program that waits
    return fd_array(env, pair, 2);
}

static int unix_socket(const char *path, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    (void)strcpy(address->sun_path, path);
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

// listen(path, mode): fd. Takes the place of a socket of that name at once, so that somebody who connects
// finds the old one or this one, never none.
static napi_value listen_at(napi_env env, napi_callback_info info) {
    napi_value values[2];
    char path[256];
    int mode;
    if (!arguments(env, info, 2, values) || !text_of(env, values[0], path, sizeof path) ||
        !number_of(env, values[1], &mode))
        return NULL;
    struct sockaddr_un address;
    char fresh[sizeof path + 8];
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    cleanup_fd int fd = unix_socket(fresh, &address);
    if (fd < 0)
        return throw_errno(env, "socket", path);
    (void)unlink(fresh);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return throw_errno(env, "bind", path);
    // Whoever connects waits behind all of these; where there are as many already, waiting is not in turn
    // (connect(2)).
    if (listen(fd, 256) != 0)
        return throw_errno(env, "listen", path);
    if (chmod(fresh, (mode_t)mode) != 0 || rename(fresh, path) != 0)
        return throw_errno(env, "rename", path);
    return number_value(env, take_fd(&fd));
}

// connect(path): fd
static napi_value connect_to(napi_env env, napi_callback_info info) {
    napi_value values[1];
    char path[256];
    if (!arguments(env, info, 1, values) || !text_of(env, values[0], path, sizeof path))
        return NULL;
    struct sockaddr_un address;
    cleanup_fd int fd = unix_socket(path, &address);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return throw_errno(env, "connect", path);
    return number_value(env, take_fd(&fd));
}

// receive(fd): {data: Buffer, fds: number[]}; null at the peer's end; undefined where nothing waits
static napi_value receive(napi_env env, napi_callback_info info) {
    static uint8_t bytes[WIRE_MAX_BYTES];
    napi_value values[1], result = NULL, data;
    int fd, fds[WIRE_MAX_FDS];
    unsigned count;
    if (!arguments(env, info, 1, values) || !number_of(env, values[0], &fd))
        return NULL;
    ssize_t length = wire_receive(fd, bytes, sizeof bytes, fds, &count);
    if (length < 0 && errno == EAGAIN) {
        (void)napi_get_undefined(env, &result);
        return result;
    }
    if (length < 0 && errno != ECONNRESET)
        return throw_errno(env, "recvmsg", "");
    if (length <= 0) {
        (void)napi_get_null(env, &result);
        return result;
    }
    (void)napi_create_object(env, &result);
    (void)napi_create_buffer_copy(env, (size_t)length, bytes, NULL, &data);
    (void)napi_set_named_property(env, result, "data", data);
    (void)napi_set_named_property(env, result, "fds", fd_array(env, fds, count));
    return result;
}

// send(fd, Buffer, number[]): true; false where the peer's queue is full
static napi_value send_to(napi_env env, napi_callback_info info) {
    napi_value values[3], result = NULL;
    int fd, fds[WIRE_MAX_FDS];
    void *bytes;
    size_t length;
    uint32_t count;
    if (!arguments(env, info, 3, values) || !number_of(env, values[0], &fd))
        return NULL;
    if (napi_get_buffer_info(env, values[1], &bytes, &length) != napi_ok ||
        napi_get_array_length(env, values[2], &count) != napi_ok || count > WIRE_MAX_FDS) {
        (void)napi_throw_type_error(env, NULL, "expected a Buffer and at most 8 descriptors");
        return NULL;
    }
    for (uint32_t index = 0; index < count; index++) {
        napi_value element;
        if (napi_get_element(env, values[2], index, &element) != napi_ok ||
            !number_of(env, element, &fds[index]))
            return NULL;
    }
    int sent = wire_send(fd, bytes, length, fds, count);
    if (sent != 0 && errno != EAGAIN)
        return throw_errno(env, "sendmsg", "");
    (void)napi_get_boolean(env, sent == 0, &result);
    return result;
}

// kill(pidfd): SIGKILL for the process behind the handle. Nothing happens where it has gone.
static napi_value kill_process(napi_env env, napi_callback_info info) {
    napi_value values[1];
    int fd;
    if (!arguments(env, info, 1, values) || !number_of(env, values[0], &fd))
        return NULL;
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0u) != 0 && errno != ESRCH)
        return throw_errno(env, "pidfd_send_signal", "");
    return NULL;
}

// inherit(fd): {path, seqpacket}, of a listening socket that a service manager has passed to us. From here
// on no program of ours inherits it.
static napi_value inherit(napi_env env, napi_callback_info info) {
    napi_value values[1], result = NULL, value;
    int fd, type = 0, listening = 0;
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t length = sizeof address - 1, size = sizeof type; // the path stays terminated
    if (!arguments(env, info, 1, values) || !number_of(env, values[0], &fd))
        return NULL;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0)
        return throw_errno(env, "getsockname", "inherited descriptor");
    bool local = address.sun_family == AF_UNIX && length > sizeof address.sun_family && listening != 0;
    (void)napi_create_object(env, &result);
    (void)napi_create_string_utf8(env, local ? address.sun_path : "", NAPI_AUTO_LENGTH, &value);
    (void)napi_set_named_property(env, result, "path", value);
    (void)napi_get_boolean(env, type == SOCK_SEQPACKET, &value);
    (void)napi_set_named_property(env, result, "seqpacket", value);
    return result;
}

// datagram(path, Buffer): sends one message and never waits; "@" in front stands for an abstract name.
static napi_value datagram(napi_env env, napi_callback_info info) {
    napi_value values[2];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    void *bytes;
    size_t length;
    if (!arguments(env, info, 2, values) ||
        !text_of(env, values[0], address.sun_path, sizeof address.sun_path))
        return NULL;
    if (napi_get_buffer_info(env, values[1], &bytes, &length) != napi_ok) {
        (void)napi_throw_type_error(env, NULL, "expected a Buffer");
        return NULL;
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path));
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || sendto(fd, bytes, length, MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
        return throw_errno(env, "sendto", "service manager");
    return NULL;
}

// ---- user look-ups, off the main thread: a directory service may take its time ------------------

#define MAX_GROUPS 256
#define RECORD_BYTES (256 * 1024)

struct lookup {
    napi_async_work work;
    napi_deferred deferred;
    bool by_name;
    char name[257]; // as long as an account's can be, which isolation/users.ts sees to
    uid_t uid;
    int error; // errno, or 0; ENOENT: no such user
    struct passwd record;
    char *strings;
    gid_t groups[MAX_GROUPS];
    int group_count;
    char *group_names[MAX_GROUPS];
};

static void look_up_groups(struct lookup *lookup) {
    lookup->group_count = MAX_GROUPS;
    if (getgrouplist(lookup->record.pw_name, lookup->record.pw_gid, lookup->groups, &lookup->group_count) < 0)
        lookup->group_count = MAX_GROUPS; // more than we take; the first ones are what it filled
    char *buffer = malloc(RECORD_BYTES);
    for (int index = 0; buffer != NULL && index < lookup->group_count; index++) {
        struct group record, *found = NULL;
        if (getgrgid_r(lookup->groups[index], &record, buffer, RECORD_BYTES, &found) == 0 && found != NULL)
            lookup->group_names[index] = strdup(record.gr_name);
    }
    free(buffer);
}

static void look_up(napi_env env, void *data) {
    (void)env;
    struct lookup *lookup = data;
    struct passwd *found = NULL;
    lookup->strings = malloc(RECORD_BYTES);
    if (lookup->strings == NULL) {
        lookup->error = ENOMEM;
        return;
    }
    lookup->error = lookup->by_name
                        ? getpwnam_r(lookup->name, &lookup->record, lookup->strings, RECORD_BYTES, &found)
                        : getpwuid_r(lookup->uid, &lookup->record, lookup->strings, RECORD_BYTES, &found);
    if (lookup->error == 0 && found == NULL)
        lookup->error = ENOENT;
    if (lookup->error == 0)
        look_up_groups(lookup);
}

static void set_text(napi_env env, napi_value object, const char *name, const char *text) {
    napi_value value;
    if (napi_create_string_utf8(env, text != NULL ? text : "", NAPI_AUTO_LENGTH, &value) == napi_ok)
        (void)napi_set_named_property(env, object, name, value);
}

static napi_value user_record(napi_env env, const struct lookup *lookup) {
    napi_value result = NULL, groups, group;
    (void)napi_create_object(env, &result);
    set_text(env, result, "name", lookup->record.pw_name);
    set_text(env, result, "home", lookup->record.pw_dir);
    set_text(env, result, "shell", lookup->record.pw_shell);
    set_text(env, result, "gecos", lookup->record.pw_gecos);
    (void)napi_set_named_property(env, result, "uid", number_value(env, lookup->record.pw_uid));
    (void)napi_set_named_property(env, result, "gid", number_value(env, lookup->record.pw_gid));
    (void)napi_create_array(env, &groups);
    for (int index = 0; index < lookup->group_count; index++) {
        (void)napi_create_object(env, &group);
        (void)napi_set_named_property(env, group, "gid", number_value(env, lookup->groups[index]));
        set_text(env, group, "name", lookup->group_names[index]);
        (void)napi_set_element(env, groups, (uint32_t)index, group);
    }
    (void)napi_set_named_property(env, result, "groups", groups);
    return result;
}

static void looked_up(napi_env env, napi_status status, void *data) {
    struct lookup *lookup = data;
    napi_value result = NULL;
    if (status == napi_ok && lookup->error == 0) {
        (void)napi_resolve_deferred(env, lookup->deferred, user_record(env, lookup));
    } else if (lookup->error == ENOENT || lookup->error == ESRCH) {
        (void)napi_get_null(env, &result);
        (void)napi_resolve_deferred(env, lookup->deferred, result);
    } else {
        napi_value message;
        char text[128];
        (void)snprintf(text, sizeof text, "look up user: %s", strerror(lookup->error));
        (void)napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message);
        (void)napi_create_error(env, NULL, message, &result);
        (void)napi_reject_deferred(env, lookup->deferred, result);
    }
    (void)napi_delete_async_work(env, lookup->work);
    for (int index = 0; index < lookup->group_count; index++)
        free(lookup->group_names[index]);
    free(lookup->strings);
    free(lookup);
}

// lookupUser(uid | name): Promise<record | null>
static napi_value lookup_user(napi_env env, napi_callback_info info) {
    napi_value values[1], promise = NULL, name;
    napi_valuetype type;
    if (!arguments(env, info, 1, values))
        return NULL;
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return throw_errno(env, "calloc", "");
    (void)napi_typeof(env, values[0], &type);
    lookup->by_name = type == napi_string;
    bool good = lookup->by_name ? text_of(env, values[0], lookup->name, sizeof lookup->name)
                                : napi_get_value_uint32(env, values[0], &lookup->uid) == napi_ok;
    if (!good || napi_create_promise(env, &lookup->deferred, &promise) != napi_ok ||
        napi_create_string_utf8(env, "lookupUser", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_async_work(env, NULL, name, look_up, looked_up, lookup, &lookup->work) != napi_ok ||
        napi_queue_async_work(env, lookup->work) != napi_ok) {
        free(lookup);
        return NULL;
    }
    return promise;
}

static napi_value initialize(napi_env env, napi_value exports) {
    static const struct {
        const char *name;
        napi_callback function;
    } functions[] = {{"socketPair", socket_pair},
                     {"listen", listen_at},
                     {"connect", connect_to},
                     {"receive", receive},
                     {"send", send_to},
                     {"acceptClients", accept_clients},
                     {"lookAtLogin", look_at_login},
                     {"silence", silence},
                     {"closeAside", close_aside},
                     {"kill", kill_process},
                     {"lookupUser", lookup_user},
                     {"poll", poller_start},
                     {"inherit", inherit},
                     {"datagram", datagram},
                     {"watchOpen", watch_open},
                     {"watchAdd", watch_add},
                     {"watchDrain", watch_drain},
                     {"readOwnFile", read_own_file},
                     {"diskLock", disk_lock},
                     {"diskMount", disk_mount},
                     {"diskGrow", disk_grow},
                     {"projectState", project_state},
                     {"projectOf", project_of},
                     {"projectMark", project_mark},
                     {"projectLimit", project_limit},
                     {"projectUse", project_use},
                     {"giveName", give_name}};
    for (size_t index = 0; index < sizeof functions / sizeof functions[0]; index++) {
        napi_value function;
        if (napi_create_function(env, functions[index].name, NAPI_AUTO_LENGTH, functions[index].function,
                                 NULL, &function) == napi_ok)
            (void)napi_set_named_property(env, exports, functions[index].name, function);
    }
    return exports;
}

NAPI_MODULE(dockersh, initialize)
