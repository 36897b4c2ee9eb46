// Passes on what comes from a client by TLS, and what goes there, until one of the two sides has ended.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

// `client` and `plain` do not block. Returns when the connection is over.
void pump_run(SSL *session, int client, int plain);
// False: there was no handshake in time, or nobody waits for one at `plain` any more.
bool pump_handshake(SSL *session, int client, int plain);
