/* SPDX-License-Identifier: Apache-2.0 */

/* What libvirt asks a QEMU that it starts, beyond what cvmd asks. It asks for more where an answer
 * names more (the properties of a CPU, the nodes of a disk): these name nothing. */

#include "fake/fake.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CPUS_MAX 512u

/* One {…} for each CPU, as each socket's only core. A thread's number that is the process's own
 * says that there is no thread for a CPU, as QEMU's emulation by one thread did. */
static const char *each_cpu(json_object *(*describe)(json_object *props))
{
        json_object *list = json_object_new_array();

        for (unsigned i = 0; i < options.cpus && i < CPUS_MAX; i++) {
                json_object *props = json_object_new_object(), *cpu;
                char path[64];

                snprintf(path, sizeof(path), "/machine/unattached/device[%u]", i);
                json_object_object_add(props, "socket-id", json_object_new_int((int)i));
                json_object_object_add(props, "core-id", json_object_new_int(0));
                json_object_object_add(props, "thread-id", json_object_new_int(0));
                cpu = describe(props);
                json_object_object_add(cpu, "qom-path", json_object_new_string(path));
                json_object_array_add(list, cpu);
        }
        return json_object_to_json_string(list);
}

static json_object *describe_slot(json_object *props)
{
        json_object *cpu = json_object_new_object();

        json_object_object_add(cpu, "props", props);
        json_object_object_add(cpu, "vcpus-count", json_object_new_int(1));
        json_object_object_add(cpu, "type", json_object_new_string("max-x86_64-cpu"));
        return cpu;
}

static json_object *describe_cpu(json_object *props)
{
        json_object *cpu = json_object_new_object();

        json_object_object_add(cpu, "cpu-index",
                               json_object_get(json_object_object_get(props, "socket-id")));
        json_object_object_add(cpu, "props", props);
        json_object_object_add(cpu, "thread-id", json_object_new_int(getpid()));
        json_object_object_add(cpu, "target", json_object_new_string("x86_64"));
        return cpu;
}

static const char *slots(json_object *arguments)
{
        return each_cpu(describe_slot);
}

static const char *cpus(json_object *arguments)
{
        return each_cpu(describe_cpu);
}

/* What the guest's reboot does, in place of -no-reboot. */
static const char *set_action(json_object *arguments)
{
        const char *reboot = json_object_get_string(json_object_object_get(arguments, "reboot"));

        if (reboot)
                options.no_reboot = strcmp(reboot, "shutdown") == 0;
        return "{}";
}

/* The commands, as qemu-qmp-ref(7) of QEMU 7.2 has them. */
static const struct {
        const char *name;
        const char *answer;
        const char *(*run)(json_object *arguments); /* in place of `answer` */
} commands[] = {
        {"query-migrate-capabilities", "[{\"state\": false, \"capability\": \"events\"}]"},
        {"migrate-set-capabilities", "{}"},
        {"query-chardev", "[]"},
        {"query-hotpluggable-cpus", .run = slots},
        {"query-cpus-fast", .run = cpus},
        {"qom-list", "[]"},
        {"qom-get", "[]"}, /* unavailable-features of a CPU */
        {"query-iothreads", "[]"},
        {"query-named-block-nodes", "[]"},
        {"query-block", "[]"},
        {"set-action", .run = set_action},
};

const char *libvirt_answer(const char *command, json_object *arguments)
{
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                if (strcmp(commands[i].name, command) == 0)
                        return commands[i].run ? commands[i].run(arguments) : commands[i].answer;
        return NULL;
}

void libvirt_probe(char **argv)
{
        static const char real[] = "qemu-system-x86_64";

        for (char **argument = argv + 1; *argument; argument++)
                if (strcmp(*argument, "-daemonize") == 0) {
                        argv[0] = (char *)real;
                        execvp(real, argv);
                        fprintf(stderr, "%s: cannot start %s: %m\n", program, real);
                        exit(1);
                }
}
