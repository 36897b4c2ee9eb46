// The sockets that are listened at just now.
#pragma once

#include <stddef.h>

// What is spoken there: ssh, or TLS with the web page in it.
enum door_kind { DOOR_SSH, DOOR_WEB, DOOR_KINDS };

// `knock` hears that somebody waits at a socket. Takes over those of the service manager, which are for ssh.
void doors_open(void (*knock)(int socket, enum door_kind kind));
// Has exactly these addresses of that kind, unless the service manager has given us sockets for it. One that
// can't be had is told of, and tried again.
void doors_set(enum door_kind kind, char *const *addresses);
void doors_close(void);
