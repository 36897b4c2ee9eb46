// Enters an AppArmor profile of the package (packaging/apparmor), where the host has loaded it. It is an
// additional wall: a host that has not loaded the profiles, has no AppArmor, or confines the daemon by
// profiles of its own still has all the others.
#pragma once

// For profile_enter(), by whoever will have no /proc then; `program` is the one that runs.
int profile_open(const char *program);

// Closes what profile_open() has opened. With no_new_privs only from no profile at all.
void profile_enter(int *attribute, const char *profile);
