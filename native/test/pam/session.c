// Stands in sshd's place: opens a session of a PAM service as sshd's monitor does, forks a child that becomes
// the user and runs a command, waits for it, and closes the session. For the tests of native/pam.
//
//   session SERVICE USER [--root | --look | --stay] [COMMAND [ARG …]]
//
// `--root`: the command runs as the monitor itself would, as root. `--look`: the child says what else it has
// open than the standard descriptors. `--stay`: it does nothing for a minute, and executes nothing. Without a
// command it waits for its standard input to end, as a connection with nothing but forwards does. The exit
// status is the command's; 254 where the session could not be opened, 251 where the close did not lead back.
#include <grp.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int converse(int count, const struct pam_message **messages, struct pam_response **answers,
                    void *data) {
    (void)data;
    for (int index = 0; index < count; index++)
        (void)fprintf(stderr, "%s\n", messages[index]->msg);
    *answers = calloc((size_t)count, sizeof **answers);
    return *answers != NULL ? PAM_SUCCESS : PAM_BUF_ERR;
}

struct places {
    struct stat namespaces[3];
};

static void look_where(struct places *places) {
    static const char *const names[] = {"/proc/self/ns/mnt", "/proc/self/ns/net", "/proc/self/ns/uts"};
    for (int index = 0; index < 3; index++)
        if (stat(names[index], &places->namespaces[index]) != 0)
            places->namespaces[index].st_ino = 0;
}

static bool is_same(const struct places *one, const struct places *other) {
    for (int index = 0; index < 3; index++)
        if (one->namespaces[index].st_ino == 0 ||
            one->namespaces[index].st_ino != other->namespaces[index].st_ino)
            return false;
    return true;
}

static _Noreturn void look_at_descriptors(void) {
    struct stat info;
    for (int fd = 3; fd < 1024; fd++)
        if (fstat(fd, &info) == 0)
            (void)printf("%s\n", S_ISSOCK(info.st_mode)   ? "socket"
                                 : S_ISFIFO(info.st_mode) ? "pipe"
                                                          : "file");
    (void)fflush(stdout);
    _exit(0);
}

static _Noreturn void run(const struct passwd *account, bool root, char **command, char **environment) {
    char byte;
    if (!root && (initgroups(account->pw_name, account->pw_gid) != 0 ||
                  setresgid(account->pw_gid, account->pw_gid, account->pw_gid) != 0 ||
                  setresuid(account->pw_uid, account->pw_uid, account->pw_uid) != 0))
        _exit(253);
    if (command[0] != NULL && strcmp(command[0], "--stay") == 0) {
        (void)sleep(60);
        _exit(0);
    }
    for (; environment != NULL && *environment != NULL; environment++)
        (void)putenv(*environment);
    if (command[0] == NULL) {
        while (read(0, &byte, 1) > 0)
            ;
        _exit(0);
    }
    (void)execvp(command[0], command);
    _exit(127);
}

int main(int argc, char **argv) {
    pam_handle_t *pamh = NULL;
    const struct pam_conv conversation = {.conv = converse};
    int status = 0;
    if (argc < 3 || pam_start(argv[1], argv[2], &conversation, &pamh) != PAM_SUCCESS)
        return 255;
    struct passwd *account = getpwnam(argv[2]);
    struct places before, after;
    look_where(&before);
    (void)pam_set_item(pamh, PAM_RHOST, "192.0.2.7");
    (void)pam_putenv(pamh, "SSH_AUTH_INFO_0=publickey ssh-ed25519 AAAA");
    if (account == NULL || pam_open_session(pamh, 0) != PAM_SUCCESS)
        return 254;
    bool root = argc > 3 && strcmp(argv[3], "--root") == 0;
    bool look = argc > 3 && strcmp(argv[3], "--look") == 0;
    (void)printf("open\n");
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0 && look)
        look_at_descriptors();
    if (child == 0)
        run(account, root, argv + (root ? 4 : 3), pam_getenvlist(pamh));
    if (child < 0 || waitpid(child, &status, 0) != child)
        status = 255 << 8;
    int closed = pam_close_session(pamh, 0);
    (void)pam_end(pamh, closed);
    look_where(&after);
    if (!is_same(&before, &after))
        return 251;
    return closed != PAM_SUCCESS ? 252 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
