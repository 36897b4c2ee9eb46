// Bounds how many connections there are that have not logged in: in all, and for each address or network. An
// address that has failed is kept out for a while (penalties). Pure: the time is given.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "settings.h"

// What counts as one client: an address, or the network that it lies in.
struct source {
    uint8_t family; // 4 or 6
    uint8_t bytes[16];
};

struct source source_of(const struct sockaddr_storage *address, const struct settings *settings);

enum verdict { VERDICT_IN, VERDICT_FULL, VERDICT_SOURCE_FULL, VERDICT_KEPT_OUT };

// `chance`: a random number below 100. A connection that is let in counts until startups_end().
enum verdict startups_begin(const struct settings *settings, const struct source *source, uint32_t chance,
                            uint64_t now_ms);
void startups_end(const struct source *source);
uint32_t startups_count(void);

enum offence { OFFENCE_NONE, OFFENCE_NOTHING, OFFENCE_FAILED, OFFENCE_NOBODY, OFFENCE_TIME, OFFENCE_BREACH };
// True: from now on the address is kept out, and was not before.
bool startups_punish(const struct settings *settings, const struct source *source, enum offence offence,
                     uint64_t now_ms);
// For tests.
void startups_forget(void);
