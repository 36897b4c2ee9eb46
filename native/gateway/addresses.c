#include "addresses.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

static void say_address(const struct sockaddr_storage *address, socklen_t size, char *host, size_t host_size,
                        char *port, size_t port_size) {
    if (getnameinfo((const struct sockaddr *)address, size, host, (socklen_t)host_size, port,
                    (socklen_t)port_size, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        (void)snprintf(host, host_size, "unknown");
        (void)snprintf(port, port_size, "0");
    }
    if (strncmp(host, "::ffff:", 7) == 0 && strchr(host, '.') != NULL)
        memmove(host, host + 7, strlen(host + 7) + 1);
}

void addresses_name(struct arrival *arrival, int connection, const struct sockaddr_storage *peer,
                    socklen_t peer_size) {
    char host[ADDRESS_SIZE], port[8], own_port[8];
    struct sockaddr_storage own = {0};
    socklen_t own_size = sizeof own;
    say_address(peer, peer_size, arrival->address, sizeof arrival->address, port, sizeof port);
    (void)getsockname(connection, (struct sockaddr *)&own, &own_size);
    say_address(&own, own_size, host, sizeof host, own_port, sizeof own_port);
    (void)snprintf(arrival->from, sizeof arrival->from, "%s %s %s %s", arrival->address, port, host,
                   own_port);
}
