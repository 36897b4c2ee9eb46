// dockersh-gateway: an ssh server whose every connection ends in a sandbox. This is its listener: it accepts,
// bounds how many may knock, and gives each connection two processes, one that speaks ssh with a stranger and
// can do nothing else (src/gateway), and one that is root's and decides (monitor/). What they say to each
// other is in docs/protocol.md, section 12.
//
//   dockersh-gateway [--run FOLDER] [--libexec FOLDER] [--host-keys FOLDER] [--client PROGRAM] [--node
//   PROGRAM]
//                    [--script FILE] [--addon FILE]… [--keys FOLDER] [--set NAME[=VALUE[ VALUE…]]]…
//
// Runs as root. With --set it does not ask the daemon for settings: for tests.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "listen/link.h"
#include "listen/listener.h"
#include "log.h"
#include "loop.h"

#define LIBEXEC "/usr/lib/dockersh"
#define MOST_ADDONS 4
#define MOST_SETTINGS 64

struct options {
    struct listener_options listener;
    const char *libexec;
    const char *addons[MOST_ADDONS + 1];
    size_t addon_count;
    char *settings[MOST_SETTINGS];
    size_t setting_count;
};

static struct watch ends;
static bool ready;

// ---- the service manager -------------------------------------------------------------------------------

static void notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (path == NULL || fd < 0 || strlen(path) >= sizeof address.sun_path)
        return;
    (void)strcpy(address.sun_path, path);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
}

static _Noreturn void end(struct watch *watch, uint32_t events) {
    (void)watch;
    (void)events;
    notify("STOPPING=1");
    listener_close();
    exit(0);
}

static int watch_ends(struct err *err) {
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN); // settings come by themselves
    ends.ready = end;
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 ||
        !loop_add(&ends, signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN))
        return err_sys(err, "hear of signals", NULL);
    return 0;
}

// ---- settings ------------------------------------------------------------------------------------------

static void configure(struct settings *settings) {
    struct err err = {0};
    char text[400];
    if (listener_configure(settings, &err) == 0) {
        if (!ready)
            notify("READY=1");
        ready = true;
        return;
    }
    err_text(&err, text, sizeof text);
    log_line(LOG_ERR, "The settings are not taken: %s.", text);
}

// NAME=VALUE VALUE…
static bool set(struct settings *settings, char *text) {
    char *values[MOST_SETTINGS], *rest = strchr(text, '=');
    size_t count = 0;
    if (rest != NULL)
        *rest++ = '\0';
    for (char *value = strtok(rest, " "); rest != NULL && value != NULL; value = strtok(NULL, " "))
        if (count < MOST_SETTINGS)
            values[count++] = value;
    return settings_set(settings, text, values, count);
}

static int configure_alone(struct options *options, struct err *err) {
    struct settings *settings = settings_new();
    if (settings == NULL)
        return err_plain(err, FAILURE_MEMORY, "memory is short", NULL);
    for (size_t index = 0; index < options->setting_count; index++)
        if (!set(settings, options->settings[index]))
            return err_plain(err, FAILURE_USAGE, "this is no setting", options->settings[index]);
    return listener_configure(settings, err);
}

// ---- arguments -----------------------------------------------------------------------------------------

static const char *below(const char *folder, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? name : path;
}

static bool option(struct options *options, const char *name, char *value) {
    struct monitor_world *world = &options->listener.world;
    if (strcmp(name, "--run") == 0)
        world->run_folder = value;
    else if (strcmp(name, "--libexec") == 0)
        options->libexec = value;
    else if (strcmp(name, "--host-keys") == 0)
        options->listener.host_keys_folder = value;
    else if (strcmp(name, "--client") == 0)
        world->client = value;
    else if (strcmp(name, "--node") == 0)
        options->listener.program.node = value;
    else if (strcmp(name, "--script") == 0)
        options->listener.program.script = value;
    else if (strcmp(name, "--web-script") == 0)
        options->listener.web_script = value;
    else if (strcmp(name, "--keys") == 0)
        world->keys_folder = value;
    else if (strcmp(name, "--addon") == 0 && options->addon_count < MOST_ADDONS)
        options->addons[options->addon_count++] = value;
    else if (strcmp(name, "--set") == 0 && options->setting_count < MOST_SETTINGS)
        options->settings[options->setting_count++] = value;
    else
        return false;
    return true;
}

static bool parse(struct options *options, int argc, char **argv) {
    for (int index = 1; index < argc; index += 2)
        if (index + 1 == argc || !option(options, argv[index], argv[index + 1]))
            return false;
    struct gateway_program *program = &options->listener.program;
    if (program->node == NULL)
        program->node = below(options->libexec, "node");
    if (program->script == NULL)
        program->script = below(options->libexec, "dockersh-gateway.js");
    if (options->listener.web_script == NULL)
        options->listener.web_script = below(options->libexec, "dockersh-web.js");
    options->listener.tls_program = below(options->libexec, "dockersh-tls");
    if (options->addon_count == 0)
        options->addons[options->addon_count++] = below(options->libexec, "addon.node");
    program->addons = options->addons;
    options->listener.world.libexec = options->libexec;
    return true;
}

int main(int argc, char **argv) {
    struct err err = {0};
    char text[400];
    static struct options options = {.libexec = LIBEXEC};
    options.listener.host_keys_folder = "/etc/dockersh/gateway";
    options.listener.world.run_folder = "/run/dockersh";
    options.listener.world.client = "/usr/bin/dockersh";
    if (!parse(&options, argc, argv)) {
        (void)fprintf(stderr, "usage: dockersh-gateway [--OPTION VALUE]…; see dockersh-gateway(8)\n");
        return FAILURE_USAGE;
    }
    if (loop_open(&err) == 0 && watch_ends(&err) == 0 && listener_open(&options.listener, &err) == 0) {
        if (options.setting_count == 0)
            link_open(options.listener.world.run_folder, configure);
        if (options.setting_count == 0 || configure_alone(&options, &err) == 0)
            for (;;)
                loop_turn();
    }
    err_text(&err, text, sizeof text);
    log_line(LOG_ERR, "It can't start: %s.", text);
    return FAILURE_SYSTEM;
}
