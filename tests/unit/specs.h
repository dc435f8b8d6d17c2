/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Specs as texts: what is parsed, what is accepted, and one with each field. */

#include "test.h"

#include "base/json.h"
#include "spec/spec.h"

static inline int parse(const char *text, CvmSpec **ret, CvmError *error)
{
        _cleanup_json_ json_object *object = NULL;

        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        return spec_parse(object, ret, error);
}

static inline CvmSpec *assert_accepted(const char *text)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        CvmSpec *spec = NULL;

        if (parse(text, &spec, &error) != 0) {
                _cleanup_free_ char *message = cvm_error_message(&error);

                fail_msg("%.200s: %s", text, message);
        }
        return spec;
}

#define SHA "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static const char full[] =
        "{\"name\":\"Web-1.a_b\",\"platform\":\"sev-snp\",\"cpus\":512,\"memory\":\"64M\","
        "\"kernel\":{\"path\":\"/a, b=c\",\"sha256\":\"" SHA "\"},"
        "\"initramfs\":{\"name\":\"initramfs-debug\"},\"firmware\":{\"fd\":0},"
        "\"igvm\":{\"sha256\":\"" SHA "\"},\"cmdline\":\"console=ttyS0 a=\\\"b\\\"\","
        "\"env\":{\"Z\":\"zs3cret\",\"A_1\":\"x y,z=\\\"q\\\"\\t$`\\\\\"},"
        "\"certs\":{\"key.pem\":{\"text\":\"s3cret\"},\"ca.pem\":{\"base64\":\"czNjcmV0AP8=\"},"
        "\"cert.pem\":{\"path\":\"/etc/c\"},\"x\":{\"fd\":1}},"
        "\"shares\":[{\"tag\":\"data\",\"path\":\"/srv\"},"
        "{\"tag\":\"w\",\"fd\":63,\"readOnly\":false}],"
        "\"forwards\":[{\"guestPort\":7002},{\"address\":\"0.0.0.0\",\"hostPort\":65535,"
        "\"guestPort\":1,\"protocol\":\"udp\"},{\"hostPort\":65535,\"guestPort\":1},"
        "{\"hostPort\":0,\"guestPort\":7002},"
        "{\"address\":\"127.0.0.2\",\"hostPort\":65535,\"guestPort\":1}],"
        "\"network\":\"user\",\"vsock\":{\"cid\":4294967294},\"debug\":true,"
        "\"limits\":{\"memoryHigh\":\"100M\",\"memoryMax\":\"128M\",\"cpuWeight\":10000,"
        "\"tasksMax\":32},"
        "\"timeouts\":{\"startSec\":1,\"readySec\":2,\"powerdownSec\":3,\"quitSec\":86400},"
        "\"restart\":{\"policy\":\"on-failure\",\"backoffSec\":400,\"limit\":3,\"windowSec\":60},"
        "\"ttlSec\":3600,"
        "\"driver\":\"qemu\"}";
