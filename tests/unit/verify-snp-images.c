/* SPDX-License-Identifier: Apache-2.0 */
#include "verify-snp-images.h"

#include "base/text.h"

void made_report_expect_digest(Expectation *ret, const uint8_t *report)
{
        _cleanup_free_ char *hex = text_hex(report + 0x90, 48);

        *ret = expectation_of("{'measurement':{'LaunchDigest':'%s'}}", hex);
}

static void made_expect(MadeReport *this)
{
        _cleanup_free_ char *digest = text_hex(this->report + 0x90, 48);
        _cleanup_free_ char *host = text_base64(this->report + 0xc0, 32);
        _cleanup_free_ char *block = text_base64(this->id_block, sizeof(this->id_block));
        _cleanup_free_ char *auth = text_base64(this->id_auth, sizeof(this->id_auth));

        this->expectation = expectation_of(
                "{'measurement':{'LaunchDigest':'%s'},'vmpl':1,'launchSecurity':{'policy':"
                "'0x30000','hostData':'%s','idBlock':'%s','idAuth':'%s','authorKeyEnabled':"
                "'true'}}",
                digest, host, block, auth);
}

void made_report_init(MadeReport *this, uint32_t version, bool turin, bool vlek)
{
        HashDigest digest;
        IdBlock block = {.guest_svn = 7, .policy = 0x30000};

        *this = (MadeReport){.vcek = {.name = vlek ? "SEV-VLEK" : "SEV-VCEK",
                                      .tcb = {3, 0x80, 0, 0, 0, 0, 8, 0xff},
                                      .turin = turin,
                                      .vlek = vlek}};
        for (size_t i = 0; i < sizeof(this->report); i++)
                this->report[i] = (uint8_t)(i * 7 + 1);
        memset(this->report, 0, 0x50);
        le32_put(this->report, version);
        le32_put(this->report + 0x4, 7);
        le64_put(this->report + 0x8, 0x30000);
        le32_put(this->report + 0x30, 1);
        le32_put(this->report + 0x34, 1);
        le32_put(this->report + 0x48, vlek ? 1 << 2 : 0);
        memcpy(this->report + 0x180, this->vcek.tcb, 8);
        memset(this->report + 0x188, 0, 24);
        if (version >= 3)
                this->report[0x188] = turin ? 0x1a : 0x19;
        if (turin)
                memset(this->report + 0x1a8, 0, 56);
        memcpy(this->vcek.chip, this->report + 0x1a0, 64);
        this->report[0x1eb] = this->report[0x1ef] = 0;
        memset(this->report + (version >= 4 ? 0x208 : 0x1f8), 0, version >= 4 ? 0x98 : 0xa8);
        memcpy(block.family_id, "family.........", 16);
        memcpy(block.image_id, "image..........", 16);
        memcpy(this->report + 0x10, block.family_id, 16);
        memcpy(this->report + 0x20, block.image_id, 16);
        memcpy(block.launch_digest.bytes, this->report + 0x90, 48);
        id_block_encode(&block, this->id_block);
        memset(this->id_auth + 0x240, 3, 1028);
        memset(this->id_auth + 0x880, 5, 1028);
        assert_int_equal(id_block_key_digest(this->id_auth + 0x240, &digest), 0);
        memcpy(this->report + 0xe0, digest.bytes, 48);
        assert_int_equal(id_block_key_digest(this->id_auth + 0x880, &digest), 0);
        memcpy(this->report + 0x110, digest.bytes, 48);
        memcpy(this->report_data, this->report + 0x50, 64);
        this->chain = made_vcek_chain(&this->vcek);
        this->others = (Certificates){{this->chain.middle.certificate}, 1};
        made_report_sign(this->report, this->chain.leaf.key);
        made_expect(this);
}

void made_report_done(MadeReport *this)
{
        made_chain_done(&this->chain);
        expectation_done(&this->expectation);
}

VerifyInputs made_report_inputs(const MadeReport *this)
{
        return (VerifyInputs){.report = {this->report, sizeof(this->report)},
                              .expectation = &this->expectation,
                              .report_data = this->report_data,
                              .trust = {.leaf = this->chain.leaf.certificate,
                                        .others = &this->others,
                                        .root = this->chain.root.certificate,
                                        .at = MADE_AT}};
}
