/* SPDX-License-Identifier: Apache-2.0 */
#include "specs.h"

#include "base/text.h"

/* Parses `text` and expects a refusal of `field` whose reason contains `reason`. */
static void assert_refused(const char *text, const char *field, const char *reason)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(spec_freep) CvmSpec *spec = NULL;
        const char *found;

        if (parse(text, &spec, &error) != -EINVAL)
                fail_msg("accepted: %.200s", text);
        assert_null(spec);
        assert_int_equal(error.id, CVM_ERROR_INVALID_SPEC);
        assert_string_equal(json_member_string(error.fields, "field"), field);
        found = json_member_string(error.fields, "reason");
        if (!strstr(found, reason))
                fail_msg("%s: '%s' is not in '%s'", field, reason, found);
}

static void test_minimal(void **state)
{
        _cleanup_(spec_freep) CvmSpec *spec = assert_accepted("{\"name\":\"web\"}");

        assert_string_equal(spec->name, "web");
        assert_string_equal(spec->platform, "auto");
        assert_string_equal(spec->driver, "qemu");
        assert_int_equal(spec->cpus, 0);
        assert_int_equal(spec->memory, 0);
        assert_null(spec->cmdline);
        assert_int_equal(spec->network, SPEC_NETWORK_USER);
        assert_false(spec->forwards_given);
        assert_false(spec->vsock);
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                assert_false(spec->artifacts[kind].given);
                assert_int_equal(spec->artifacts[kind].fd, -1);
        }
}

static void test_full(void **state)
{
        _cleanup_(spec_freep) CvmSpec *spec = assert_accepted(full);
        const SpecArtifact *kernel = &spec->artifacts[ARTIFACT_KERNEL];

        assert_int_equal(spec->restart.policy, SPEC_RESTART_ON_FAILURE);
        assert_int_equal(spec->restart.backoff_sec, 400);
        assert_int_equal(spec->restart.backoff_max_sec, 400); /* not less */
        assert_int_equal(spec->restart.limit, 3);
        assert_int_equal(spec->restart.window_sec, 60);
        assert_int_equal(spec->ttl_sec, 3600);
        assert_int_equal(spec->cpus, 512);
        assert_int_equal(spec->memory, 64 << 20);
        assert_string_equal(kernel->path, "/a, b=c");
        assert_true(kernel->has_sha256);
        assert_int_equal(kernel->sha256[1], 0x11);
        assert_int_equal(kernel->sha256[31], 0xff);
        assert_string_equal(spec->artifacts[ARTIFACT_INITRAMFS].name, "initramfs-debug");
        assert_int_equal(spec->artifacts[ARTIFACT_FIRMWARE].fd, 0);
        assert_true(spec->artifacts[ARTIFACT_IGVM].given);
        assert_null(spec->artifacts[ARTIFACT_IGVM].name);
        assert_string_equal(spec->cmdline, "console=ttyS0 a=\"b\"");
        assert_int_equal(spec->n_env, 2);
        assert_string_equal(spec->env[0].name, "A_1");
        assert_string_equal(spec->env[0].value, "x y,z=\"q\"\t$`\\");
        assert_string_equal(spec->env[1].name, "Z");
        assert_int_equal(spec->n_certs, 4);
        assert_string_equal(spec->certs[0].name, "ca.pem");
        assert_int_equal(spec->certs[0].size, 8);
        assert_memory_equal(spec->certs[0].data, "s3cret\0\xff", 8);
        assert_string_equal(spec->certs[1].path, "/etc/c");
        assert_null(spec->certs[1].data);
        assert_int_equal(spec->certs[2].size, 6);
        assert_int_equal(spec->certs[2].fd, -1);
        assert_int_equal(spec->certs[3].fd, 1);
        assert_int_equal(spec->n_shares, 2);
        assert_true(spec->shares[0].read_only);
        assert_int_equal(spec->shares[0].fd, -1);
        assert_false(spec->shares[1].read_only);
        assert_true(spec->forwards_given);
        assert_int_equal(spec->n_forwards, 5);
        assert_string_equal(spec->forwards[0].address, "127.0.0.1");
        assert_int_equal(spec->forwards[0].host_port, 0);
        assert_int_equal(spec->forwards[1].protocol, SPEC_UDP);
        assert_int_equal(spec->forwards[1].host_port, 65535);
        assert_true(spec->vsock);
        assert_int_equal(spec->vsock_cid, 4294967294u);
        assert_true(spec->debug);
        assert_int_equal(spec->ready_sec, 2);
        assert_int_equal(spec->quit_sec, 86400);
        assert_int_equal(spec->limits.memory_high, 100 << 20);
        assert_int_equal(spec->limits.memory_max, 128 << 20);
        assert_int_equal(spec->limits.cpu_weight, 10000);
        assert_int_equal(spec->limits.tasks_max, 32);
}

static void test_labels(void **state)
{
        _cleanup_(spec_freep) CvmSpec *spec =
                assert_accepted("{\"name\":\"a\",\"labels\":{\"app\":\"shop\",\"0-empty\":\"\","
                                "\"example.org/tenant_1\":\"\xc3\xa4 7\"}}");
        _cleanup_(spec_freep) CvmSpec *none = assert_accepted("{\"name\":\"a\",\"labels\":{}}");
        _cleanup_json_ json_object *redacted = spec_to_json_redacted(spec);
        _cleanup_json_ json_object *wanted =
                json_build("app", json_object_new_string("shop"), NULL);

        assert_null(none->labels);
        assert_string_equal(json_member_string(spec->labels, "example.org/tenant_1"), "\xc3\xa4 7");
        assert_true(json_object_equal(json_member(redacted, "labels"), spec->labels));
        assert_true(spec_labels_match(spec->labels, wanted));
        assert_true(spec_labels_match(spec->labels, NULL));
        assert_true(spec_labels_match(NULL, NULL));
        assert_false(spec_labels_match(NULL, wanted));
        json_object_object_add(wanted, "0-empty", json_object_new_string(""));
        assert_true(spec_labels_match(spec->labels, wanted));
        json_object_object_add(wanted, "0-empty", json_object_new_string("x"));
        assert_false(spec_labels_match(spec->labels, wanted));
}

/* `n` labels of a name and a value that are that long. */
static void assert_labels(size_t n, int name_size, int value_size, bool accepted)
{
        static const char value[] = {[0 ... SPEC_LABEL_VALUE_MAX] = 'v'};
        _cleanup_json_ json_object *labels = json_object_new_object();
        _cleanup_(cvm_error_done) CvmError error = {};

        for (size_t i = 0; i < n; i++) {
                char name[SPEC_LABEL_NAME_MAX + 2];

                snprintf(name, sizeof(name), "%0*zu", name_size, i);
                json_object_object_add(labels, name, json_object_new_string_len(value, value_size));
        }
        assert_int_equal(spec_check_labels(labels, &error), accepted ? 0 : -EINVAL);
}

static void test_label_bounds(void **state)
{
        assert_labels(1, SPEC_LABEL_NAME_MAX, SPEC_LABEL_VALUE_MAX, true);
        assert_labels(1, SPEC_LABEL_NAME_MAX + 1, 0, false);
        assert_labels(1, 1, SPEC_LABEL_VALUE_MAX + 1, false);
        assert_labels(SPEC_LABELS_MAX, 2, 62, true); /* 2048 bytes */
        assert_labels(SPEC_LABELS_MAX + 1, 2, 0, false);
        assert_labels(SPEC_LABELS_MAX, 3, 62, false);
        assert_refused("{\"name\":\"a\",\"labels\":{\"-a\":\"\"}}", "labels.-a", "begin with");
        assert_refused("{\"name\":\"a\",\"labels\":{\"\":\"\"}}", "labels.", "1 to 63");
        assert_refused("{\"name\":\"a\",\"labels\":{\"a b\":\"\"}}", "labels.a b", "letters");
        assert_refused("{\"name\":\"a\",\"labels\":{\"a\":1}}", "labels.a", "string");
        assert_refused("{\"name\":\"a\",\"labels\":{\"a\":null}}", "labels.a", "string");
        assert_refused("{\"name\":\"a\",\"labels\":{\"a\":\"x\\ny\"}}", "labels.a", "control");
        assert_refused("{\"name\":\"a\",\"labels\":{\"a\":\"\\u202e\"}}", "labels.a", "control");
        assert_refused("{\"name\":\"a\",\"labels\":[]}", "labels", "object");
}

static void test_networks(void **state)
{
        static const struct {
                const char *text, *interface;
                SpecNetwork network;
        } cases[] = {
                {"user", NULL, SPEC_NETWORK_USER},
                {"none", NULL, SPEC_NETWORK_NONE},
                {"isolated", NULL, SPEC_NETWORK_ISOLATED},
                {"passt", NULL, SPEC_NETWORK_PASST},
                {"bridge:br-lan.10", "br-lan.10", SPEC_NETWORK_BRIDGE},
                {"tap:tap01234567890a", "tap01234567890a", SPEC_NETWORK_TAP},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(spec_freep) CvmSpec *spec = NULL;
                _cleanup_free_ char *text = NULL;

                assert_true(asprintf(&text, "{\"name\":\"a\",\"forwards\":[],\"network\":\"%s\"}",
                                     cases[i].text) > 0);
                spec = assert_accepted(text);
                assert_int_equal(spec->network, cases[i].network);
                assert_true(spec->forwards_given);
                if (cases[i].interface)
                        assert_string_equal(spec->interface, cases[i].interface);
                else
                        assert_null(spec->interface);
        }
}

/* Each is wrapped as {"name":"a",…}. */
static const struct {
        const char *text, *field, *reason;
} refusals[] = {
        {"\"nme\":1", "nme", "unknown field"},
        {"\"platform\":\"SEV\"", "platform", "lowercase"},
        {"\"platform\":\"\"", "platform", "1 to 32"},
        {"\"platform\":\"-a\"", "platform", "not beginning"},
        {"\"platform\":\"../a\"", "platform", "lowercase"},
        {"\"platform\":\"abcdefghijklmnopqrstuvwxyz0123456\"", "platform", "1 to 32"},
        {"\"cpus\":0", "cpus", "from 1 to 512"},
        {"\"cpus\":513", "cpus", "from 1 to 512"},
        {"\"cpus\":\"2\"", "cpus", "from 1 to 512"},
        {"\"cpus\":2.0", "cpus", "from 1 to 512"},
        {"\"memory\":1.5", "memory", "must be a size"},
        {"\"memory\":\"2GB\"", "memory", "with a suffix"},
        {"\"memory\":\"\"", "memory", "with a suffix"},
        {"\"memory\":\"-1G\"", "memory", "with a suffix"},
        {"\"memory\":\"63M\"", "memory", "at least 64M"},
        {"\"memory\":\"0\"", "memory", "at least 64M"},
        {"\"memory\":\"67108865\"", "memory", "multiple of 1M"},
        {"\"memory\":\"9999999T\"", "memory", "more than"},
        {"\"kernel\":\"bzImage\"", "kernel", "must be an object"},
        {"\"kernel\":{\"file\":\"/a\"}", "kernel.file", "unknown field"},
        {"\"kernel\":{\"path\":\"/a\",\"name\":\"b\"}", "kernel", "either a name"},
        {"\"igvm\":{\"name\":\"a\",\"fd\":0}", "igvm", "either a name"},
        {"\"igvm\":{\"path\":\"a\",\"fd\":0}", "igvm.path", "absolute"},
        {"\"kernel\":{\"path\":\"a\"}", "kernel.path", "absolute"},
        {"\"kernel\":{\"path\":\"\"}", "kernel.path", "absolute"},
        {"\"kernel\":{\"name\":\"/boot/vmlinuz\"}", "kernel.name", "embedded artifact"},
        {"\"kernel\":{\"fd\":-1}", "kernel.fd", "from 0 to 63"},
        {"\"kernel\":{\"fd\":64}", "kernel.fd", "from 0 to 63"},
        {"\"firmware\":{\"sha256\":\"00\"}", "firmware.sha256", "64 hex"},
        {"\"firmware\":{\"sha256\":\"g0112233445566778899aabbccddeeff"
         "00112233445566778899AABBCCDDEEFF\"}",
         "firmware.sha256", "64 hex"},
        {"\"kernel\":{\"fd\":3},\"igvm\":{\"fd\":3}", "igvm.fd", "used by kernel"},
        {"\"certs\":{\"a\":{\"fd\":3}},\"shares\":[{\"tag\":\"t\",\"fd\":3}]", "shares[0].fd",
         "used by certs.a"},
        {"\"cmdline\":\"a\\nb\"", "cmdline", "byte 2 is 0x0a"},
        {"\"cmdline\":\"\\u00e4\"", "cmdline", "printable ASCII"},
        {"\"cmdline\":\"a\\u007f\"", "cmdline", "byte 2 is 0x7f"},
        {"\"cmdline\":[]", "cmdline", "must be a string"},
        {"\"env\":[\"A=b\"]", "env", "must be an object"},
        {"\"env\":{\"A\":1}", "env.A", "must be a string"},
        {"\"env\":{\"A\":null}", "env.A", "must be a string"},
        {"\"env\":{\"\":\"x\"}", "env.", "must consist of letters"},
        {"\"env\":{\"1A\":\"x\"}", "env.1A", "must consist of letters"},
        {"\"env\":{\"A B\":\"x\"}", "env.A B", "must consist of letters"},
        {"\"env\":{\"A=B\":\"x\"}", "env.A=B", "must consist of letters"},
        {"\"env\":{\"A\\nB\":\"x\"}", "env.A\nB", "must consist of letters"},
        {"\"env\":{\"\\u00c4\":\"x\"}", "env.\xc3\x84", "must consist of letters"},
        {"\"env\":{\"A\":\"x\\nB=y\"}", "env.A", "line break"},
        {"\"env\":{\"A\":\"x\\r\"}", "env.A", "line break"},
        {"\"env\":{\"A\":\"\\u001b\"}", "env.A", "control character"},
        {"\"env\":{\"A\":\"\\u007f\"}", "env.A", "control character"},
        {"\"certs\":[]", "certs", "must be an object"},
        {"\"certs\":{\"a\":\"x\"}", "certs.a", "must be an object"},
        {"\"certs\":{\"a\":{}}", "certs.a", "exactly one"},
        {"\"certs\":{\"a\":{\"text\":\"\",\"base64\":\"\"}}", "certs.a", "exactly one"},
        {"\"certs\":{\"a\":{\"path\":\"/a\",\"fd\":0}}", "certs.a", "exactly one"},
        {"\"certs\":{\"a\":{\"data\":\"\"}}", "certs.a.data", "unknown field"},
        {"\"certs\":{\"a\":{\"text\":1}}", "certs.a.text", "must be a string"},
        {"\"certs\":{\"a\":{\"base64\":\"YQ\"}}", "certs.a.base64", "base64"},
        {"\"certs\":{\"a\":{\"base64\":\"YQ==\\n\"}}", "certs.a.base64", "base64"},
        {"\"certs\":{\"a\":{\"path\":\"b\"}}", "certs.a.path", "absolute"},
        {"\"certs\":{\"\":{\"text\":\"\"}}", "certs.", "file name"},
        {"\"certs\":{\".\":{\"text\":\"\"}}", "certs..", "file name"},
        {"\"certs\":{\"..\":{\"text\":\"\"}}", "certs...", "file name"},
        {"\"certs\":{\"a/b\":{\"text\":\"\"}}", "certs.a/b", "file name"},
        {"\"certs\":{\"a\\nb\":{\"text\":\"\"}}", "certs.a\nb", "file name"},
        {"\"gpus\":\"0000:41:00.0\"", "gpus", "must be an array"},
        {"\"gpus\":[5]", "gpus[0]", "PCI address"},
        {"\"gpus\":[\"\"]", "gpus[0]", "PCI address"},
        {"\"gpus\":[\"0000:41:00.8\"]", "gpus[0]", "PCI address"},
        {"\"gpus\":[\"0000:41:20.0\"]", "gpus[0]", "PCI address"},
        {"\"gpus\":[\"0000:41:00,0\"]", "gpus[0]", "PCI address"},
        {"\"gpus\":[\"000g:41:00.0\"]", "gpus[0]", "PCI address"},
        {"\"gpus\":[\"0000:41:00.0,x=y\"]", "gpus[0]", "PCI address"},
        {"\"gpus\":[\"41:0A.0\",\"0000:41:0a.0\"]", "gpus[1]",
         "0000:41:0a.0 is already given as gpus[0]"},
        {"\"disks\":{}", "disks", "must be an array"},
        {"\"disks\":[{}]", "disks[0]", "a path or fd"},
        {"\"disks\":[{\"path\":\"a\",\"fd\":0}]", "disks[0].path", "absolute"},
        {"\"disks\":[{\"path\":\"a\"}]", "disks[0].path", "absolute"},
        {"\"disks\":[{\"path\":\"/a\",\"format\":\"vmdk\"}]", "disks[0].format", "raw or qcow2"},
        {"\"disks\":[{\"path\":\"/a\",\"format\":\"\"}]", "disks[0].format", "raw or qcow2"},
        {"\"disks\":[{\"path\":\"/a\",\"bus\":\"ide\"}]", "disks[0].bus", "scsi, virtio or svsm"},
        {"\"disks\":[{\"path\":\"/a\",\"bus\":\"svsm\",\"readOnly\":true}]", "disks[0].readOnly",
         "keeps its state"},
        {"\"disks\":[{\"path\":\"/a\",\"bus\":\"svsm\",\"format\":\"qcow2\"}]", "disks[0].format",
         "must be raw"},
        {"\"disks\":[{\"path\":\"/a\",\"bus\":\"svsm\"},{\"path\":\"/b\",\"bus\":\"svsm\"}]",
         "disks[1].bus", "accepts one disk"},
        {"\"disks\":[{\"path\":\"/a\",\"id\":\"a,b\"}]", "disks[0].id", "1 to 20"},
        {"\"disks\":[{\"path\":\"/a\",\"id\":\"\"}]", "disks[0].id", "1 to 20"},
        {"\"disks\":[{\"path\":\"/a\",\"id\":\"abcdefghijklmnopqrstu\"}]", "disks[0].id",
         "1 to 20"},
        {"\"disks\":[{\"path\":\"/a\",\"id\":\"x\"},{\"path\":\"/b\",\"id\":\"x\"}]", "disks[1].id",
         "already the id of disks[0]"},
        {"\"disks\":[{\"path\":\"/a\",\"id\":\"disk1\"},{\"path\":\"/b\"}]", "disks[1].id",
         "already the id of disks[0]"},
        {"\"disks\":[{\"path\":\"/a\",\"readOnly\":1}]", "disks[0].readOnly", "true or false"},
        {"\"disks\":[{\"path\":\"/a\",\"serial\":\"x\"}]", "disks[0].serial", "unknown"},
        {"\"disks\":[{\"fd\":3}],\"shares\":[{\"tag\":\"t\",\"fd\":3}]", "disks[0].fd",
         "shares[0]"},
        {"\"shares\":{}", "shares", "must be an array"},
        {"\"shares\":[1]", "shares[0]", "must be an object"},
        {"\"shares\":[null]", "shares[0]", "must be an object"},
        {"\"shares\":[{\"path\":\"/a\"}]", "shares[0].tag", "is missing"},
        {"\"shares\":[{\"tag\":\"t\"}]", "shares[0]", "a path or fd"},
        {"\"shares\":[{\"tag\":\"t\",\"path\":\"a\",\"fd\":0}]", "shares[0].path", "absolute"},
        {"\"missing\":[1]", "missing[0]", "string"},
        {"\"missing\":[\"env.A\"]", "env.A", "is missing"},
        {"\"env\":{\"B\":\"\"},\"missing\":[\"env.B\",\"env.A\"]", "env.A", "--env-file"},
        {"\"missing\":[\"certs.a.pem\"]", "certs.a.pem", "--certs"},
        {"\"missing\":[\"kernel.path\"]", "kernel.path", "is missing"},
        {"\"kernel\":{},\"missing\":[\"kernel.path\"]", "kernel.path", "is missing"},
        {"\"missing\":[\"shares[0].path\"]", "shares[0].path", "is missing"},
        {"\"memory\":\"64M\",\"missing\":[\"memory[0].path\"]", "memory[0].path", "is missing"},
        {"\"missing\":[\"colour\"]", "colour", "is missing"},
        {"\"missing\":[\"\"]", "", "is missing"},
        {"\"memory\":-1", "memory", "size"},
        {"\"memory\":1073741825", "memory", "multiple"},
        {"\"shares\":[{\"tag\":\"t\",\"path\":\"a\"}]", "shares[0].path", "absolute"},
        {"\"shares\":[{\"tag\":\"t\",\"path\":\"/a\",\"readOnly\":1}]", "shares[0].readOnly",
         "true or false"},
        {"\"shares\":[{\"tag\":\"a,b\",\"path\":\"/a\"}]", "shares[0].tag", "1 to 31"},
        {"\"shares\":[{\"tag\":\"\",\"path\":\"/a\"}]", "shares[0].tag", "1 to 31"},
        {"\"shares\":[{\"tag\":\"abcdefghijklmnopqrstuvwxyz012345\",\"path\":\"/a\"}]",
         "shares[0].tag", "1 to 31"},
        {"\"shares\":[{\"tag\":\"env_share\",\"path\":\"/a\"}]", "shares[0].tag", "from env"},
        {"\"shares\":[{\"tag\":\"certs_share\",\"path\":\"/a\"}]", "shares[0].tag", "from certs"},
        {"\"shares\":[{\"tag\":\"t\",\"path\":\"/a\"},{\"tag\":\"t\",\"path\":\"/b\"}]",
         "shares[1].tag", "already the tag of shares[0]"},
        {"\"forwards\":{}", "forwards", "must be an array"},
        {"\"forwards\":[{}]", "forwards[0].guestPort", "is missing"},
        {"\"forwards\":[{\"guestPort\":0}]", "forwards[0].guestPort", "from 1 to 65535"},
        {"\"forwards\":[{\"guestPort\":1,\"hostPort\":65536}]", "forwards[0].hostPort",
         "from 0 to 65535"},
        {"\"forwards\":[{\"guestPort\":1,\"hostPort\":-1}]", "forwards[0].hostPort",
         "from 0 to 65535"},
        {"\"forwards\":[{\"guestPort\":1,\"protocol\":\"sctp\"}]", "forwards[0].protocol",
         "tcp or udp"},
        {"\"forwards\":[{\"guestPort\":1,\"address\":\"localhost\"}]", "forwards[0].address",
         "IPv4"},
        {"\"forwards\":[{\"guestPort\":1,\"address\":\"::1\"}]", "forwards[0].address", "IPv4"},
        {"\"forwards\":[{\"guestPort\":1,\"address\":\"127.1\"}]", "forwards[0].address", "IPv4"},
        {"\"forwards\":[{\"guestPort\":1,\"address\":\"127.0.0.1,x\"}]", "forwards[0].address",
         "IPv4"},
        {"\"forwards\":[{\"guestPort\":1,\"hostPort\":80},{\"guestPort\":2,\"hostPort\":80}]",
         "forwards[1].hostPort", "forwards[0]"},
        {"\"forwards\":[{\"guestPort\":1,\"hostPort\":80},"
         "{\"guestPort\":2,\"hostPort\":80,\"address\":\"0.0.0.0\"}]",
         "forwards[1].hostPort", "forwards[0]"},
        {"\"forwards\":[{\"guestPort\":1,\"hostPort\":80,\"address\":\"0.0.0.0\"},"
         "{\"guestPort\":2,\"hostPort\":80,\"address\":\"10.0.0.1\"}]",
         "forwards[1].hostPort", "forwards[0]"},
        {"\"forwards\":[{\"guestPort\":1}],\"network\":\"none\"", "forwards", "network 'user'"},
        {"\"forwards\":[{\"guestPort\":1}],\"network\":\"tap:t0\"", "forwards", "network 'user'"},
        {"\"network\":\"bridge\"", "network", "bridge:NAME"},
        {"\"network\":\"\"", "network", "user, isolated, passt, none"},
        {"\"network\":\"bridge:\"", "network", "1 to 15"},
        {"\"network\":\"tap:tap01234567890ab\"", "network", "1 to 15"},
        {"\"network\":\"tap:a,script=x\"", "network", "letters"},
        {"\"network\":\"tap:..\"", "network", "letters"},
        {"\"network\":\"tap:a/b\"", "network", "letters"},
        {"\"vsock\":true", "vsock", "must be an object"},
        {"\"vsock\":{\"cid\":2}", "vsock.cid", "from 3 to 4294967294"},
        {"\"vsock\":{\"cid\":4294967295}", "vsock.cid", "from 3 to 4294967294"},
        {"\"vsock\":{\"port\":1}", "vsock.port", "unknown field"},
        {"\"debug\":\"yes\"", "debug", "true or false"},
        {"\"restart\":{}", "restart.policy", "must be 'no'"},
        {"\"restart\":{\"policy\":\"never\"}", "restart.policy", "must be 'no'"},
        {"\"restart\":{\"policy\":\"always\",\"backoffSec\":0}", "restart.backoffSec",
         "from 1 to 86400"},
        {"\"restart\":{\"policy\":\"no\",\"backoffSec\":9,\"backoffMaxSec\":8}",
         "restart.backoffMaxSec", "less than"},
        {"\"restart\":{\"policy\":\"no\",\"max\":1}", "restart.max", "unknown field"},
        {"\"restart\":\"always\"", "restart", "object"},
        {"\"remove\":\"always\"", "remove", "must be 'never'"},
        {"\"remove\":true", "remove", "string"},
        {"\"ttlSec\":0", "ttlSec", "from 1 to"},
        {"\"ttlSec\":\"1h\"", "ttlSec", "integer"},
        {"\"timeouts\":{\"startSec\":0}", "timeouts.startSec", "from 1 to 86400"},
        {"\"timeouts\":{\"quitSec\":86401}", "timeouts.quitSec", "from 1 to 86400"},
        {"\"timeouts\":{\"stopSec\":1}", "timeouts.stopSec", "unknown field"},
        {"\"limits\":{\"cpuWeight\":0}", "limits.cpuWeight", "from 1 to 10000"},
        {"\"limits\":{\"tasksMax\":31}", "limits.tasksMax", "from 32 to"},
        {"\"limits\":{\"memoryMax\":\"1M\"}", "limits.memoryMax", "at least 64M"},
        {"\"limits\":{\"memoryHigh\":\"x\"}", "limits.memoryHigh", "at least 64M"},
        {"\"limits\":{\"memoryMax\":1}", "limits.memoryMax", "size"},
        {"\"limits\":{\"cpuQuota\":1}", "limits.cpuQuota", "unknown field"},
        {"\"limits\":{\"memoryMax\":\"1G\"},\"memory\":\"1G\"", "limits.memoryMax",
         "more than the CVM's memory"},
        {"\"limits\":{\"memoryMax\":\"2G\",\"memoryHigh\":\"3G\"},\"memory\":\"1G\"",
         "limits.memoryHigh", "not be above"},
        {"\"driver\":\"\"", "driver", "must be a driver's name"},
        {"\"driver\":\"QEMU\"", "driver", "such as 'qemu' or 'libvirt'"},
        {"\"driver\":\"aaaaaaaaaabbbbbbbbbbccccccccccddd\"", "driver",
         "1 to 32 lowercase letters and digits"},
};

static void test_refusals(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
                _cleanup_free_ char *text = NULL;

                assert_true(asprintf(&text, "{\"name\":\"a\",%s}", refusals[i].text) > 0);
                assert_refused(text, refusals[i].field, refusals[i].reason);
        }
        assert_refused("{}", "name", "is missing");
        assert_refused("[]", "spec", "must be an object");
        assert_refused("\"web\"", "spec", "must be an object");
        assert_refused("null", "spec", "must be an object");
}

static void test_names(void **state)
{
        static const char *const good[] = {"a", "0", "A.b_c-d", "a.", "a-_."};
        static const char *const bad[] = {"",         ".",    "..",   "-a",    "_a",
                                          "a/b",      "a..b", "../a", "a\\nb", "a b",
                                          "a\\u00e4", "a,b",  "a=b",  "a%",    "a\\tb"};
        char longest[SPEC_NAME_MAX + 2];

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                assert_true(spec_name_is_valid(good[i]));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                _cleanup_free_ char *text = NULL;

                assert_true(asprintf(&text, "{\"name\":\"%s\"}", bad[i]) > 0);
                assert_refused(text, "name", "1 to 63");
        }

        memset(longest, 'a', sizeof(longest));
        longest[SPEC_NAME_MAX] = 0;
        assert_true(spec_name_is_valid(longest));
        longest[SPEC_NAME_MAX] = 'a';
        longest[SPEC_NAME_MAX + 1] = 0;
        assert_false(spec_name_is_valid(longest));
}

/* {"name":"a","FIELD":"xxx…"} with n times `c`. */
static char *with_long(const char *before, char c, size_t n, const char *after)
{
        _cleanup_free_ char *run = malloc(n + 1);
        char *text = NULL;

        memset(run, c, n);
        run[n] = 0;
        assert_true(asprintf(&text, "{\"name\":\"a\",%s%s%s}", before, run, after) > 0);
        return text;
}

static void test_long_values(void **state)
{
        static const struct {
                const char *before, *after, *field, *reason;
                size_t most;
        } cases[] = {
                {"\"cmdline\":\"", "\"", "cmdline", "2048 bytes long", SPEC_CMDLINE_MAX},
                {"\"env\":{\"A\":\"", "\"}", "env", "exceed", SPEC_ENV_BYTES_MAX - 1},
                {"\"env\":{\"", "\":\"\"}", "env", "names exceed", SPEC_ENV_NAMES_BYTES_MAX},
                {"\"certs\":{\"c\":{\"text\":\"", "\"}}", "certs.c", "at most 1048576",
                 SPEC_CERT_BYTES_MAX},
                {"\"kernel\":{\"path\":\"/", "\"}", "kernel.path", "longer than 4095", 4094},
                {"\"shares\":[{\"tag\":\"t\",\"path\":\"/", "\"}]", "shares[0].path",
                 "longer than 4095", 4094},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *fits =
                        with_long(cases[i].before, 'x', cases[i].most, cases[i].after);
                _cleanup_free_ char *over =
                        with_long(cases[i].before, 'x', cases[i].most + 1, cases[i].after);

                spec_free(assert_accepted(fits));
                assert_refused(over, cases[i].field, cases[i].reason);
        }
}

/* A path in a refusal is cut, between characters, whatever a client names. */
static void test_long_field(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *text = NULL;
        CvmSpec *spec = NULL;
        const char *field;

        assert_true(asprintf(&text, "{\"name\":\"a\",\"x%01000d\":1}", 0) > 0);
        for (char *p = strchr(text, 'x') + 1; p[0] == '0' && p[1] == '0'; p += 2)
                memcpy(p, "\xc3\xa4", 2);
        assert_int_equal(parse(text, &spec, &error), -EINVAL);
        field = json_member_string(error.fields, "field");
        assert_in_range(strlen(field), 300, 330);
        assert_string_equal(field + strlen(field) - 5, "\xc3\xa4\xe2\x80\xa6");
}

/* A JSON list or object of n entries made by printf(format, i, i). */
static char *with_many(const char *open, const char *format, size_t n, const char *close)
{
        _cleanup_(buffer_done) Buffer buffer = {};

        assert_int_equal(buffer_append_text(&buffer, open), 0);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *entry = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                assert_true(asprintf(&entry, format, (int)i + 1) > 0);
#pragma GCC diagnostic pop
                assert_int_equal(buffer_append_text(&buffer, i ? "," : ""), 0);
                assert_int_equal(buffer_append_text(&buffer, entry), 0);
        }
        assert_int_equal(buffer_append_text(&buffer, close), 0);
        return buffer_take(&buffer);
}

static void test_many(void **state)
{
        static const struct {
                const char *open, *format, *close, *field;
                size_t most;
        } cases[] = {
                {"{\"name\":\"a\",\"env\":{", "\"A%d\":\"\"", "}}", "env", SPEC_ENV_MAX},
                {"{\"name\":\"a\",\"certs\":{", "\"%d\":{\"text\":\"\"}", "}}", "certs",
                 SPEC_CERTS_MAX},
                {"{\"name\":\"a\",\"shares\":[", "{\"tag\":\"%d\",\"path\":\"/\"}", "]}", "shares",
                 SPEC_SHARES_MAX},
                {"{\"name\":\"a\",\"forwards\":[", "{\"hostPort\":%d,\"guestPort\":7002}", "]}",
                 "forwards", SPEC_FORWARDS_MAX},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *fits =
                        with_many(cases[i].open, cases[i].format, cases[i].most, cases[i].close);
                _cleanup_free_ char *over = with_many(cases[i].open, cases[i].format,
                                                      cases[i].most + 1, cases[i].close);

                spec_free(assert_accepted(fits));
                assert_refused(over, cases[i].field, "at most");
        }
}

/* What spec_to_json_redacted() gives is a spec with the same fields and none of the secrets. */
static void test_redacted(void **state)
{
        _cleanup_(spec_freep) CvmSpec *spec = assert_accepted(full), *again = NULL;
        _cleanup_json_ json_object *object = spec_to_json_redacted(spec), *second = NULL;
        const char *text = json_text(object);

        assert_null(strstr(text, "s3cret"));
        assert_null(strstr(text, "czNj"));
        assert_null(strstr(text, "x y"));
        assert_non_null(strstr(text, "\"A_1\":\"\""));
        assert_non_null(strstr(text, "\"key.pem\":{\"text\":\"\"}"));

        again = assert_accepted(text);
        assert_string_equal(again->artifacts[ARTIFACT_KERNEL].path, "/a, b=c");
        assert_memory_equal(again->artifacts[ARTIFACT_IGVM].sha256,
                            spec->artifacts[ARTIFACT_IGVM].sha256, SHA256_SIZE);
        assert_int_equal(again->memory, spec->memory);
        assert_int_equal(again->n_env, spec->n_env);
        assert_int_equal(again->n_certs, spec->n_certs);
        assert_int_equal(again->shares[1].fd, 63);
        assert_false(again->shares[1].read_only);
        assert_int_equal(again->forwards[1].protocol, SPEC_UDP);
        assert_int_equal(again->vsock_cid, spec->vsock_cid);
        assert_int_equal(again->powerdown_sec, 3);
        assert_true(again->debug);
        second = spec_to_json_redacted(again);
        assert_string_equal(json_text(second), text);
}

/* The limits and the restart policy of one spec and of another one. */
static void assert_equal(const char *a, const char *b, bool limits, bool restart)
{
        _cleanup_(spec_freep) CvmSpec *one = assert_accepted(a), *other = assert_accepted(b);

        assert_int_equal(spec_limits_equal(&one->limits, &other->limits), limits);
        assert_int_equal(spec_restart_equal(&one->restart, &other->restart), restart);
}

static void test_equal(void **state)
{
        static const char given[] =
                "{\"name\":\"a\",\"limits\":{\"memoryHigh\":\"1G\",\"memoryMax\":\"2G\","
                "\"cpuWeight\":9,"
                "\"tasksMax\":99},\"restart\":{\"policy\":\"always\",\"backoffSec\":7,"
                "\"backoffMaxSec\":8,\"limit\":3,\"windowSec\":60}}";
        static const struct {
                const char *old, *new;
                bool limits, restart; /* they still mean the same */
        } changes[] = {
                {"\"1G\"", "\"1024M\"", true, true},
                {"\"2G\"", "\"2097152K\"", true, true},
                {"\"1G\"", "\"1023M\"", false, true},
                {"\"2G\"", "\"3G\"", false, true},
                {"\"cpuWeight\":9", "\"cpuWeight\":8", false, true},
                {"\"tasksMax\":99", "\"tasksMax\":98", false, true},
                {"always", "on-failure", true, false},
                {"\"backoffSec\":7", "\"backoffSec\":6", true, false},
                {"\"backoffMaxSec\":8", "\"backoffMaxSec\":9", true, false},
                {"\"limit\":3", "\"limit\":4", true, false},
                {"\"windowSec\":60", "\"windowSec\":61", true, false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                const char *at = strstr(given, changes[i].old);
                _cleanup_free_ char *changed = NULL;

                assert_non_null(at);
                changed = text_format("%.*s%s%s", (int)(at - given), given, changes[i].new,
                                      at + strlen(changes[i].old));
                assert_non_null(changed);
                assert_equal(given, changed, changes[i].limits, changes[i].restart);
        }
        assert_equal("{\"name\":\"a\",\"restart\":{\"policy\":\"always\"}}",
                     "{\"name\":\"a\",\"restart\":{\"policy\":\"always\",\"backoffSec\":5,"
                     "\"backoffMaxSec\":300}}",
                     true, true);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_minimal),    cmocka_unit_test(test_full),
                cmocka_unit_test(test_labels),     cmocka_unit_test(test_label_bounds),
                cmocka_unit_test(test_networks),   cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_names),      cmocka_unit_test(test_long_values),
                cmocka_unit_test(test_long_field), cmocka_unit_test(test_many),
                cmocka_unit_test(test_redacted),   cmocka_unit_test(test_equal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
