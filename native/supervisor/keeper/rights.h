// Gives up every right of a keeper's, before it reads anything: who looks at a session may be anybody's
// client.
#pragma once

#include <sys/types.h>

#include "err.h"

int keeper_rights(uid_t id, struct err *err);
