#include "inside/forward/connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "cleanup.h"

#define MOST_ADDRESSES 16
#define HEAD_START_MS 250

struct race {
    struct pollfd running[MOST_ADDRESSES];
    nfds_t count;
    int failure; // of the one that has failed last
};

static int start(const struct addrinfo *address) {
    int on = 1;
    cleanup_fd int fd =
        socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
        return -1;
    return take_fd(&fd);
}

static void add(struct race *race, const struct addrinfo *address) {
    int fd = start(address);
    if (fd < 0)
        race->failure = errno;
    else
        race->running[race->count++] = (struct pollfd){.fd = fd, .events = POLLOUT};
}

// The first that is connected, or -1. Those that have failed are taken out.
static int winner(struct race *race) {
    for (nfds_t index = 0; index < race->count;) {
        struct pollfd *one = &race->running[index];
        int failure = 0;
        socklen_t size = sizeof failure;
        if (one->revents == 0) {
            index++;
            continue;
        }
        if (getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0)
            return take_fd(&one->fd);
        race->failure = failure;
        close_fd(one->fd);
        race->running[index] = race->running[--race->count];
    }
    return CLOSED_FD;
}

static int run(struct race *race, const struct addrinfo *addresses) {
    const struct addrinfo *next = addresses;
    for (;;) {
        if (next != NULL && race->count < MOST_ADDRESSES) {
            add(race, next);
            next = next->ai_next;
        }
        if (race->count == 0 && next == NULL)
            return CLOSED_FD;
        if (race->count == 0)
            continue;
        int found = poll(race->running, race->count, next != NULL ? HEAD_START_MS : -1);
        if (found < 0 && errno != EINTR)
            return CLOSED_FD;
        int fd = found > 0 ? winner(race) : CLOSED_FD;
        if (fd >= 0)
            return fd;
    }
}

static struct answered connect_tcp(const struct request *request) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    struct race race = {.failure = EHOSTUNREACH};
    char port[16];
    (void)snprintf(port, sizeof port, "%u", (unsigned)request->code);
    int looked = getaddrinfo(request->name, port, &hints, &addresses);
    if (looked != 0)
        return (struct answered){.code = EHOSTUNREACH, .text = gai_strerror(looked)};
    int fd = run(&race, addresses);
    freeaddrinfo(addresses);
    for (nfds_t index = 0; index < race.count; index++)
        if (race.running[index].fd != fd)
            close_fd(race.running[index].fd);
    if (fd >= 0)
        return (struct answered){.fds = {fd}, .count = 1};
    return (struct answered){.code = race.failure, .text = strerror(race.failure)};
}

static struct answered connect_unix(const struct request *request) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(request->name) >= sizeof address.sun_path)
        return (struct answered){.code = ENAMETOOLONG, .text = strerror(ENAMETOOLONG)};
    (void)strcpy(address.sun_path, request->name);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return (struct answered){.code = errno, .text = strerror(errno)};
    return (struct answered){.fds = {take_fd(&fd)}, .count = 1};
}

struct answered connect_inside(const struct request *request) {
    struct answered answered =
        strcmp(request->kind, "tcp") == 0 ? connect_tcp(request) : connect_unix(request);
    answered.slot = request->slot;
    return answered;
}
