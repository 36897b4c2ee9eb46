// Descriptors 0, 1 and 2 of the client, before and after the session has them.
#pragma once

// Descriptors 0, 1, 2 must exist: a socket opened later would otherwise become one of them.
void streams_fill(void);
// Gives up our copies of the streams that the session now has, so that a reader sees the end of file
// when the session closes them and not later. Descriptor 2 is kept for what we may have to say.
// Returns the one whose hang-up means that nobody is at the other end any more, or -1.
int streams_release(void);
