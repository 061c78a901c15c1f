/* Mbed TLS 2.28 on both sides: what later stacks no longer speak, truncated_hmac (RFC 6066). See mbedtls_story.py.
 *
 * mbedtls_peer serve CERTIFICATES KEY REQUEST ANSWER
 * mbedtls_peer ask HOST REQUEST SUITE [truncated-hmac] [no-etm] [tls1.0] [short-records]
 */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT "443"

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_source;
static mbedtls_ssl_config config;

static void need(int status, const char *what)
{
    if (status != 0) {
        fprintf(stderr, "%s: -0x%04x\n", what, -status);
        exit(1);
    }
}

static void prepare(int endpoint)
{
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random_source);
    need(mbedtls_ctr_drbg_seed(&random_source, mbedtls_entropy_func, &entropy, NULL, 0), "seed");
    mbedtls_ssl_config_init(&config);
    need(mbedtls_ssl_config_defaults(&config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT), "defaults");
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random_source);
    mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_1);
}

/* Say one thing, or hear it, and then the other. */
static void talk(mbedtls_net_context *link, const char *host, const char *says, size_t hears)
{
    static unsigned char heard[1 << 16];
    mbedtls_ssl_context ssl;
    size_t got = 0, said = 0;
    int status;

    mbedtls_ssl_init(&ssl);
    need(mbedtls_ssl_setup(&ssl, &config), "setup");
    if (host != NULL) {
        need(mbedtls_ssl_set_hostname(&ssl, host), "host name");
    }
    mbedtls_ssl_set_bio(&ssl, link, mbedtls_net_send, mbedtls_net_recv, NULL);
    if (mbedtls_ssl_handshake(&ssl) == 0) {
        while (host == NULL && got < hears && (status = mbedtls_ssl_read(&ssl, heard, sizeof heard)) > 0) {
            got += status;
        }
        while (said < strlen(says)) {
            if ((status = mbedtls_ssl_write(&ssl, (const unsigned char *) says + said, strlen(says) - said)) <= 0) {
                break;
            }
            said += status;
        }
        while (host != NULL && (status = mbedtls_ssl_read(&ssl, heard, sizeof heard)) > 0) {
        }
        mbedtls_ssl_close_notify(&ssl);
    }
    mbedtls_ssl_free(&ssl);
}

static void serve(char **arguments)
{
    mbedtls_net_context listener, link;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;

    prepare(MBEDTLS_SSL_IS_SERVER);
    mbedtls_x509_crt_init(&chain);
    mbedtls_pk_init(&key);
    need(mbedtls_x509_crt_parse_file(&chain, arguments[0]), "certificates");
    need(mbedtls_pk_parse_keyfile(&key, arguments[1], NULL), "key");
    need(mbedtls_ssl_conf_own_cert(&config, &chain, &key), "own certificate");
    mbedtls_ssl_conf_truncated_hmac(&config, MBEDTLS_SSL_TRUNC_HMAC_ENABLED);
    mbedtls_net_init(&listener);
    need(mbedtls_net_bind(&listener, NULL, PORT, MBEDTLS_NET_PROTO_TCP), "bind");
    for (;;) {
        mbedtls_net_init(&link);
        need(mbedtls_net_accept(&listener, &link, NULL, 0, NULL), "accept");
        talk(&link, NULL, arguments[3], strlen(arguments[2]));
        mbedtls_net_free(&link);
    }
}

static void ask(int count, char **arguments)
{
    static int suites[2];
    mbedtls_net_context link;

    prepare(MBEDTLS_SSL_IS_CLIENT);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    suites[0] = mbedtls_ssl_get_ciphersuite_id(arguments[2]);
    need(suites[0] == 0, arguments[2]);
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    for (int index = 3; index < count; index++) {
        if (strcmp(arguments[index], "truncated-hmac") == 0) {
            mbedtls_ssl_conf_truncated_hmac(&config, MBEDTLS_SSL_TRUNC_HMAC_ENABLED);
        } else if (strcmp(arguments[index], "no-etm") == 0) {
            mbedtls_ssl_conf_encrypt_then_mac(&config, MBEDTLS_SSL_ETM_DISABLED);
        } else if (strcmp(arguments[index], "tls1.0") == 0) {
            mbedtls_ssl_conf_max_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_1);
        } else if (strcmp(arguments[index], "short-records") == 0) {
            need(mbedtls_ssl_conf_max_frag_len(&config, MBEDTLS_SSL_MAX_FRAG_LEN_512), "short records");
        }
    }
    mbedtls_net_init(&link);
    need(mbedtls_net_connect(&link, arguments[0], PORT, MBEDTLS_NET_PROTO_TCP), "connect");
    talk(&link, arguments[0], arguments[1], 0);
    mbedtls_net_free(&link);
}

int main(int count, char **arguments)
{
    if (count > 5 && strcmp(arguments[1], "serve") == 0) {
        serve(arguments + 2);
    } else if (count > 4 && strcmp(arguments[1], "ask") == 0) {
        ask(count - 2, arguments + 2);
    }
    return 0;
}
