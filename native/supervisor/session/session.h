// Shared by the two files about sessions: begin.c for their beginning, session.c for the rest of
// their life.
#pragma once

#include "supervisor.h"

// The session is over: its client and the daemon are told. `kind` 0: exit status, 1: signal.
void session_conclude(struct supervisor *supervisor, struct session *session, uint32_t kind, uint32_t code);
// Tells the daemon, or keeps it for one.
void session_report_end(struct supervisor *supervisor, const struct session *session, uint32_t kind,
                        uint32_t code, enum cause cause, const char *text);
// Its slot is free again.
void session_release(struct supervisor *supervisor, struct session *session);
