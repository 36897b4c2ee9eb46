// Tells whether a message can be a login (docs/protocol.md, "Login") without copying or interpreting
// anything: what breaks the limits costs the daemon no more than this. src/protocol/login.ts checks what the
// fields hold.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGIN_MAX_ARGUMENTS 2048
#define LOGIN_MAX_VARIABLES 512

// The header, three descriptors declared, fields that fill the message, none but a login's, not too many
// arguments and variables, and each of the others once at most.
bool login_is_whole(const uint8_t *bytes, size_t length);
