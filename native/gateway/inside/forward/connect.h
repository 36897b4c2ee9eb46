// Makes one connection inside, to an address, a name or a socket's path.
#pragma once

#include "inside/forward/tell.h"
#include "inside/request.h"

// Waits for names and for whoever is to be connected to, for as long as a kernel does: in a process of its
// own. Addresses of a name are tried one after the other, the next one after a quarter of a second or when
// one has failed (RFC 8305).
struct answered connect_inside(const struct request *request);
