// Connects to a service on the sandbox's loopback, and keeps ports there from having one.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "publisher/publisher.h"

int inside_connect(int type, bool six, uint16_t port) {
    struct sockaddr_in four_address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six_address = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr *address =
        six ? (const struct sockaddr *)&six_address : (const struct sockaddr *)&four_address;
    socklen_t size = six ? sizeof six_address : sizeof four_address;
    cleanup_fd int fd = socket(six ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (connect(fd, address, size) != 0 && errno != EINPROGRESS))
        return -1;
    return take_fd(&fd);
}

int inside_hold(uint16_t port) {
    const struct sockaddr_in6 both = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int off = 0;
    // One socket for both families, where there are both: its ports are taken in either.
    cleanup_fd int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0 &&
        bind(fd, (const struct sockaddr *)&both, sizeof both) == 0)
        return take_fd(&fd);
    cleanup_fd int one = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (one < 0 || bind(one, (const struct sockaddr *)&four, sizeof four) != 0)
        return -1;
    return take_fd(&one);
}
