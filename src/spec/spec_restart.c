/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "spec/spec_internal.h"

#define BACKOFF_SEC 5
#define BACKOFF_MAX_SEC 300
#define WINDOW_SEC 600
#define SEC_MAX 86400
#define LIMIT_MAX 1000000

static const char *const policies[] = {
        [SPEC_RESTART_NO] = "no",
        [SPEC_RESTART_ON_FAILURE] = "on-failure",
        [SPEC_RESTART_ALWAYS] = "always",
};

static const char policy_reason[] = "must be 'no', 'on-failure' or 'always'";

typedef struct Input {
        SpecRestart restart;
        char *policy;
} Input;

static const JsonField fields[] = {
        {"policy", JSON_STRING, offsetof(Input, policy)},
        {"backoffSec", JSON_UINT32, offsetof(Input, restart.backoff_sec), 0, 1, SEC_MAX},
        {"backoffMaxSec", JSON_UINT32, offsetof(Input, restart.backoff_max_sec), 0, 1, SEC_MAX},
        {"limit", JSON_UINT32, offsetof(Input, restart.limit), 0, 1, LIMIT_MAX},
        {"windowSec", JSON_UINT32, offsetof(Input, restart.window_sec), 0, 1, SEC_MAX},
        {},
};

int spec_parse_restart(json_object *object, CvmSpec *spec, CvmError *error)
{
        Input input = {.restart = {.backoff_sec = BACKOFF_SEC,
                                   .backoff_max_sec = BACKOFF_MAX_SEC,
                                   .window_sec = WINDOW_SEC}};
        int policy = SPEC_RESTART_NO, r = 0;

        if (object) {
                r = spec_dispatch(object, fields, &input, "restart", error);
                if (r >= 0 && !json_member(object, "policy"))
                        fault_add(error, "restart.policy", "%s", policy_reason);
                else if (r >= 0)
                        policy = spec_choose(input.policy, policies, ARRAY_SIZE(policies),
                                             SPEC_RESTART_NO, "restart", "policy", policy_reason,
                                             error);
                free(input.policy);
        }
        if (r < 0)
                return r;
        input.restart.policy = policy < 0 ? SPEC_RESTART_NO : (SpecRestartPolicy)policy;
        /* where only the first is given, the second follows */
        if (input.restart.backoff_max_sec < input.restart.backoff_sec) {
                if (json_member(object, "backoffMaxSec"))
                        fault_add(error, "restart.backoffMaxSec",
                                  "must not be less than restart.backoffSec");
                input.restart.backoff_max_sec = input.restart.backoff_sec;
        }
        spec->restart = input.restart;
        return 0;
}

bool spec_restart_equal(const SpecRestart *a, const SpecRestart *b)
{
        return a->policy == b->policy && a->backoff_sec == b->backoff_sec &&
               a->backoff_max_sec == b->backoff_max_sec && a->limit == b->limit &&
               a->window_sec == b->window_sec;
}

json_object *spec_restart_to_json(const SpecRestart *restart)
{
        return json_build("policy", json_object_new_string(policies[restart->policy]), "backoffSec",
                          json_object_new_int64(restart->backoff_sec), "backoffMaxSec",
                          json_object_new_int64(restart->backoff_max_sec), "limit",
                          restart->limit ? json_object_new_int64(restart->limit) : NULL,
                          "windowSec", json_object_new_int64(restart->window_sec), NULL);
}
