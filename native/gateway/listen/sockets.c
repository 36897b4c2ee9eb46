#include "listen/sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

#define FIRST_FD 3
#define BACKLOG 1024

size_t sockets_inherited(int sockets[SOCKETS_MOST]) {
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    size_t count = 0;
    if (pid != NULL && fds != NULL && (pid_t)strtol(pid, NULL, 10) == getpid())
        count = (size_t)strtoul(fds, NULL, 10);
    if (count > SOCKETS_MOST)
        count = SOCKETS_MOST;
    for (size_t index = 0; index < count; index++) {
        sockets[index] = FIRST_FD + (int)index;
        (void)fcntl(sockets[index], F_SETFD, FD_CLOEXEC);
        (void)fcntl(sockets[index], F_SETFL, O_RDWR | O_NONBLOCK);
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return count;
}

static int listen_at(const struct addrinfo *info, const char *address, struct err *err) {
    const int on = 1;
    cleanup_fd int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (info->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        return err_sys(err, "listen at", address);
    return take_fd(&fd);
}

// A host of no characters is every address.
static int split(const char *address, char *host, size_t size, const char **port, struct err *err) {
    const char *colon = strrchr(address, ':');
    size_t length = colon != NULL ? (size_t)(colon - address) : 0;
    *port = colon != NULL ? colon + 1 : address;
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    }
    if (length >= size)
        return err_plain(err, FAILURE_USAGE, "this is no address to listen at", address);
    memcpy(host, address, length);
    host[length] = '\0';
    return 0;
}

int sockets_listen(const char *address, int sockets[2], struct err *err) {
    char host[256];
    const char *port;
    struct addrinfo *found = NULL;
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    int count = 0;
    if (split(address, host, sizeof host, &port, err) != 0)
        return -1;
    if (getaddrinfo(host[0] != '\0' ? host : NULL, port, &wanted, &found) != 0)
        return err_plain(err, FAILURE_USAGE, "this is no address to listen at", address);
    for (const struct addrinfo *info = found; info != NULL && count < 2; info = info->ai_next) {
        int fd = listen_at(info, address, err);
        if (fd >= 0)
            sockets[count++] = fd;
    }
    freeaddrinfo(found);
    return count > 0 ? count : -1; // a host without IPv6 listens at IPv4 alone
}
