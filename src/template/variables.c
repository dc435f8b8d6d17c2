/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "template/template_internal.h"

static json_object *variables_text(const char *s)
{
        return json_new_text(s ?: "");
}

static json_object *integer(int64_t value)
{
        return json_object_new_int64(value);
}

static json_object *size_text(uint64_t size)
{
        char buffer[24];

        return variables_text(text_format_size(size, buffer));
}

json_object *variables_descriptor(const char *what)
{
        return json_build("$fd", variables_text(what), NULL);
}

/* What QEMU is promised beyond the present: the documents' values, raised to what the spec asks. */
static json_object *vm_variables(const Template *template, const PlanInputs *inputs)
{
        const AddressNeeds needs = plan_address_needs(template, inputs, true);
        int64_t maxcpus = template->floor_maxcpus;

        if (maxcpus < inputs->cpus)
                maxcpus = inputs->cpus;
        return json_build(
                "name", variables_text(inputs->spec->name), "id", variables_text(inputs->id),
                "cpus", integer(inputs->cpus), "maxcpus", integer(maxcpus), "memory",
                integer((int64_t)inputs->memory), "memorySize", size_text(inputs->memory), "maxmem",
                size_text(needs.memory_max), "slots", integer(template->floor_slots), "cmdline",
                variables_text(inputs->cmdline), "debug",
                json_object_new_boolean(inputs->spec->debug), "kvm",
                json_object_new_boolean(inputs->kvm), "hostAddressBits",
                json_object_new_boolean(address_space_bits(&needs) > ADDRESS_BITS_DEFAULT), NULL);
}

static json_object *net_variables(const PlanInputs *inputs)
{
        SpecNetwork network = inputs->spec->network;
        json_object *forwards = json_object_new_array();
        bool isolated = network == SPEC_NETWORK_ISOLATED;
        bool tap = network == SPEC_NETWORK_TAP || network == SPEC_NETWORK_BRIDGE;
        bool udp = false;

        for (size_t i = 0; i < inputs->n_forwards; i++) {
                const SpecForward *f = &inputs->forwards[i];

                udp = udp || f->protocol == SPEC_UDP;
                json_object_array_add(forwards,
                                      json_build("protocol",
                                                 variables_text(spec_protocol_name(f->protocol)),
                                                 "address", variables_text(f->address), "hostPort",
                                                 integer(f->host_port), "guestPort",
                                                 integer(f->guest_port), NULL));
        }
        return json_build("enabled", json_object_new_boolean(network != SPEC_NETWORK_NONE), "user",
                          json_object_new_boolean(network == SPEC_NETWORK_USER || isolated),
                          "isolated", json_object_new_boolean(isolated), "passt",
                          json_object_new_boolean(network == SPEC_NETWORK_PASST), "tap",
                          json_object_new_boolean(tap), "vhost",
                          json_object_new_boolean(tap && inputs->host->has_vhost_net), "udp",
                          json_object_new_boolean(udp), "forwards", forwards, NULL);
}

static json_object *share_variables(const PlanInputs *inputs)
{
        json_object *shares = json_object_new_array();

        for (size_t i = 0; i < inputs->spec->n_shares; i++) {
                const SpecShare *share = &inputs->spec->shares[i];
                char id[32], what[64];

                snprintf(id, sizeof(id), "share%zu", i);
                snprintf(what, sizeof(what), "share:%s", share->tag);
                json_object_array_add(shares, json_build("id", variables_text(id), "tag",
                                                         variables_text(share->tag), "readOnly",
                                                         json_object_new_boolean(share->read_only),
                                                         "fd", variables_descriptor(what), NULL));
        }
        return shares;
}

/* Each disk's descriptor is the only member of a set of its own: QEMU opens files of block devices
 * again, which the uid that it runs as could not. */
static json_object *disk_variables(const PlanInputs *inputs)
{
        json_object *list = json_object_new_array();
        bool scsi = false;

        for (size_t i = 0; i < inputs->spec->n_disks; i++) {
                const SpecDisk *disk = &inputs->spec->disks[i];
                char node[32], what[sizeof("disk:") + SPEC_DISK_ID_MAX];

                snprintf(node, sizeof(node), "disk%zu", i);
                snprintf(what, sizeof(what), "disk:%s", disk->id);
                scsi = scsi || disk->bus == SPEC_DISK_SCSI;
                json_object_array_add(
                        list,
                        json_build(
                                "id", variables_text(disk->id), "node", variables_text(node),
                                "index", integer((int64_t)i), "format",
                                variables_text(spec_disk_format_name(disk->format)), "bus",
                                variables_text(spec_disk_bus_name(disk->bus)), "fileDriver",
                                variables_text(inputs->disk_is_device[i] ? "host_device" : "file"),
                                "readOnly", json_object_new_boolean(disk->read_only), "fd",
                                variables_descriptor(what), NULL));
        }
        return json_build("list", list, "scsi", json_object_new_boolean(scsi), NULL);
}

/* Each GPU is behind a root port of its own, as PCI Express has it. */
static json_object *gpu_variables(const PlanInputs *inputs)
{
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < inputs->spec->n_gpus; i++) {
                char port[32];

                snprintf(port, sizeof(port), "gpu%zu", i);
                json_object_array_add(list,
                                      json_build("address", variables_text(inputs->spec->gpus[i]),
                                                 "port", variables_text(port), "chassis",
                                                 integer((int64_t)i + 1), NULL));
        }
        return list;
}

static json_object *svsm_variables(const CvmSpec *spec)
{
        bool vsock = spec_svsm_has_vsock(spec);

        return json_build("devices", json_object_new_boolean(spec_svsm_has_devices(spec)),
                          "attestsBySerial", json_object_new_boolean(spec->svsm.url && !vsock),
                          "attestsByVsock", json_object_new_boolean(vsock), "log",
                          json_object_new_boolean(spec->svsm.log), "url",
                          variables_text(spec->svsm.url), "protocol",
                          variables_text(spec->svsm.protocol), NULL);
}

/* The socket of the quote service: the one that answers, else the documents' vsock. */
static json_object *host_variables(const HostFacts *host)
{
        bool is_unix = host->qgs == HOST_QGS_UNIX;

        return json_build("cbitpos", integer(host->cbitpos ?: CBITPOS_ASSUMED), "qgsType",
                          variables_text(is_unix ? "unix" : "vsock"), "qgsPath",
                          variables_text(is_unix ? HOST_QGS_SOCKET : ""), NULL);
}

/* "hostfwd=tcp:127.0.0.1:6100-:7002,…", for QEMU's -netdev: numbers and addresses alone. */
static json_object *host_forwards(const PlanInputs *inputs)
{
        _cleanup_(buffer_done) Buffer buffer = {};

        for (size_t i = 0; i < inputs->n_forwards; i++) {
                const SpecForward *f = &inputs->forwards[i];

                if (buffer_appendf(&buffer, "%shostfwd=%s:%s:%u-:%u", i ? "," : "",
                                   spec_protocol_name(f->protocol), f->address, f->host_port,
                                   f->guest_port) < 0)
                        return NULL;
        }
        return variables_text(buffer.data);
}

/* The sockets that companions listen on, by path, where a command line has descriptors. */
static json_object *companion_sockets(json_object *companions, const char *directory)
{
        json_object *sockets = json_object_new_object();
        struct json_object_iterator it = json_object_iter_begin(companions),
                                    end = json_object_iter_end(companions);

        for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
                const char *name = json_object_iter_peek_name(&it);
                _cleanup_(buffer_done) Buffer path = {};

                if (buffer_appendf(&path, "%s/%s.d/" PLAN_COMPANION_SOCKET, directory, name) == 0)
                        json_object_object_add(sockets, name, variables_text(path.data));
        }
        return sockets;
}

/* What stands for fd, shares and companion in a libvirt domain. */
static void variables_add_domain(json_object *variables, const Template *template,
                                 const PlanInputs *inputs)
{
        const PlanDomain *domain = inputs->domain;
        json_object *path = json_build("env_share", variables_text(domain->env_share),
                                       "certs_share", variables_text(domain->certs_share),
                                       "console", variables_text(domain->console), "notify",
                                       variables_text(domain->notify), NULL);
        json_object *net = json_member(variables, "net");

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                json_object_object_add(path, spec_artifact_kind_name(kind),
                                       variables_text(domain->artifacts[kind]));
        json_object_object_del(variables, "fd");
        json_object_object_del(variables, "shares");
        json_object_object_add(variables, "path", path);
        json_object_object_add(
                variables, "companion",
                companion_sockets(json_member(variables, "companion"), domain->companions));
        json_object_object_add(net, "interface", variables_text(inputs->spec->interface));
        json_object_object_add(
                net, "bridge",
                json_object_new_boolean(inputs->spec->network == SPEC_NETWORK_BRIDGE));
        json_object_object_add(
                variables, "domain",
                json_build("owner", integer(domain->owner), "uid", integer(domain->uid), "gid",
                           integer(domain->gid), "specSha256", variables_text(domain->spec_sha256),
                           "platform", variables_text(template->name), "passt",
                           json_object_new_boolean(domain->passt), "hostForwards",
                           host_forwards(inputs), "emulator", variables_text(inputs->qemu), NULL));
}

/* The ends that QEMU has of what connects it to its companions. Names that are none, the walk over
 * the companions refuses. */
static void variables_add_companions(json_object *companions, json_object *list)
{
        size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(list, i);
                const char *name = json_member_string(item, "name");
                char what[64];

                if (!name || strcmp(json_member_string(item, "socket") ?: "", "none") == 0)
                        continue;
                snprintf(what, sizeof(what), "companion:%s", name);
                json_object_object_add(companions, name, variables_descriptor(what));
        }
}

static json_object *companion_variables(const TemplateSet *set, const Template *template)
{
        const Fragment *shared = template_set_fragment(set, FRAGMENT_COMPANIONS);
        json_object *companions = json_object_new_object();

        variables_add_companions(companions, template->companions);
        if (shared)
                variables_add_companions(companions, shared->arguments);
        return companions;
}

json_object *variables_new(const TemplateSet *set, const Template *template,
                           const PlanInputs *inputs)
{
        static const char *const descriptors[] = {"qmp",       "console",     "notify",
                                                  "env_share", "certs_share", "vhost-vsock",
                                                  "tap",       "vhost-net",   "svsm-log"};
        json_object *fd = json_object_new_object(), *artifacts = json_object_new_object();
        json_object *variables;

        for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++)
                json_object_object_add(fd, descriptors[i], variables_descriptor(descriptors[i]));
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *name = spec_artifact_kind_name(kind);

                json_object_object_add(fd, name, variables_descriptor(name));
                json_object_object_add(
                        artifacts, name,
                        json_object_new_boolean(inputs->artifacts[kind].present ||
                                                plan_needs_artifact(template, inputs, kind)));
        }
        variables = json_build(
                "vm", vm_variables(template, inputs), "net", net_variables(inputs), "vsock",
                json_build("enabled", json_object_new_boolean(inputs->vsock), "cid",
                           integer(inputs->vsock_cid), "notifyPort", integer(inputs->notify_port),
                           NULL),
                "host", host_variables(inputs->host), "qemu",
                json_build("planes", json_object_new_boolean(inputs->planes), NULL), "security",
                security_variables(template, inputs), "shares", share_variables(inputs), "disks",
                disk_variables(inputs), "gpus", gpu_variables(inputs), "svsm",
                svsm_variables(inputs->spec), "artifacts", artifacts, "fd", fd, "companion",
                companion_variables(set, template), NULL);
        if (variables && inputs->domain)
                variables_add_domain(variables, template, inputs);
        return variables;
}
