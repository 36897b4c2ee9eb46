// The servers that are asked: those that resolv.conf(5) or a policy names, and which of them have been slow
// lately.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOST_SERVERS 4
#define DNS_PORT 53

struct server {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address;
    socklen_t size;
    unsigned silences;      // in a row
    uint64_t slow_until_ns; // until then another is asked soon
};

// Shared by the host's own and the lookups that go on when those change.
struct servers {
    unsigned users;
    size_t count;
    struct server list[MOST_SERVERS];
};

// The number of a network interface by its name, 0: there is none.
typedef unsigned servers_interface(const char *name);

// "192.0.2.1", "2001:db8::1" or "fe80::1%eth0". False: it is no address.
bool server_of_text(struct server *server, const char *text, servers_interface *interface);
// What a resolv.conf says; a host without a line about it asks itself (resolv.conf(5)). NULL: memory is
// short.
struct servers *servers_of_file(const char *text, servers_interface *interface);
struct servers *servers_new(void);
// Borrows and gives back. NULL is nobody's.
struct servers *servers_use(struct servers *servers);
void servers_leave(struct servers *servers);
