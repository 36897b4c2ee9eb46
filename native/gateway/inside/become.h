// Turns a child of the monitor's into a process of the user's, for good.
#pragma once

struct login;

// With no signal blocked, ignored or handled; the user's ids, no capability, and nothing that could give one
// back. Does not return where that is impossible.
void become_user(const struct login *login);
