#include "auth/pam_process.h"

#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

#define MOST_TEXT 1024

static const struct pam_task *task;
static int monitor_socket;
static char said[MOST_TEXT]; // by PAM, and not yet passed on

static void remember(const char *text) {
    size_t used = strlen(said);
    if (text != NULL)
        (void)snprintf(said + used, sizeof said - used, "%s%s", used > 0 ? "\n" : "", text);
}

// ---- questions -----------------------------------------------------------------------------------------

static bool is_question(const struct pam_message *message) {
    return message->msg_style == PAM_PROMPT_ECHO_OFF || message->msg_style == PAM_PROMPT_ECHO_ON;
}

static void put_prompt(struct wire_writer *writer, const struct pam_message *message) {
    char prompt[MOST_TEXT];
    prompt[0] = message->msg_style == PAM_PROMPT_ECHO_ON ? 1 : 0;
    int length = snprintf(prompt + 1, sizeof prompt - 1, "%s", message->msg != NULL ? message->msg : "");
    size_t size = (size_t)length < sizeof prompt - 1 ? (size_t)length : sizeof prompt - 2;
    wire_put(writer, TAG_GW_PROMPT, prompt, size + 1);
}

static bool put_questions(int count, const struct pam_message **messages) {
    uint8_t bytes[32 * 1024];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_AUTH_ANSWER);
    wire_put_u32(&writer, TAG_CODE, PAM_CODE_PROMPTS);
    wire_put_text(&writer, TAG_TEXT, said);
    said[0] = '\0';
    for (int index = 0; index < count; index++)
        if (is_question(messages[index]))
            put_prompt(&writer, messages[index]);
    return wire_send(monitor_socket, bytes, wire_finish(&writer, 0), NULL, 0) == 0;
}

// As many answers as there were questions, or none.
static bool take_answers(int count, const struct pam_message **messages, struct pam_response *responses) {
    static uint8_t bytes[32 * 1024];
    int fds[WIRE_MAX_FDS], index = 0;
    unsigned fd_count = 0;
    struct wire_reader reader;
    struct wire_field field;
    ssize_t length = wire_receive(monitor_socket, bytes, sizeof bytes, fds, &fd_count);
    bool good = length > 0 && wire_open(&reader, bytes, (size_t)length) && reader.type == MSG_GW_ANSWERS;
    while (good && wire_next(&reader, &field)) {
        if (field.tag != TAG_GW_DATA)
            continue;
        while (index < count && !is_question(messages[index]))
            index++;
        if (index == count || (responses[index].resp = wire_text(&field)) == NULL)
            good = false;
        index++;
    }
    while (index < count && !is_question(messages[index]))
        index++;
    explicit_bzero(bytes, sizeof bytes);
    return good && index == count;
}

static bool ask_user(int count, const struct pam_message **messages, struct pam_response *responses) {
    return task->password == NULL && !task->account && put_questions(count, messages) &&
           take_answers(count, messages, responses);
}

// Who has said a password already has no other answer than that, and only to what is not shown.
static bool answer_alone(int count, const struct pam_message **messages, struct pam_response *responses) {
    for (int index = 0; index < count; index++) {
        if (!is_question(messages[index]))
            continue;
        if (task->password == NULL || messages[index]->msg_style != PAM_PROMPT_ECHO_OFF)
            return false;
        responses[index].resp = strdup(task->password);
    }
    return true;
}

static int converse(int count, const struct pam_message **messages, struct pam_response **responses,
                    void *data) {
    bool asks = false;
    (void)data;
    if (count <= 0 || count > MOST_PROMPTS)
        return PAM_CONV_ERR;
    *responses = calloc((size_t)count, sizeof **responses);
    if (*responses == NULL)
        return PAM_BUF_ERR;
    for (int index = 0; index < count; index++) {
        if (is_question(messages[index]))
            asks = true;
        else
            remember(messages[index]->msg);
    }
    if (!asks || (task->password == NULL ? ask_user(count, messages, *responses)
                                         : answer_alone(count, messages, *responses)))
        return PAM_SUCCESS;
    for (int index = 0; index < count; index++)
        free((*responses)[index].resp);
    free(*responses);
    *responses = NULL;
    return PAM_CONV_ERR;
}

// ---- what comes of it ----------------------------------------------------------------------------------

static _Noreturn void conclude(pam_handle_t *pamh, bool good, int status) {
    uint8_t bytes[MOST_TEXT + 256];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_AUTH_ANSWER);
    wire_put_u32(&writer, TAG_CODE, good && !task->pretend ? PAM_CODE_GOOD : PAM_CODE_BAD);
    if (said[0] != '\0')
        wire_put_text(&writer, TAG_TEXT, said);
    (void)wire_send(monitor_socket, bytes, wire_finish(&writer, 0), NULL, 0);
    if (pamh != NULL)
        (void)pam_end(pamh, status);
    _exit(0);
}

static int check_account(pam_handle_t *pamh) {
    int status = pam_acct_mgmt(pamh, 0);
    if (status != PAM_NEW_AUTHTOK_REQD)
        return status;
    if (!task->account && task->password == NULL)
        return pam_chauthtok(pamh, PAM_CHANGE_EXPIRED_AUTHTOK);
    remember("Your password has expired. Log in with keyboard-interactive to change it.");
    return status;
}

_Noreturn void pam_process(const struct pam_task *given, int socket) {
    pam_handle_t *pamh = NULL;
    const struct pam_conv conversation = {.conv = converse};
    char *info = NULL;
    task = given;
    monitor_socket = socket;
    int status = pam_start(task->service, task->user, &conversation, &pamh);
    if (status != PAM_SUCCESS)
        conclude(NULL, false, status);
    (void)pam_set_item(pamh, PAM_RHOST, task->address);
    (void)pam_set_item(pamh, PAM_TTY, task->terminal);
    if (task->info[0] != '\0' && asprintf(&info, "SSH_AUTH_INFO_0=%s", task->info) >= 0)
        (void)pam_putenv(pamh, info);
    if (!task->account)
        status = pam_authenticate(pamh, PAM_DISALLOW_NULL_AUTHTOK);
    if (status == PAM_SUCCESS)
        status = check_account(pamh);
    conclude(pamh, status == PAM_SUCCESS, status);
}
