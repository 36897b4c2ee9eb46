// Sessions of a connection: processes of the user's that execute the login client, with a terminal or with
// three streams.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "inside/request.h"

struct inside;

// GW_SESSION and GW_TELL. -1: the connection has to end.
int sessions_start(struct inside *inside, const struct request *request);
int sessions_tell(struct inside *inside, const struct request *request);
int sessions_reap(struct inside *inside);
