// Asks the daemon from inside a sandbox: "dockersh WORD …" there is what "ssh HOST @WORD …" is from outside.
#pragma once

#include <stdbool.h>

// Whether these are words, and there is somebody to ask.
bool ask_is_meant(int argc, char **argv);
_Noreturn void ask_run(int argc, char **argv);
