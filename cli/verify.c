/* SPDX-License-Identifier: Apache-2.0 */

/* Whether an attestation shows what is expected of it. */

#include "fail.h"
#include "verdict.h"
#include "verify/attestation_verify.h"
#include "verify_files.h"

/* Of an attestation of a running CVM: who reads the file made no challenge. */
static int verify_evidence(const VerifyFiles *files, const VerifyInputs *inputs, Verification *ret,
                           CvmError *error)
{
        const AttestationInputs attestation = {
                .attestation = &files->attestation,
                .expectation = inputs->expectation,
                .binding = *files->attestation.activated ? TPM_BINDING_RECORDED : TPM_BINDING_NONE,
                .trust = inputs->trust,
                .from_file = true,
        };

        return attestation_verify(&attestation, ret, error);
}

static ExitStatus verify_judge(const Cli *cli, const VerifyFiles *files, const VerifyInputs *inputs)
{
        _cleanup_(verification_done) Verification verification = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = files->has_attestation ? verify_evidence(files, inputs, &verification, &error)
                                       : verify_run(inputs, &verification, &error);

        if (r < 0)
                return cvm_error_is_set(&error) ? fail_error(cli, &error, NULL) : fail_memory(cli);
        return verdict_print(cli, &verification);
}

ExitStatus verb_verify(const Arguments *arguments)
{
        _cleanup_(verify_files_done) VerifyFiles files = {};
        const VerifyOptions options = verify_options(arguments);
        VerifyInputs inputs = {};
        ExitStatus status = verify_files_load(&arguments->cli, &options, &files, &inputs);

        return status.code ? status : verify_judge(&arguments->cli, &files, &inputs);
}
