/* SPDX-License-Identifier: Apache-2.0 */
#include "exit.h"

#include "base/file.h"

static const ExitCode of_errors[_CVM_ERROR_MAX] = {
        [CVM_ERROR_NONE] = EXIT_DONE,
        [CVM_ERROR_NO_SUCH_CVM] = EXIT_NOT_FOUND,
        [CVM_ERROR_CVM_EXISTS] = EXIT_TAKEN,
        [CVM_ERROR_IDEMPOTENCY_MISMATCH] = EXIT_TAKEN,
        [CVM_ERROR_NOT_CONFIDENTIAL] = EXIT_UNAVAILABLE,
        [CVM_ERROR_INVALID_SPEC] = EXIT_DATA,
        [CVM_ERROR_ARTIFACT_INVALID] = EXIT_DATA,
        [CVM_ERROR_TEMPLATE_INVALID] = EXIT_CONFIG,
        [CVM_ERROR_HOST_NOT_READY] = EXIT_UNAVAILABLE,
        [CVM_ERROR_NO_RESOURCES] = EXIT_TRY_AGAIN,
        [CVM_ERROR_LAUNCH_FAILED] = EXIT_FAILED,
        [CVM_ERROR_WRONG_STATE] = EXIT_FAILED,
        [CVM_ERROR_SECRETS_GONE] = EXIT_FAILED,
        [CVM_ERROR_QUOTA_EXCEEDED] = EXIT_TRY_AGAIN,
        [CVM_ERROR_TIMEOUT] = EXIT_TRY_AGAIN,
        [CVM_ERROR_EVENTS_LOST] = EXIT_FAILED,
        [CVM_ERROR_SYSTEM] = EXIT_FAILED,
        [CVM_ERROR_INVALID_PARAMETER] = EXIT_USAGE,
        [CVM_ERROR_METHOD_NOT_FOUND] = EXIT_FAILED,
        [CVM_ERROR_INTERFACE_NOT_FOUND] = EXIT_FAILED,
        [CVM_ERROR_EXPECTED_MORE] = EXIT_FAILED,
        [CVM_ERROR_PERMISSION_DENIED] = EXIT_NOT_ALLOWED,
        [CVM_ERROR_OTHER] = EXIT_FAILED,
};

bool exit_is_verdict(ExitStatus status)
{
        return status.code >= EXIT_REFUTED && status.code <= EXIT_VERIFIED_TEST_ROOT;
}

ExitStatus exit_of_error(CvmErrorId id)
{
        return exit_status(of_errors[id]);
}

ExitStatus exit_of_file(int r)
{
        switch (r) {
        case -ENOENT:
                return exit_status(EXIT_NOT_FOUND);
        case -EACCES:
        case -EPERM:
                return exit_status(EXIT_NOT_ALLOWED);
        default:
                break;
        }
        switch (file_fault(r)) {
        case FILE_FAULT_SHORTAGE:
                return exit_status(EXIT_TRY_AGAIN);
        case FILE_FAULT_HOST:
                return exit_status(EXIT_FAILED);
        case FILE_FAULT_FILE:
                break;
        }
        return exit_status(EXIT_DATA);
}

ExitStatus exit_of_ending(const char *reason, bool failed)
{
        const Ending *ending = ending_find(reason);

        if (ending->exit_status == EXIT_DONE && failed)
                return exit_status(EXIT_GIVEN_UP);
        return exit_status((ExitCode)ending->exit_status);
}
