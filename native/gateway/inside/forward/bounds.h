// Bounds of the forwards of one connection.
#pragma once

#define MOST_PENDING 64    // connections that are being made
#define MOST_LISTENING 128 // sockets that listen
