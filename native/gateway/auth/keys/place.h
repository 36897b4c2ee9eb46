// Puts an account and a key into the words of the settings, as sshd's tokens stand for them.
#pragma once

#include "auth/account.h"
#include "auth/keys/shown.h"

struct monitor;

// A path with %h, %u, %U and %%, from the home on where it is not absolute. NULL: there is none, or memory is
// short.
char *place_of(const struct account *account, const char *pattern);
// The words of a command: besides these %t, %k and %f: the key's type, the key and its fingerprint. False:
// there is something else behind a %.
bool command_of(const struct monitor *monitor, const struct shown_key *shown, char *const *patterns,
                char **words);
