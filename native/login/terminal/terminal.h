// The user's own terminal, as the login client borrows it: raw while the session runs, and put
// back as it was at every way out.
#pragma once

#include <stdbool.h>

struct terminal {
    int input;     // descriptor to read keys from, or -1
    int output;    // descriptor to write the screen to, or -1
    bool alone;    // all three descriptors are terminals
    bool raw;      // raw mode is in force now
    bool looks;    // at somebody else's session: a key of ours ends it
    bool harmless; // what would have it answer or act is left out
    bool chunked;  // output could not be opened non-blocking: write little at a time
};

// Finds the terminal among descriptors 0, 1 and 2. False: none of them is one.
bool terminal_find(struct terminal *terminal);
// Raw mode, where the terminal is the only stream; where another of the three is a pipe or a file,
// output processing stays on, for what else writes to this terminal meanwhile.
void terminal_raw(struct terminal *terminal);
void terminal_restore(struct terminal *terminal);
// Copies the window size from the terminal to the sandbox's PTY.
void terminal_copy_size(const struct terminal *terminal, int ptm);
