// The process that makes connections and sockets for one ssh connection in its sandbox: in the view that its
// monitor is in, as the user, with no capability and few system calls. It hands what it has made to the
// monitor.
#pragma once

struct login;

// Never returns. `socket`: to the monitor; `witness`: by which the connection counts for as long as this
// process is there.
_Noreturn void forwarder_run(const struct login *login, int socket, int witness);
