/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The methods of io.cvmd.Manager, one handler each; userdata is the Manager. api_methods.c holds
 * the table, api.c what the handlers share.
 *
 * A handler is a WireHandler (wire/server.h). It returns 0 once it has ended its call or has
 * arranged that a callback will. It returns -errno with the error set if it cannot: the server then
 * answers, so a handler never calls wire_call_error() itself. A callback that finds out later that
 * the call fails does, once.
 */

#include "base/json.h"
#include "manager/manager.h"
#include "wire/server.h"

extern const WireInterface api_interface;

/* api_host.c */
int api_describe_host(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_launch.c */
int api_launch(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_render(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_spec.c: the parameter `spec` of a call, parsed before its handler (WirePrepare) and wiped. */
void *api_spec_prepare(json_object *parameters);
void api_spec_free(void *data);
/* Returns 0, or -errno with the error set; errors of the call name the spec's CVM from then on.
 * Once, and only where the parameter is an object.
 * *ret_digests: request_digest() of the spec of a call that has an id, else NULL; ret_digests may
 * be NULL. */
int api_spec_take(WireCall *call, CvmSpec **ret, json_object **ret_digests, CvmError *error);
/* api_life.c */
int api_stop(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_pause(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_resume(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_remove(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_restart.c */
int api_restart(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_update.c */
int api_update(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_measure.c */
int api_measure(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_timeline.c */
int api_timeline(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_list.c */
int api_status(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_list(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_list_templates(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_list_images(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_list_artifacts(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_metrics.c */
int api_metrics(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* From now on the calls on this server are counted; interface: the manager's. */
void api_observe(Manager *manager, const WireInterface *interface, WireServer *server);
/* api_stats.c */
int api_stats(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_wait.c */
int api_wait(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
/* api_watch.c, api_logs.c, api_console.c */
int api_watch(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_logs(WireCall *call, json_object *parameters, void *userdata, CvmError *error);
int api_console(WireCall *call, json_object *parameters, void *userdata, CvmError *error);

/* Takes parameters apart by the table into target. Returns 0, or InvalidParameter. */
int api_dispatch(json_object *parameters, const JsonField *fields, void *target, CvmError *error);

/* The CVM that a call is about: by name, by id, or by both, which then must be the same one's. */
typedef struct ApiTarget {
        char *name, *id; /* owned; NULL: not given */
} ApiTarget;

#define API_TARGET_FIELDS(type, member)                                                            \
        {"name", JSON_STRING, offsetof(type, member.name)},                                        \
        {                                                                                          \
                "id", JSON_STRING, offsetof(type, member.id)                                       \
        }

void api_target_done(ApiTarget *target);
/* Finds the target's CVM, which errors of the call name from then on. Returns 0; InvalidParameter
 * if the target has neither name nor id, or the id is not a UUID; NoSuchCvm if there is no such CVM
 * or the peer may not see it. */
int api_find(WireCall *call, const ApiTarget *target, Manager *manager, Vm **ret, CvmError *error);
/* api_dispatch() and api_find() for the methods that take nothing else. */
int api_named(WireCall *call, json_object *parameters, Manager *manager, Vm **ret, CvmError *error);
/* Logs that the peer called a method that changes the CVM. */
void api_log_call(const WireCall *call, const Vm *vm, const char *method);
/* The same for a stop, before it: only the first one, and the first with force, so that who repeats
 * it does not fill the log. */
void api_log_stop(const WireCall *call, Vm *vm, const char *method, bool force);
/* Returns WrongState. allowed: the states in which the method can be used, ended by NULL. */
int api_wrong_state(const Vm *vm, const char *const *allowed, CvmError *error);
