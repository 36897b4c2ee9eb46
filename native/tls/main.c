// dockersh-tls: speaks TLS with one client of the gateway's web page, whom nobody knows yet, and passes on
// what is in it to the connection process, which so never has the certificate's key. It is started as root by
// the gateway's listener, for each connection, and gives up all it can before it hears of the client.
//
//   dockersh-tls ID
//
// runs as ID. Descriptor 3 is the client's connection, 4 that to the connection process, and 5 has the
// certificates and the key (PEM).
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "pump.h"
#include "rights.h"

enum { CLIENT = 3, PLAIN = 4, PAIR = 5 };
#define MOST_BYTES (256 * 1024)

static _Noreturn void fail(const char *what) {
    (void)dprintf(STDERR_FILENO, "dockersh-tls[%d]: A connection is dropped: %s.\n", (int)getpid(), what);
    exit(71);
}

static int no_password(char *buffer, int size, int writing, void *data) {
    (void)buffer, (void)size, (void)writing, (void)data;
    return -1;
}

// The first certificate is ours, the others lead to whom clients trust.
static bool take_certificates(SSL_CTX *context, const char *bytes, size_t length) {
    BIO *bio = BIO_new_mem_buf(bytes, (int)length);
    bool any = false, good = bio != NULL;
    for (X509 *one; good && (one = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL;) {
        if (!any)
            good = SSL_CTX_use_certificate(context, one) == 1;
        else
            good = SSL_CTX_add1_chain_cert(context, one) == 1;
        any = true;
        X509_free(one);
    }
    BIO_free(bio);
    ERR_clear_error();
    return any && good;
}

static bool take_key(SSL_CTX *context, const char *bytes, size_t length) {
    BIO *bio = BIO_new_mem_buf(bytes, (int)length);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    bool good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return good;
}

static void take_pair(SSL_CTX *context) {
    static char bytes[MOST_BYTES];
    size_t length = 0;
    for (ssize_t count; length < sizeof bytes; length += (size_t)count)
        if ((count = pread(PAIR, bytes + length, sizeof bytes - length, (off_t)length)) <= 0)
            break;
    bool good = take_certificates(context, bytes, length) && take_key(context, bytes, length);
    explicit_bzero(bytes, sizeof bytes);
    (void)close(PAIR);
    if (!good)
        fail("its certificate or key is not understood");
}

// Browsers ask for HTTP/2 first, and take what they are offered.
static int choose_protocol(SSL *session, const unsigned char **chosen, unsigned char *length,
                           const unsigned char *offered, unsigned offered_length, void *data) {
    static const unsigned char http[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char *found = NULL;
    (void)session, (void)data;
    if (SSL_select_next_proto(&found, length, http, sizeof http, offered, offered_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_context(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        fail("TLS can't be set up");
    // No session is taken up again: the next connection has another process.
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(context, 0);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return context;
}

int main(int argc, char **argv) {
    struct err err = {0};
    char text[400];
    unsigned long id = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (id == 0 || id > 0x7fffffff)
        fail("the id to run as is none");
    (void)signal(SIGPIPE, SIG_IGN);
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    SSL_CTX *context = make_context();
    take_pair(context);
    SSL *session = SSL_new(context);
    if (session == NULL || SSL_set_fd(session, CLIENT) != 1)
        fail("memory is short");
    if (rights_drop((uid_t)id, &err) != 0) {
        err_text(&err, text, sizeof text);
        fail(text);
    }
    ERR_clear_error();
    if (pump_handshake(session, CLIENT, PLAIN))
        pump_run(session, CLIENT, PLAIN);
    return 0;
}
