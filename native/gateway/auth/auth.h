// Decides who has logged in: which methods have succeeded, and which have to follow.
#pragma once

#include "auth/state.h"
#include "monitor/asked.h"

// What may go on, with commas between.
void auth_methods(const struct monitor *monitor, char *text, size_t size);
bool auth_request(struct monitor *monitor, const struct asked *asked);
bool auth_answers(struct monitor *monitor, const struct asked *asked);
void auth_end(struct auth *auth);
