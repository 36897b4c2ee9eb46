// Ends sessions that last too long, or whose terminal has been still for too long.
#pragma once

#include <stdint.h>

#include "supervisor.h"
#include "wire.h"

// Takes the limits of a session that begins now.
void session_time_begin(struct session *session, struct wire_reader reader);
// When the session has to be looked at again; NEVER where it has no limits.
uint64_t session_time_next(const struct session *session);
// Why the session is over now, for its user; NULL where it is not.
const char *session_time_over(struct session *session, uint64_t now);
