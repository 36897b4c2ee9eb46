// Keeps the host's own table for private networks: what leaves the pool's addresses is masqueraded, and what
// a sandbox sends is from its own address and for the world behind the host, not for the host, its
// neighbourhood or other sandboxes. It knows links by their name's prefix, and single sandboxes only where
// their policy opens something. The rules inside the sandboxes hold all of this as well: this is the second
// wall, as a flush of the host's rules takes it away for a moment. Used by the daemon, as root, in the host's
// network namespace.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "err.h"
#include "host/settings.h"

#define HOST_TABLE "dockersh"

// Makes it, or takes an existing one's place at once. Where the kernel knows how, the table belongs to
// `socket` (nft_open()) and stays when that is closed: nobody else changes or flushes it meanwhile. Where it
// belongs to another one: EPERM.
int host_table_apply(int socket, const struct host_table *table, struct err *err);
// Whether what an address's own rules let through passes the host's.
int host_table_open(int socket, const struct net_prefix *address, bool open, struct err *err);
// Nothing happens where it is not there.
int host_table_remove(int socket, struct err *err);

// A non-blocking socket that can be read when rules of the host have changed.
int host_table_watch(struct err *err);
// Reads all that is there: whether the table was changed or removed by another socket than `own`, or that
// can't be known.
bool host_table_changed(int watch, int own);
// One datagram of it; `own` is the port of the socket that is not counted.
bool host_table_is_changed_by(const uint8_t *bytes, size_t length, uint32_t own);
