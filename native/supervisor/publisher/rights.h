// Gives up every right of a publisher's, before it reads anything: what it passes on comes from anybody.
#pragma once

#include <sys/types.h>

#include "err.h"

int publisher_rights(uid_t id, struct err *err);
