// Signs with the host keys what the connection process hands over.
#pragma once

#include <stdbool.h>

struct monitor;

// Hears one GW_SIGN, and answers it. False: a request that nobody who means well would send.
bool signatures_hear(struct monitor *monitor, int socket);
