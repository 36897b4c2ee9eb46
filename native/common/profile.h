// Enters an AppArmor profile of the package (packaging/apparmor), where the host has loaded it. It
// is one wall more: a host that has not loaded them, or no AppArmor, or confines the daemon by profiles of
// its own, has the others.
#pragma once

// For profile_enter(), by whoever will have no /proc then; `program` is the one that runs.
int profile_open(const char *program);

// Closes what profile_open() has opened. With no_new_privs only from no profile at all.
void profile_enter(int *attribute, const char *profile);
