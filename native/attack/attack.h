// An attack on a sandbox from inside, as a row of a table: tried by dockersh-attack (main.c), which the tests
// and "dockershctl doctor --attack" bring into a sandbox.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Where an attack is made from: what the policy gives the sandbox (nothing, root, nesting, both), and who
// makes it: the sandbox's user, its root, or root of a user namespace that the user has made.
enum place {
    PLAIN_USER = 1,
    ROOT_USER = 2,
    ROOT_ROOT = 4,
    NESTING_USER = 8,
    NESTING_NESTED = 16,
    BOTH_USER = 32,
    BOTH_ROOT = 64,
    BOTH_NESTED = 128,
};
#define ANYWHERE 255u
#define NESTED (NESTING_NESTED | BOTH_NESTED)
#define NOT_NESTED (ANYWHERE & ~NESTED)
#define BY_USER (PLAIN_USER | ROOT_USER | NESTING_USER | BOTH_USER)
#define WITHOUT_NESTING (PLAIN_USER | ROOT_USER | ROOT_ROOT)
#define WITH_NESTING (ANYWHERE & ~WITHOUT_NESTING)
#define WITHOUT_ROOT (PLAIN_USER | NESTING_USER | NESTING_NESTED)

enum result { HELD = 1, OPEN, UNATTEMPTED };

// NOISY: others could feel it where the defence is missing; doctor leaves it out.
enum harm { HARMLESS, NOISY };

struct attack {
    const char *name;  // permanent: words with dashes
    const char *tries; // "mount a tmpfs"
    const char *must;  // what must happen: "is refused"
    unsigned places;   // those that it is made from; elsewhere it is no attack
    enum harm harm;
    // Names of the arguments that it can't be made without, with blanks between: a counterpart outside plays
    // it.
    const char *needs;
    // A file in /proc or /sys that some kernels lack: then there is nothing to attack.
    const char *kernel_file;
    enum result (*run)(const struct attack *);
    const void *with; // of a row of a table of many
};

struct family {
    const struct attack *attacks;
    size_t count;
};

// For each file of attacks, its table.
#define FAMILY(rows)                                                                                         \
    { .attacks = (rows), .count = sizeof(rows) / sizeof(rows)[0] }
extern const struct family calls_family;
extern const struct family call_arguments_family;
extern const struct family mounts_family;
extern const struct family ids_family;
extern const struct family kernel_files_family;
extern const struct family processes_family;
extern const struct family descriptors_family;
extern const struct family namespaces_family;
extern const struct family nested_family;
extern const struct family outside_family;
extern const struct family host_family;
extern const struct family files_family;
extern const struct family counters_family;
extern const struct family network_family;
extern const struct family keeper_family;

// What an attack returns, with a word on why. A defence that held because there was nothing to attack is
// none: that is `unattempted`.
__attribute__((format(printf, 1, 2))) enum result held(const char *format, ...);
__attribute__((format(printf, 1, 2))) enum result broken(const char *format, ...);
__attribute__((format(printf, 1, 2))) enum result unattempted(const char *format, ...);

// The result of a call that must fail, whatever the reason.
enum result refused(long result, const char *what);
// That must fail with this error: with another one it came further than it may.
enum result refused_as(long result, int number, const char *what);

// Tries every call that takes the number of a process.
enum result reach_number(pid_t pid);

// Whether a call came back as the filter's refusals do: EPERM or ENOSYS.
bool refused_by_filter(long result);

// The value of an argument NAME=VALUE; NULL where there is none.
const char *argument(const char *name);
long argument_number(const char *name);

// The place that the attack is made from.
extern enum place place;

// Whether the kernel has no such file, as whoever brought us in has seen outside.
bool kernel_lacks(const char *path);

// What comes of an attack on such a file that is not there.
enum result absent(const char *path);
// Whether the policy gives the sandbox this.
bool given(const char *key, const char *value);

// The whole of a small file, ended by a zero; -1 with errno.
ssize_t read_text(const char *path, char *text, size_t size);
// Writes to a file that there is; -1 with errno.
int write_text(const char *path, const char *text);
// That a file which there is can be opened neither for writing nor for more of it.
enum result unwritable(const char *path, const char *text);
// That a file which there is can't be read.
enum result unreadable(const char *path);
// "Cap…", "NoNewPrivs" and others of /proc/PID/status; false where there is none.
bool status_field(const char *process, const char *name, char *value, size_t size);
// Runs `work` in a child; its exit status, or 256 + the signal that ended it, or -1.
int in_child(int (*work)(void *), void *data);
