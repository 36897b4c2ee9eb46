// Closes what a process that is only forked does not need of the descriptors it was born with.
#pragma once

#include <stddef.h>

// Closes everything but these and the standard three. CLOSED_FD may be among them.
void keep_only(const int *kept, size_t count);
