#include "clients.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "cleanup.h"
#include "login_check.h"
#include "wire.h"

// More than a connection can hold of messages without a byte: each takes its share of the sender's buffer.
#define MOST_MESSAGES 1024
#define MOST_CLOSING 32
// How long waiting clients are accepted before the event loop goes on, and after how many of them the clock
// is read.
#define ACCEPT_NS 3000000
#define ACCEPT_LOOK 32
// Connections of one uid at once, and how long it takes until there may be another.
#define BURST 1000
#define REFILL_NS 2000000 // 500 a second
#define BUCKETS 4096

static bool fd_of(napi_env env, napi_callback_info info, size_t wanted, napi_value *values, int *fd) {
    size_t count = wanted;
    if (napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count >= wanted &&
        napi_get_value_int32(env, values[0], fd) == napi_ok)
        return true;
    (void)napi_throw_type_error(env, NULL, "expected a descriptor");
    return false;
}

static napi_value boolean_value(napi_env env, bool value) {
    napi_value result = NULL;
    (void)napi_get_boolean(env, value, &result);
    return result;
}

static napi_value throw_accept(napi_env env) {
    const char *name = strerrorname_np(errno);
    (void)napi_throw_error(env, name, "accept: no connection can be taken now");
    return NULL;
}

// The sender's credentials come as control data, so that an empty message can be told from none. There is no
// room for descriptors: the kernel says that some were left out (MSG_CTRUNC), and they stay queued.
static bool holds_descriptors(int fd, bool *any) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    char byte;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    ssize_t length = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    *any = length > 0 || (length == 0 && CMSG_FIRSTHDR(&message) != NULL);
    return (message.msg_flags & MSG_CTRUNC) != 0;
}

static bool is_silenced(int fd) {
    int on = 1, listens = 0;
    socklen_t size = sizeof listens;
    (void)shutdown(fd, SHUT_RDWR); // before we look: what is not there now never will be
    // Those who wait to be accepted would inherit what is set here (until Linux 6.16).
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens != 0)
        return listens != 0;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
        return false;
    for (int count = 0; count < MOST_MESSAGES; count++) {
        bool any;
        char byte;
        if (holds_descriptors(fd, &any))
            return false;
        if (!any)
            return true;
        // A connection that ends with something unread resets its peer, who would miss what we said last.
        (void)!recv(fd, &byte, 1, MSG_DONTWAIT);
    }
    return false;
}

napi_value silence(napi_env env, napi_callback_info info) {
    napi_value values[1];
    int fd;
    return fd_of(env, info, 1, values, &fd) ? boolean_value(env, is_silenced(fd)) : NULL;
}

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Whether this uid may have one more connection. A bucket holds the time at which it will be full again. Uids
// may share a place: the earlier one is then forgotten, which lets it connect at once.
static bool is_usual(uid_t uid, uint64_t now) {
    static struct bucket {
        uint64_t full_at;
        uid_t uid;
    } buckets[BUCKETS];
    struct bucket *bucket = &buckets[(uid * 2654435761u >> 16) % BUCKETS];
    if (bucket->uid != uid || bucket->full_at < now)
        *bucket = (struct bucket){.uid = uid, .full_at = now};
    if (bucket->full_at - now >= (uint64_t)BURST * REFILL_NS)
        return false;
    bucket->full_at += REFILL_NS;
    return true;
}

static void add_number(napi_env env, napi_value list, uint32_t *count, double number) {
    napi_value value;
    (void)napi_create_double(env, number, &value);
    (void)napi_set_element(env, list, (*count)++, value);
}

napi_value accept_clients(napi_env env, napi_callback_info info) {
    napi_value values[1], list = NULL;
    int listening;
    uint32_t count = 1, closed = 0, first = 0;
    if (!fd_of(env, info, 1, values, &listening) || napi_create_array(env, &list) != napi_ok)
        return NULL;
    uint64_t now = now_ns(), until = now + ACCEPT_NS;
    for (unsigned accepted = 0; now < until; accepted++) {
        if (accepted % ACCEPT_LOOK == ACCEPT_LOOK - 1)
            now = now_ns();
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        // EMFILE, ENFILE, ENOMEM: the caller waits a little, and hears of it when there is nobody to serve
        // first.
        if (fd < 0 && errno != EAGAIN && count == 1)
            return throw_accept(env);
        if (fd < 0)
            break;
        struct ucred peer = {.uid = (uid_t)-1};
        socklen_t length = sizeof peer;
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length); // of a connection it can't fail
        bool usual = is_usual(peer.uid, now);
        if (!usual && is_silenced(fd)) {
            close_fd(fd);
            closed++;
            continue;
        }
        add_number(env, list, &count, fd);
        add_number(env, list, &count, usual ? (double)peer.uid : -1.0 - (double)peer.uid);
    }
    add_number(env, list, &first, closed);
    return list;
}

static napi_value look(napi_env env, napi_callback_info info, bool (*is_whole)(const uint8_t *, size_t)) {
    static uint8_t bytes[WIRE_MAX_BYTES];
    napi_value values[1], result = NULL;
    int fd;
    if (!fd_of(env, info, 1, values, &fd))
        return NULL;
    struct pollfd polled = {.fd = fd};
    (void)poll(&polled, 1, 0);
    ssize_t length = (polled.revents & POLLHUP) != 0 ? 0 : wire_peek(fd, bytes, sizeof bytes);
    if (length < 0 && errno == EAGAIN)
        (void)napi_get_undefined(env, &result);
    else if (length <= 0)
        (void)napi_get_null(env, &result);
    else if (!is_whole(bytes, (size_t)length))
        return boolean_value(env, false);
    else
        (void)napi_create_buffer_copy(env, (size_t)length, bytes, NULL, &result);
    return result;
}

napi_value look_at_login(napi_env env, napi_callback_info info) {
    return look(env, info, login_is_whole);
}

napi_value look_at_join(napi_env env, napi_callback_info info) {
    return look(env, info, join_is_whole);
}

static atomic_int closing;

static void *close_it(void *number) {
    close_fd((int)(intptr_t)number);
    (void)atomic_fetch_sub(&closing, 1);
    return NULL;
}

napi_value close_aside(napi_env env, napi_callback_info info) {
    napi_value values[1];
    int fd;
    pthread_t thread;
    pthread_attr_t attributes;
    if (!fd_of(env, info, 1, values, &fd))
        return NULL;
    if (atomic_fetch_add(&closing, 1) >= MOST_CLOSING || pthread_attr_init(&attributes) != 0) {
        (void)atomic_fetch_sub(&closing, 1);
        return boolean_value(env, false);
    }
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, 64 * 1024);
    bool made = pthread_create(&thread, &attributes, close_it, (void *)(intptr_t)fd) == 0;
    (void)pthread_attr_destroy(&attributes);
    if (!made)
        (void)atomic_fetch_sub(&closing, 1);
    return boolean_value(env, made);
}
