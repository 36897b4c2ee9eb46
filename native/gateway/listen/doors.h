// The sockets that are listened at just now.
#pragma once

#include <stddef.h>

// `knock` hears that somebody waits at a socket. Takes over those of the service manager.
void doors_open(void (*knock)(int socket));
// Has exactly these addresses, unless the service manager has given us sockets. One that can't be had is told
// of, and tried again.
void doors_set(char *const *addresses);
void doors_close(void);
