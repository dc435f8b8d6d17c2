/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Blocking Varlink client for cvmctl and tests: one connection, one call at a time.
 *
 * Errors of the peer (typed) and of the connection (CVM_ERROR_SYSTEM) both land in CvmError. A
 * reply of more than WIRE_CLIENT_MESSAGE_MAX bytes or one that is not Varlink ends the connection.
 */

#include <json-c/json.h>

#include "base/error.h"

#define WIRE_CLIENT_MESSAGE_MAX (64u << 20)

typedef struct WireClient WireClient;

/* -ENOENT or -ECONNREFUSED: nobody listens there; -ENAMETOOLONG: over 107 bytes. */
int wire_client_connect(const char *path, WireClient **ret, CvmError *error);
WireClient *wire_client_free(WireClient *client);
DEFINE_CLEANUP(WireClient *, wire_client_free)
/* The connection's descriptor, borrowed, for poll(2) together with others. */
int wire_client_fd(const WireClient *client);

/* Milliseconds for each wait on the peer; -1 (default): no limit. */
void wire_client_set_timeout(WireClient *client, int msec);
/* A pipe or socket that the caller writes the replies to, borrowed; -1 (default): none. If its
 * reader goes, wire_client_next() returns -EPIPE instead of waiting for the peer. */
void wire_client_set_output(WireClient *client, int fd);

/* A plain call. Takes parameters (NULL: {}); fds are borrowed and sent with the message's first
 * byte. ret_reply (the parameters, never NULL on success) may be NULL. */
int wire_client_call(WireClient *client, const char *method, json_object *parameters,
                     const int *fds, size_t n_fds, json_object **ret_reply, CvmError *error);

/* A call with `more`: begin, then one wire_client_next() a reply. */
int wire_client_begin(WireClient *client, const char *method, json_object *parameters,
                      const int *fds, size_t n_fds, CvmError *error);
/* 1: a reply that is continued, 0: the last reply, negative: error. -EINTR when a signal came (the
 * call continues with the next wire_client_next()). */
int wire_client_next(WireClient *client, json_object **ret_reply, CvmError *error);
/* Whether wire_client_next() has a whole reply at hand, of which poll(2) would say nothing. */
bool wire_client_has_reply(const WireClient *client);

/* A call with `upgrade`: on success the client is spent, and the caller owns the socket and the
 * bytes that came after the reply. */
int wire_client_upgrade(WireClient *client, const char *method, json_object *parameters,
                        int *ret_fd, char **ret_early, size_t *ret_n_early, CvmError *error);
