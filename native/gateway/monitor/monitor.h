// One connection's monitor: a fork of the listener, which is root's. It decides who has logged in, signs with
// the host keys, and starts what runs in the sandbox; the connection process only asks (docs/protocol.md,
// section 12).
#pragma once

#include "monitor/self.h"

// A client that has come, and the connection process that is to serve it.
struct arrival {
    int client;           // the TCP connection, or what is in its TLS
    bool is_web;          // a browser, and no ssh
    int requests;         // our end of 3
    int signatures;       // our end of 4
    int process;          // a pidfd of the connection process
    pid_t process_pid;    //
    int report;           // a pipe's end, to the listener
    char from[FROM_SIZE]; // "ADDRESS PORT ADDRESS PORT": the client's, then ours
    char address[ADDRESS_SIZE];
};

// Never returns. What `arrival` holds is this process's.
_Noreturn void monitor_run(const struct monitor_world *world, const struct arrival *arrival);
