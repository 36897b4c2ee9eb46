// Writes the listener's state into a file of the run folder, for "dockershctl gateway status": after a
// change, once a second at most, and every ten seconds, so that the file of a listener that has gone is known
// by its age.
#pragma once

#include <stdint.h>

#include "settings.h"

struct counts {
    uint64_t accepted, logged_in;                 // since it was started
    uint64_t web_accepted, web_logged_in;         // those of them that came to the web page
    uint64_t full, source_full, kept_out, failed; // that were refused, by what for
    uint32_t waiting;                             // that have not logged in yet
    const struct settings *settings;              // in force; NULL: none yet
    char *const *unreachable; // addresses of them that can't be had; ends with a NULL; NULL: none
};

// What is to be told.
extern struct counts status_counts;

void status_open(const char *run_folder);
// After a change.
void status_changed(void);
// Takes the file away.
void status_close(void);
