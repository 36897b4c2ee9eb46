// Logging in with a key, or with a certificate.
#pragma once

#include "auth/state.h"
#include "monitor/asked.h"

enum outcome auth_by_key(struct monitor *monitor, const struct asked *asked);
