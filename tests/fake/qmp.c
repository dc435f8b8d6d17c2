/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/fake.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define VERSION "{\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": \"fake\"}"
#define LINE_MAX_BYTES (1u << 20)
#define FLOOD_CHUNK 200u /* events a turn */

static bool negotiated;
static char *line; /* what has come of a line without its end */
static size_t n_line;

static json_object *command_arguments; /* of the command that runs; NULL: none */

/* A refused command: QEMU's error class and text. */
typedef struct Refusal {
        const char *class;
        char *text;
} Refusal;

static const char *command_capabilities(Refusal *refusal)
{
        negotiated = true;
        return "{}";
}

static const char *command_status(Refusal *refusal)
{
        static char text[96];

        snprintf(text, sizeof(text), "{\"status\": \"%s\", \"singlestep\": false, \"running\": %s}",
                 machine_status(), machine_run == RUN_RUNNING ? "true" : "false");
        return text;
}

static const char *command_name(Refusal *refusal)
{
        json_object *reply = json_object_new_object();

        if (options.name)
                json_object_object_add(reply, "name", json_object_new_string(options.name));
        return json_object_to_json_string(reply);
}

static const char *command_version(Refusal *refusal)
{
        return VERSION;
}

static const char *command_cont(Refusal *refusal)
{
        const char *why = machine_cont();

        if (why)
                *refusal = (Refusal){"GenericError", strdup(why)};
        return "{}";
}

static const char *command_stop(Refusal *refusal)
{
        machine_stop();
        return "{}";
}

static const char *command_powerdown(Refusal *refusal)
{
        machine_press_power();
        return "{}";
}

static const char *command_quit(Refusal *refusal)
{
        if (!behaviour.ignore_quit)
                qmp_event("SHUTDOWN", "{\"guest\": false, \"reason\": \"host-qmp-quit\"}");
        return "{}";
}

/* What a probe asks, of a QEMU 7.2 that has less in it: what the templates need. */
static const char *command_types(Refusal *refusal)
{
        const char *implements =
                json_object_get_string(json_object_object_get(command_arguments, "implements"));

        if (implements && strcmp(implements, "user-creatable") == 0)
                return has_igvm() ? "[{\"name\": \"memory-backend-memfd\", "
                                    "\"parent\": \"memory-backend\"}, "
                                    "{\"name\": \"igvm-cfg\", \"parent\": \"object\"}]"
                                  : "[{\"name\": \"memory-backend-memfd\", "
                                    "\"parent\": \"memory-backend\"}, "
                                    "{\"name\": \"sev-guest\", "
                                    "\"parent\": \"confidential-guest-support\"}]";
        return "[{\"name\": \"pvpanic\", \"parent\": \"isa-device\"}, "
               "{\"name\": \"tpm-tis\", \"parent\": \"isa-device\"}, "
               "{\"name\": \"virtio-9p-pci\", \"parent\": \"virtio-9p-pci-base\"}, "
               "{\"name\": \"virtio-net-pci\", \"parent\": \"virtio-net-pci-base\"}, "
               "{\"name\": \"vhost-vsock-pci\", \"parent\": \"vhost-vsock-pci-base\"}]";
}

static const char *command_properties(Refusal *refusal)
{
        const char *type =
                json_object_get_string(json_object_object_get(command_arguments, "typename"));

        if (type && strcmp(type, "sev-guest") == 0)
                return "[{\"name\": \"policy\", \"type\": \"uint32\"}, "
                       "{\"name\": \"kernel-hashes\", \"type\": \"bool\"}]";
        if (type && strcmp(type, "pc-q35-7.2-machine") == 0 && has_igvm())
                return "[{\"name\": \"memory-backend\", \"type\": \"link\"}, "
                       "{\"name\": \"igvm-cfg\", \"type\": \"link<igvm-cfg>\"}]";
        if (type && strcmp(type, "pc-q35-7.2-machine") == 0)
                return "[{\"name\": \"confidential-guest-support\", \"type\": \"link\"}, "
                       "{\"name\": \"memory-backend\", \"type\": \"link\"}, "
                       "{\"name\": \"pflash0\", \"type\": \"str\"}]";
        return "[]";
}

static const char *command_cpus(Refusal *refusal)
{
        return "[{\"name\": \"max\"}, {\"name\": \"host\"}, {\"name\": \"EPYC-v3\"}]";
}

static const char *command_machines(Refusal *refusal)
{
        return "[{\"name\": \"pc-q35-7.2\", \"alias\": \"q35\"}]";
}

static const struct {
        const char *name;
        const char *(*run)(Refusal *refusal); /* JSON text */
        bool takes_arguments;
} commands[] = {
        {"qom-list-types", command_types, true},
        {"qom-list-properties", command_properties, true},
        {"query-cpu-definitions", command_cpus},
        {"query-machines", command_machines},
        {"qmp_capabilities", command_capabilities},
        {"query-status", command_status},
        {"query-name", command_name},
        {"query-version", command_version},
        {"cont", command_cont},
        {"stop", command_stop},
        {"system_powerdown", command_powerdown},
        {"quit", command_quit},
};

static const char *json_string(const char *s)
{
        return json_object_to_json_string_ext(json_object_new_string(s),
                                              JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* The checks of QEMU's qmp_dispatch_check_obj(), in its order. */
static char *check_form(json_object *message)
{
        char *text = NULL;
        json_object *value;

        json_object_object_foreach (message, key, member) {
                if (strcmp(key, "execute") == 0) {
                        if (!json_object_is_type(member, json_type_string))
                                return strdup("QMP input member 'execute' must be a string");
                } else if (strcmp(key, "arguments") == 0) {
                        if (!json_object_is_type(member, json_type_object))
                                return strdup("QMP input member 'arguments' must be an object");
                } else if (strcmp(key, "id") != 0) {
                        if (asprintf(&text, "QMP input member '%s' is unexpected", key) < 0)
                                exit(1);
                        return text;
                }
        }
        if (!json_object_object_get_ex(message, "execute", &value))
                return strdup("QMP input lacks member 'execute'");
        return NULL;
}

static const char *run_command(json_object *message, Refusal *refusal)
{
        const char *name = json_object_get_string(json_object_object_get(message, "execute"));
        json_object *arguments = json_object_object_get(message, "arguments");
        bool handshake = strcmp(name, "qmp_capabilities") == 0;
        size_t i = 0;

        while (i < ARRAY_SIZE(commands) && strcmp(commands[i].name, name) != 0)
                i++;
        if (i == ARRAY_SIZE(commands) && negotiated) {
                const char *answer = libvirt_answer(name, arguments);

                if (answer)
                        return answer;
        }
        refusal->class = "CommandNotFound";
        if (!negotiated && !handshake) {
                refusal->text =
                        strdup("Expecting capabilities negotiation with 'qmp_capabilities'");
        } else if (negotiated && handshake) {
                refusal->text = strdup("Capabilities negotiation is already complete, command "
                                       "ignored");
        } else if (i == ARRAY_SIZE(commands)) {
                if (asprintf(&refusal->text, "The command %s has not been found", name) < 0)
                        exit(1);
        } else if (!handshake && !commands[i].takes_arguments && arguments &&
                   json_object_object_length(arguments) > 0) {
                json_object_object_foreach (arguments, key, ignored) {
                        (void)ignored;
                        refusal->class = "GenericError";
                        if (asprintf(&refusal->text, "Parameter '%s' is unexpected", key) < 0)
                                exit(1);
                        break;
                }
        } else {
                command_arguments = arguments;
                return commands[i].run(refusal);
        }
        return NULL;
}

static void on_line(const char *text)
{
        json_object *message, *id = NULL;
        Refusal refusal = {"GenericError", NULL};
        const char *result = NULL, *id_text = NULL;

        if (text[strspn(text, " \t\r")] == 0)
                return;
        message = json_tokener_parse(text);
        if (!json_object_is_type(message, json_type_object)) {
                refusal.text = strdup(message ? "QMP input must be a JSON object"
                                              : "JSON parse error, invalid keyword");
        } else {
                if (json_object_object_get_ex(message, "id", &id))
                        id_text = json_object_to_json_string_ext(id, JSON_C_TO_STRING_PLAIN);
                refusal.text = check_form(message);
                if (!refusal.text)
                        result = run_command(message, &refusal);
        }

        if (refusal.text)
                link_printf(&qmp, "{%s%s%s\"error\": {\"class\": \"%s\", \"desc\": %s}}\r\n",
                            id_text ? "\"id\": " : "", id_text ?: "", id_text ? ", " : "",
                            refusal.class, json_string(refusal.text));
        else if (result)
                link_printf(&qmp, "{\"return\": %s%s%s}\r\n", result, id_text ? ", \"id\": " : "",
                            id_text ?: "");
        if (result && !behaviour.ignore_quit &&
            strcmp(json_object_get_string(json_object_object_get(message, "execute")), "quit") == 0)
                machine_exit(0);
        free(refusal.text);
        json_object_put(message);
}

void qmp_noise(void)
{
        link_printf(&qmp, "\x7f\x45LF\x02\x01\xff{\"QMP\": [[[\r\n\x01\x02garbage\n");
}

void qmp_greet(void)
{
        static unsigned clients;

        negotiated = false;
        n_line = 0;
        behaviour.qmp_garbage |= behaviour.qmp_garbage_again && clients++ > 0;
        if (behaviour.qmp_garbage)
                qmp_noise();
        else if (!behaviour.qmp_silent)
                link_printf(&qmp, "{\"QMP\": {\"version\": %s, \"capabilities\": [\"oob\"]}}\r\n",
                            VERSION);
}

void qmp_input(const char *data, size_t size)
{
        if (behaviour.qmp_silent || behaviour.qmp_garbage)
                return;
        if (!line)
                line = must_have(malloc(LINE_MAX_BYTES + 1));
        for (size_t i = 0; i < size; i++) {
                if (data[i] != '\n') {
                        line[n_line] = data[i];
                        n_line += n_line < LINE_MAX_BYTES;
                        continue;
                }
                line[n_line] = 0;
                n_line = 0;
                on_line(line);
        }
}

void qmp_event(const char *name, const char *data)
{
        struct timespec now;

        if (!negotiated || qmp.fd < 0)
                return;
        clock_gettime(CLOCK_REALTIME, &now);
        link_printf(&qmp,
                    "{\"timestamp\": {\"seconds\": %lld, \"microseconds\": %ld}, "
                    "\"event\": \"%s\"%s%s}\r\n",
                    (long long)now.tv_sec, now.tv_nsec / 1000, name, data ? ", \"data\": " : "",
                    data ?: "");
}

void qmp_fill_flood(void)
{
        qmp.more = behaviour.qmp_flood && negotiated && qmp.fd >= 0;
        if (qmp.more && qmp.n_out == 0)
                for (unsigned i = 0; i < FLOOD_CHUNK; i++)
                        qmp_event("RTC_CHANGE", "{\"offset\": 78}");
}
