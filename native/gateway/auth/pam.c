#include "auth/pam.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/pam_process.h"
#include "cleanup.h"
#include "log.h"
#include "monitor/self.h"
#include "sys.h"

struct conversation {
    struct watch socket;
    struct monitor *monitor;
    pid_t pid;
    bool asked; // the user has not answered yet
};

// ---- a process's life ----------------------------------------------------------------------------------

// PAM's modules have no use for our sockets and host keys.
static _Noreturn void run(const struct pam_task *task, struct host_keys *host_keys, int socket) {
    sigset_t none;
    enum { SOCKET = 3 };
    loop_forget();
    host_keys_close(host_keys);
    if (socket != SOCKET && dup2(socket, SOCKET) < 0)
        _exit(71);
    (void)sys_close_range(SOCKET + 1, ~0u, 0);
    (void)fcntl(SOCKET, F_SETFD, FD_CLOEXEC);
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    pam_process(task, SOCKET);
}

void pam_cancel(struct monitor *monitor) {
    struct conversation *conversation = monitor->auth.conversation;
    if (conversation == NULL)
        return;
    monitor->auth.conversation = NULL;
    (void)kill(conversation->pid, SIGKILL);
    while (waitpid(conversation->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    loop_close(&conversation->socket);
    loop_free_later(conversation);
}

// ---- what it says --------------------------------------------------------------------------------------

static void pass_questions(struct monitor *monitor, struct wire_reader reader) {
    uint8_t bytes[32 * 1024];
    struct wire_writer writer;
    struct wire_field field;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_AUTH_ANSWER);
    wire_put_u32(&writer, TAG_SLOT, monitor->auth.slot);
    while (wire_next(&reader, &field))
        if (field.tag == TAG_CODE || field.tag == TAG_TEXT || field.tag == TAG_GW_PROMPT)
            wire_put(&writer, (enum wire_tag)field.tag, field.value, field.length);
    monitor->state = STATE_PROMPTS;
    monitor->auth.conversation->asked = true;
    monitor_send(monitor, bytes, wire_finish(&writer, 0), NULL, 0);
}

static void end(struct monitor *monitor, bool good, const char *message) {
    pam_cancel(monitor);
    if (good && monitor->auth.method != METHOD_PUBLICKEY)
        auth_note(&monitor->auth, "%s%s\n", method_name(monitor->auth.method),
                  monitor->auth.method == METHOD_KEYBOARD ? "/pam" : "");
    auth_later(monitor, good ? OUTCOME_SUCCESS : OUTCOME_FAILURE, message);
}

static void hear(struct watch *watch, uint32_t events) {
    static uint8_t bytes[32 * 1024];
    struct conversation *conversation = OWNER(watch, struct conversation, socket);
    struct monitor *monitor = conversation->monitor;
    struct asked said = {0};
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    uint32_t code = PAM_CODE_BAD;
    (void)events;
    ssize_t length = wire_receive(watch->fd, bytes, sizeof bytes, fds, &count);
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    if (length <= 0 || !wire_open(&said.fields, bytes, (size_t)length) ||
        !asked_u32(&said, TAG_CODE, &code)) {
        log_line(LOG_ERR, "PAM has ended without an answer, for %s.", monitor->auth.user);
        end(monitor, false, NULL);
        return;
    }
    if (code == PAM_CODE_PROMPTS) {
        pass_questions(monitor, said.fields);
        return;
    }
    cleanup_free char *message = asked_text(&said, TAG_TEXT, 2048);
    end(monitor, code == PAM_CODE_GOOD, message);
}

// ---- what it is asked ----------------------------------------------------------------------------------

static bool begin(struct monitor *monitor, const char *password, bool account) {
    const struct auth *auth = &monitor->auth;
    const struct pam_task task = {.service = monitor->world->settings->pam_service,
                                  .user = auth->user,
                                  .address = monitor->address,
                                  .info = auth->info,
                                  .password = password,
                                  .terminal = monitor->is_web ? "web" : "ssh",
                                  .account = account,
                                  .pretend = !auth->known};
    int pair[2];
    struct conversation *conversation = calloc(1, sizeof *conversation);
    if (task.service == NULL || conversation == NULL ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(conversation);
        return false;
    }
    pid_t pid = fork();
    if (pid == 0)
        run(&task, (struct host_keys *)(uintptr_t)monitor->world->host_keys, pair[1]);
    close_fd(pair[1]);
    *conversation = (struct conversation){.socket = {.ready = hear}, .monitor = monitor, .pid = pid};
    if (!loop_add(&conversation->socket, pair[0], EPOLLIN) || pid < 0) {
        if (pid > 0)
            (void)kill(pid, SIGKILL);
        loop_close(&conversation->socket);
        free(conversation);
        return false;
    }
    monitor->auth.conversation = conversation;
    return true;
}

bool pam_begin(struct monitor *monitor, const char *password) {
    return begin(monitor, password, false);
}

bool pam_check_account(struct monitor *monitor) {
    return begin(monitor, NULL, true);
}

bool pam_answer(struct monitor *monitor, const struct asked *asked) {
    uint8_t bytes[32 * 1024];
    struct conversation *conversation = monitor->auth.conversation;
    struct wire_reader reader = asked->fields;
    struct wire_writer writer;
    struct wire_field field;
    if (conversation == NULL || !conversation->asked)
        return false;
    conversation->asked = false;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_ANSWERS);
    while (wire_next(&reader, &field))
        if (field.tag == TAG_GW_DATA)
            wire_put(&writer, TAG_GW_DATA, field.value, field.length);
    size_t length = wire_finish(&writer, 0);
    bool sent = length > 0 && wire_send(conversation->socket.fd, bytes, length, NULL, 0) == 0;
    explicit_bzero(bytes, sizeof bytes);
    if (!sent)
        end(monitor, false, NULL);
    return true;
}
