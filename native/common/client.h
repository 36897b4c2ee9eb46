// Looks at a login client's connection without receiving from it. What a client sends may hold descriptors
// whose last close, or whose every close, takes for as long as the client likes: a file of a FUSE server that
// does not answer, a socket that lingers. They are received by the session's own process alone. Nobody else
// receives them, and nobody who is needed closes a connection in whose queue they are.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// What is next on the connection, whose login has been received or never will be. Nothing is received by
// asking.
enum client_next {
    CLIENT_NOTHING, // nothing yet
    CLIENT_END,
    CLIENT_PLAIN,  // a message without descriptors
    CLIENT_CARRIES // a message with descriptors
};
enum client_next client_next(int connection);

// From now on nothing more arrives. True: what is left holds no descriptor, and closing waits for nobody.
bool client_quiet(int connection);

// Sends a message without waiting for room.
void client_tell(int connection, const uint8_t *bytes, size_t length);

// Where a sandbox's own processes ask the daemon for what its user may have: one message with the words on a
// SOCK_SEQPACKET socket, answered by one REPORT or ERROR.
#define ASKING_FOLDER "/run/dockersh"
#define ASKING_NAME "self-service"
#define ASKING_SOCKET ASKING_FOLDER "/" ASKING_NAME
#define ASKING_MOST_BYTES 2048
