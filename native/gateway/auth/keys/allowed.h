// Tells whether a key, or a certificate, lets an account in: by the account's files, by what is kept inside,
// by a command, or by a CA that the settings trust.
#pragma once

#include "auth/keys/options.h"
#include "auth/keys/shown.h"

struct monitor;

// True: it does, and `options` says how far. They are the caller's to free.
bool key_is_allowed(const struct monitor *monitor, const struct shown_key *shown,
                    struct key_options *options);
