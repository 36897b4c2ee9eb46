#include "dns/servers.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

bool server_of_text(struct server *server, const char *text, servers_interface *interface) {
    char copy[INET6_ADDRSTRLEN + 17];
    size_t length = strlen(text);
    memset(server, 0, sizeof *server);
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length + 1);
    if (inet_pton(AF_INET, copy, &server->address.four.sin_addr) == 1) {
        server->address.four.sin_family = AF_INET;
        server->address.four.sin_port = htons(DNS_PORT);
        server->size = sizeof server->address.four;
        return true;
    }
    char *zone = strchr(copy, '%');
    if (zone != NULL)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, copy, &server->address.six.sin6_addr) != 1)
        return false;
    server->address.six.sin6_family = AF_INET6;
    server->address.six.sin6_port = htons(DNS_PORT);
    server->address.six.sin6_scope_id = zone == NULL ? 0 : interface(zone);
    server->size = sizeof server->address.six;
    return true;
}

struct servers *servers_new(void) {
    struct servers *servers = calloc(1, sizeof *servers);
    if (servers != NULL)
        servers->users = 1;
    return servers;
}

struct servers *servers_use(struct servers *servers) {
    if (servers != NULL)
        servers->users++;
    return servers;
}

void servers_leave(struct servers *servers) {
    if (servers != NULL && --servers->users == 0)
        free(servers);
}

struct servers *servers_of_file(const char *text, servers_interface *interface) {
    static const char blank[] = " \t\r";
    struct servers *servers = servers_new();
    cleanup_free char *copy = strdup(text);
    if (servers == NULL || copy == NULL) {
        servers_leave(servers);
        return NULL;
    }
    char *rest = copy, *line;
    while ((line = strsep(&rest, "\n")) != NULL && servers->count < MOST_SERVERS) {
        char *word = strsep(&line, blank);
        if (strcmp(word, "nameserver") != 0 || line == NULL)
            continue;
        line += strspn(line, blank);
        word = strsep(&line, " \t\r#;");
        if (server_of_text(&servers->list[servers->count], word, interface))
            servers->count++;
    }
    if (servers->count == 0 && server_of_text(&servers->list[0], "127.0.0.1", interface))
        servers->count = 1;
    return servers;
}
