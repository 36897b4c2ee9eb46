// Puts a process that speaks TLS (native/tls) in front of each client of the web page.
#pragma once

#include "settings.h"

// `program`: dockersh-tls.
void front_open(const char *program);
// Looks whether there is another certificate, and tells of one that can't be taken.
void front_look(const struct settings *settings);
// Where what is in the client's connection can be read and written; negative, with errno: there is no such
// process. The client's descriptor stays the caller's.
int front_start(const struct settings *settings, int client);
// Forgets the certificate and its key.
void front_close(void);
