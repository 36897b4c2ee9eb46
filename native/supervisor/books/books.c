#include "books/books.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "shared.h"
#include "variables.h"

#define FILE_PATH "/run/utmp"
#define FOLDER_PATH "/run/systemd/sessions"
#define USER_PROCESS 7

// As glibc has it (utmp(5)), which the programs of most images are linked with: ours is another library.
// Where 32-bit programs run beside 64-bit ones, these share the layout with them.
#if defined(__x86_64__)
typedef int32_t utmp_long;
#else
typedef int64_t utmp_long;
#endif

struct record {
    int16_t type;
    int16_t padding;
    int32_t pid;
    char line[32];
    char id[4];
    char user[32];
    char host[256];
    int16_t termination, exit;
    utmp_long session;
    utmp_long seconds, microseconds;
    int32_t address[4];
    char unused[20];
};

#if defined(__x86_64__)
_Static_assert(sizeof(struct record) == 384, "as glibc has it");
#else
_Static_assert(sizeof(struct record) == 400, "as glibc has it");
#endif

void books_make(int run, uid_t uid, gid_t gid) {
    // With room for all sessions: what others append (screen) comes behind.
    cleanup_fd int file = openat(run, "utmp", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file >= 0 &&
        (ftruncate(file, MAX_SESSIONS * sizeof(struct record)) != 0 || fchown(file, uid, gid) != 0))
        (void)unlinkat(run, "utmp", 0);
    if (mkdirat(run, "systemd", 0755) == 0 && mkdirat(run, "systemd/sessions", 0755) == 0)
        (void)fchownat(run, "systemd/sessions", uid, gid, AT_SYMLINK_NOFOLLOW);
}

// Only what the user owns: another file may be one of the host's that the policy shows inside.
static int open_own(const char *path, int flags, mode_t kind) {
    cleanup_fd int fd = openat(AT_FDCWD, path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_uid != geteuid() || (info.st_mode & S_IFMT) != kind)
        return -1;
    return take_fd(&fd);
}

// The client's address is the first word. Where it is none, none is shown.
static void read_address(struct record *record, const char *connection) {
    char host[INET6_ADDRSTRLEN];
    size_t length = connection != NULL ? strcspn(connection, " ") : 0;
    if (length == 0 || length >= sizeof host)
        return;
    memcpy(host, connection, length);
    host[length] = '\0';
    if (inet_pton(AF_INET, host, record->address) == 1 || inet_pton(AF_INET6, host, record->address) == 1)
        memcpy(record->host, host, length);
}

static void put_file(const struct record *record, unsigned slot, uid_t uid) {
    char text[1024], name[16], hidden[17];
    cleanup_fd int folder = open_own(FOLDER_PATH, O_RDONLY | O_DIRECTORY, S_IFDIR);
    if (folder < 0)
        return;
    int length = snprintf(text, sizeof text,
                          "UID=%u\nUSER=%s\nACTIVE=1\nSTATE=active\nREMOTE=%d\nTYPE=tty\nCLASS=user\nTTY=%s\n"
                          "REMOTE_HOST=%s\nLEADER=%d\nREALTIME=%lld%06lld\n",
                          (unsigned)uid, record->user, record->host[0] != '\0', record->line, record->host,
                          (int)record->pid, (long long)record->seconds, (long long)record->microseconds);
    (void)snprintf(name, sizeof name, "%u", slot + 1);
    (void)snprintf(hidden, sizeof hidden, ".%s", name);
    // Whoever reads meanwhile sees all of it or nothing.
    cleanup_fd int file =
        openat(folder, hidden, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    if (file >= 0 && write(file, text, (size_t)length) == length)
        (void)renameat(folder, hidden, folder, name);
}

pid_t books_enter(char *const *environment, unsigned slot, int terminal) {
    struct record record = {.type = USER_PROCESS, .pid = getpid()};
    struct timespec now;
    const char *user = variable_of(environment, "LOGNAME=");
    cleanup_fd int file = terminal >= 0 && user != NULL ? open_own(FILE_PATH, O_WRONLY, S_IFREG) : -1;
    if (file < 0)
        return 0;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    record.seconds = (utmp_long)now.tv_sec;
    record.microseconds = (utmp_long)(now.tv_nsec / 1000);
    int length = snprintf(record.line, sizeof record.line, "pts/%d", terminal);
    memcpy(record.id, record.line + length - sizeof record.id, sizeof record.id); // as login(1) and sshd do
    (void)snprintf(record.user, sizeof record.user, "%s", user);
    read_address(&record, variable_of(environment, "SSH_CONNECTION="));
    if (pwrite(file, &record, sizeof record, (off_t)(slot * sizeof record)) != sizeof record)
        return 0;
    put_file(&record, slot, geteuid());
    return record.pid;
}

static void clear(int file, int folder, unsigned slot) {
    static const struct record none;
    char name[16];
    (void)snprintf(name, sizeof name, "%u", slot + 1);
    (void)!pwrite(file, &none, sizeof none, (off_t)(slot * sizeof none));
    if (folder >= 0)
        (void)unlinkat(folder, name, 0);
}

_Noreturn void books_leave(unsigned slot, pid_t pid) {
    static struct record records[MAX_SESSIONS];
    int file = open_own(FILE_PATH, O_RDWR, S_IFREG);
    int folder = open_own(FOLDER_PATH, O_RDONLY | O_DIRECTORY, S_IFDIR);
    ssize_t got = file >= 0 ? pread(file, records, sizeof records, 0) : 0;
    for (unsigned index = 0; got > 0 && index < (size_t)got / sizeof records[0]; index++) {
        const struct record *record = &records[index];
        // Its leader is a zombie still. Of others nothing is left where nobody could be sent to clear them.
        bool ended = index == slot && record->pid == pid;
        if (record->type == USER_PROCESS && record->pid > 0 &&
            (ended || (kill(record->pid, 0) != 0 && errno == ESRCH)))
            clear(file, folder, index);
    }
    _exit(0);
}
