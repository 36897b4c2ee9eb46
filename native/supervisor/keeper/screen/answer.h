// Reads the frames that a screen answers with (docs/protocol.md, "Screens"), piece by piece. They are not
// believed.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct answer {
    uint8_t header[5];
    size_t header_length;
    char type;
    uint8_t *bytes; // of the frame; whoever keeps them puts NULL in their place
    size_t length, done;
};

// 1: a whole frame is there, until answer_forget(); 0: more is to come; -1: nobody is there, or it is too
// long.
int answer_read(struct answer *answer, int socket);
void answer_forget(struct answer *answer);
