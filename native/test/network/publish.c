// Publishes ports of a network namespace in the one that it is run in, for the integration tests: reads plans
// from standard input, each a line of what NET_PUBLISH holds separated by commas, and says "ok" or why not.
//
//   publish NAMESPACE UID
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "network/publish.h"
#include "supervisor.h"
#include "wire.h"

static struct net_plan read_plan(char *line) {
    struct net_plan plan = {0};
    for (char *rest = line, *one; (one = strsep(&rest, ",\n")) != NULL;) {
        const struct wire_field field = {
            .tag = TAG_NET_PUBLISH, .length = (uint32_t)strlen(one), .value = (const uint8_t *)one};
        if (field.length > 0 && net_plan_field(&plan, &field) != 1)
            (void)printf("not understood: %s\n", one);
    }
    return plan;
}

int main(int argc, char **argv) {
    struct publisher publisher = PUBLISHER_NONE;
    char line[65536];
    int network = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    if (network < 0) {
        perror("publish");
        return 1;
    }
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    while (fgets(line, sizeof line, stdin) != NULL) {
        char text[512];
        struct err err = {0};
        struct net_plan plan = read_plan(line);
        if (publisher.pid > 0 && waitpid(publisher.pid, NULL, WNOHANG) == publisher.pid)
            publish_lost(&publisher);
        if (publish_apply(&publisher, &plan, network, NULL, (uid_t)strtoul(argv[2], NULL, 10), &err) == 0)
            (void)printf("ok %d\n", (int)publisher.pid);
        else {
            err_text(&err, text, sizeof text);
            (void)printf("failed %d %s\n", (int)err.code, text);
        }
        net_plan_free(&plan);
    }
    publish_end(&publisher);
    return 0;
}
