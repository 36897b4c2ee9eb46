// Tells whether a message can be a login (docs/protocol.md, "Login") without copying or interpreting
// anything: what breaks the limits costs the daemon no more than this. src/protocol/login.ts checks what the
// fields hold.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGIN_MAX_ARGUMENTS 2048
#define LOGIN_MAX_VARIABLES 512
#define JOIN_MAX_AUTH 4096

// The header, three descriptors declared, fields that fill the message, none but a login's, not too many
// arguments and variables, and each of the others once at most.
bool login_is_whole(const uint8_t *bytes, size_t length);
// Likewise of a connection that sshd's module wants to join: one descriptor, a user, each field once at most.
bool join_is_whole(const uint8_t *bytes, size_t length);
