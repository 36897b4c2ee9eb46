// Enters the AppArmor profile of a job (packaging/apparmor/dockersh-layer), where the host has loaded it. It
// is one wall more: a host that has not loaded them, or no AppArmor, or confines the daemon by profiles of
// its own, has the others.
#pragma once

// For profile_enter(), by whoever will have no /proc then.
int profile_open(void);

// Closes what profile_open() has opened. With no_new_privs only from no profile at all.
void profile_enter(int *attribute, const char *job);
