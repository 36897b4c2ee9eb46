// Sockets that listen inside for an ssh connection: ports of the loopback, paths, its agent's, and displays
// of X11.
#pragma once

#include "inside/forward/tell.h"
#include "inside/request.h"

// The socket is to be closed when it has been handed on. What has a path is remembered by the request's slot.
struct answered listen_inside(const struct request *request);
// Takes its path away.
void listen_close(uint32_t slot);
void listen_close_all(void);
