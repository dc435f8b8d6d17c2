/* SPDX-License-Identifier: Apache-2.0 */
#include "given.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/text.h"

/* The purposes count with their NUL, which ends them. */
static const char purpose_proof[] = "cvm-agent proof";
static const char purpose_variable[] = "cvm-agent variable";
static const char purpose_cert[] = "cvm-agent certificate";

static void begin(Mac *mac, const uint8_t key[static MAC_KEY_SIZE], const char *purpose,
                  const Request *request)
{
        mac_init(mac, key);
        mac_add(mac, purpose, strlen(purpose) + 1);
        mac_add(mac, request->nonce, sizeof(request->nonce));
}

/* The guest's key. Returns NULL, or why it has none. */
static const char *find_key(const Environment *environment, uint8_t ret[static MAC_KEY_SIZE])
{
        const char *text = NULL;

        for (size_t i = 0; i < environment->n_variables; i++)
                if (strcmp(environment->variables[i].name, GIVEN_KEY) == 0)
                        text = environment->variables[i].value;
        if (!text)
                return "proof: this guest was given no " GIVEN_KEY;
        if (text_unhex(text, ret, MAC_KEY_SIZE) < 0)
                return "proof: this guest's " GIVEN_KEY " is not 64 hex digits";
        return NULL;
}

const char *given_check(const Environment *environment, const Request *request,
                        uint8_t ret[static MAC_KEY_SIZE])
{
        uint8_t key[MAC_KEY_SIZE], expected[sizeof(request->proof)];
        const char *reason = find_key(environment, key);
        char hex[MAC_HEX_SIZE];
        Mac mac;

        if (reason)
                return reason;
        begin(&mac, key, purpose_proof, request);
        mac_finish(&mac, hex);
        if (text_unhex(hex, expected, sizeof(expected)) < 0 ||
            CRYPTO_memcmp(expected, request->proof, sizeof(expected)) != 0)
                reason = "proof: does not match the nonce and this guest's " GIVEN_KEY;
        else
                memcpy(ret, key, sizeof(key));
        explicit_bzero(key, sizeof(key));
        explicit_bzero(expected, sizeof(expected));
        explicit_bzero(hex, sizeof(hex));
        return reason;
}

json_object *given_environment(const Environment *environment, const Request *request,
                               const uint8_t key[static MAC_KEY_SIZE])
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < environment->n_variables; i++) {
                const EnvironmentVariable *variable = environment->variables + i;
                char hex[MAC_HEX_SIZE];
                Mac mac;

                begin(&mac, key, purpose_variable, request);
                mac_add(&mac, variable->name, strlen(variable->name) + 1);
                mac_add(&mac, variable->value, strlen(variable->value));
                mac_finish(&mac, hex);
                json_object_array_add(array,
                                      json_build("name", json_object_new_string(variable->name),
                                                 "hmac", json_object_new_string(hex), NULL));
        }
        return array;
}

static int is_visible(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

#define NOT_REGULAR (-EBADF) /* which no openat() below an open directory returns */

/* A descriptor, NOT_REGULAR, or another error, which is to be shown. */
static int open_cert(int directory, const char *name)
{
        _cleanup_close_ int fd =
                openat(directory, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return NOT_REGULAR;
        return TAKE_FD(fd);
}

static json_object *show_cert(int fd, const char *name, const Request *request,
                              const uint8_t key[static MAC_KEY_SIZE])
{
        char hex[MAC_HEX_SIZE];
        size_t size;
        Mac mac;
        int r = fd;

        if (fd >= 0) {
                begin(&mac, key, purpose_cert, request);
                mac_add(&mac, name, strlen(name) + 1);
                r = mac_add_file(&mac, fd, GIVEN_CERT_MAX, &size);
                mac_finish(&mac, hex);
        }
        if (r < 0)
                return json_build("name", json_new_text(name), "error",
                                  json_object_new_string(strerror(-r)), NULL);
        return json_build("name", json_new_text(name), "hmac", json_object_new_string(hex), "size",
                          json_object_new_int64((int64_t)size), NULL);
}

/* Adds to `array` where it is not NULL. Returns how many there are. */
static size_t read_certs(const char *path, json_object *array, const Request *request,
                         const uint8_t *key)
{
        _cleanup_close_ int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent **entries = NULL;
        int n = directory < 0 ? 0 : scandirat(directory, ".", &entries, is_visible, by_bytes);
        size_t count = 0;

        for (int i = 0; i < n; i++) {
                const char *name = entries[i]->d_name;
                _cleanup_close_ int fd =
                        i < GIVEN_CERTS_MAX ? open_cert(directory, name) : NOT_REGULAR;

                if (fd != NOT_REGULAR) {
                        count++;
                        if (array)
                                json_object_array_add(array, show_cert(fd, name, request, key));
                }
                free(entries[i]);
        }
        free(entries);
        return count;
}

json_object *given_certs(const char *path, const Request *request,
                         const uint8_t key[static MAC_KEY_SIZE])
{
        json_object *array = json_object_new_array();

        if (array)
                read_certs(path, array, request, key);
        return array;
}

size_t given_count_certs(const char *path)
{
        return read_certs(path, NULL, NULL, NULL);
}
