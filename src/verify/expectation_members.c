/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/expectation_members.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/suggest.h"
#include "spec/spec.h"

#define FIELD_MAX 128
#define NAME_MAX_SHOWN 32

/* All ended by NULL. */
static const char *const top_names[] = {
        /* what is expected */
        "registers", "measurement", "launchSecurity", "binding", "vmpl",
        /* of a measurement */
        "platform", "method", "inputs", "profile",
        /* of a Cvm */
        "name", "id", "driver", "state", "ready", "guestStatus", "owner", "uid", "cpus", "memory",
        "pid", "scope", "vsockCid", "forwards", "debug", "createdAt", "startedAt", "readyAt",
        "expiresAt", "restarts", "restartAt", "ending", "artifacts", "confidential", "emulated",
        "image", "labels", "spec", NULL};
static const char *const register_members[] = {"name",   "algorithm", "state", "value",
                                               "reason", "events",    NULL};
static const char *const event_members[] = {"event", "digest", "inputs", NULL};
static const char *const binding_members[] = {"field", "value", "document", NULL};
static const char *const register_names[] = {"LaunchDigest", "LaunchDigestAllVcpus",
                                             "MRTD",         "RTMR0",
                                             "RTMR1",        "RTMR2",
                                             "RTMR3",        "PCR0",
                                             "PCR1",         "PCR2",
                                             "PCR3",         "PCR4",
                                             "PCR5",         "PCR6",
                                             "PCR7",         "PCR8",
                                             "PCR9",         "PCR10",
                                             "PCR11",        "PCR12",
                                             "PCR13",        "PCR14",
                                             "PCR15",        "PCR16",
                                             "PCR17",        "PCR18",
                                             "PCR19",        "PCR20",
                                             "PCR21",        "PCR22",
                                             "PCR23",        NULL};

static int expectation_members_refuse(const char *field, const char *name, const char *what,
                                      const char *found, CvmError *error)
{
        if (found)
                return cvm_error_invalid_spec(error, field, "unknown %s '%.*s'; did you mean '%s'?",
                                              what, NAME_MAX_SHOWN, name, found);
        return cvm_error_invalid_spec(error, field, "unknown %s '%.*s'; see cvm-verify(7)", what,
                                      NAME_MAX_SHOWN, name);
}

static int expectation_members_check_name(const char *field, const char *name, const char *what,
                                          const char *const *known, CvmError *error)
{
        Suggestion best = suggest_begin(name);

        for (; *known; known++) {
                if (strcmp(*known, name) == 0)
                        return 0;
                suggest_candidate(&best, *known);
        }
        return expectation_members_refuse(field, name, what, best.found, error);
}

static int check_object(json_object *object, const char *field, const char *const *known,
                        CvmError *error)
{
        if (!json_object_is_type(object, json_type_object))
                return 0;
        json_object_object_foreach (object, name, value) {
                int r = expectation_members_check_name(field, name, "member", known, error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int expectation_members_check_events(json_object *events, const char *parent,
                                            CvmError *error)
{
        int r = 0;

        if (!json_object_is_type(events, json_type_array))
                return 0;
        for (size_t i = 0; r == 0 && i < json_object_array_length(events); i++) {
                char field[FIELD_MAX];

                snprintf(field, sizeof(field), "%s.events[%zu]", parent, i);
                r = check_object(json_object_array_get_idx(events, i), field, event_members, error);
        }
        return r;
}

static int check_registers(json_object *registers, CvmError *error)
{
        int r = 0;

        if (!json_object_is_type(registers, json_type_array))
                return 0;
        for (size_t i = 0; r == 0 && i < json_object_array_length(registers); i++) {
                json_object *item = json_object_array_get_idx(registers, i);
                const char *name = json_member_string(item, "name");
                char field[FIELD_MAX / 2];

                snprintf(field, sizeof(field), "expect.registers[%zu]", i);
                r = check_object(item, field, register_members, error);
                if (r == 0 && name)
                        r = expectation_members_check_name(field, name, "register", register_names,
                                                           error);
                if (r == 0)
                        r = expectation_members_check_events(json_member(item, "events"), field,
                                                             error);
        }
        return r;
}

/* "PCR4-sha256": the bank is left to expectation_parse(). */
static int check_measurement(json_object *measurement, CvmError *error)
{
        if (!json_object_is_type(measurement, json_type_object))
                return 0;
        json_object_object_foreach (measurement, name, value) {
                _cleanup_free_ char *reg = strndup(name, strcspn(name, "-"));
                int r;

                if (!reg)
                        return -ENOMEM;
                r = expectation_members_check_name("expect.measurement", reg, "register",
                                                   register_names, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int expectation_members_check_security(json_object *security, CvmError *error)
{
        if (!json_object_is_type(security, json_type_object))
                return 0;
        json_object_object_foreach (security, name, value) {
                Suggestion best = suggest_begin(name);
                const SpecSecurityKey *key = spec_security_keys;

                for (; key->name && strcmp(key->name, name) != 0; key++)
                        suggest_candidate(&best, key->name);
                if (!key->name)
                        return expectation_members_refuse("expect.launchSecurity", name, "setting",
                                                          best.found, error);
        }
        return 0;
}

int expectation_check_members(json_object *json, CvmError *error)
{
        int r = check_object(json, "expect", top_names, error);

        if (r == 0)
                r = check_registers(json_member(json, "registers"), error);
        if (r == 0)
                r = check_measurement(json_member(json, "measurement"), error);
        if (r == 0)
                r = expectation_members_check_security(json_member(json, "launchSecurity"), error);
        if (r == 0)
                r = check_object(json_member(json, "binding"), "expect.binding", binding_members,
                                 error);
        return r;
}
