// Offers a session that goes on without anybody to its user, in the process of another that is about to
// begin.
#pragma once

#include <stdbool.h>

// Asks at the user's terminal whether they want to look. False where there is none, or nobody answers.
bool offer_is_taken(const int *fds, const char *question);
