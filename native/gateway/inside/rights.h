// Rights of a connection, by the options of the key that has logged it in.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rights {
    bool terminal;
    bool forward; // connections and sockets, in both directions
    bool agent, x11;
    const char *command;        // runs in place of what is asked for; NULL: there is none
    char *const *permit_open;   // HOST:PORT each, "*" for any; NULL: everything
    char *const *permit_listen; // [HOST:]PORT each; NULL: everything
    char *const *environment;   // NAME=VALUE each; NULL: none
};

// Everything, for who logs in without a key.
struct rights rights_all(void);
// Whether a connection may be made there.
bool rights_may_open(const struct rights *rights, const char *host, uint32_t port);
// Whether a port may be listened at; 0: any.
bool rights_may_listen(const struct rights *rights, const char *host, uint32_t port);
