#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "values.h"
#include "wire.h"

napi_value socket_pair(napi_env env, napi_callback_info info) {
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

napi_value listen_at(napi_env env, napi_callback_info info) {
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

napi_value connect_to(napi_env env, napi_callback_info info) {
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

napi_value receive(napi_env env, napi_callback_info info) {
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

napi_value send_to(napi_env env, napi_callback_info info) {
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

napi_value inherit(napi_env env, napi_callback_info info) {
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

napi_value datagram(napi_env env, napi_callback_info info) {
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
